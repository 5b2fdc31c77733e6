"""Entry points: the commands `images` and `yoyo`. Ctrl+C ends them without a traceback, while Python imports them too.

The imports take 0.2 s. A KeyboardInterrupt there would be a traceback of the libraries.
"""

import gc
import os
import signal
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

INTERRUPTED = 128 + signal.SIGINT  # as in app/errors.py, which imports more


def images() -> NoReturn:
    """Run the `images` command."""

    def load() -> Callable[[], int]:
        from app.cli.main import main

        return main

    _run(load)


def yoyo() -> NoReturn:
    """Run the `yoyo` command. It is installed over that of yoyo-migrations, and runs the same program."""

    def load() -> Callable[[], int]:
        import app.migrations.backend  # noqa: F401  # yoyo would import it later
        from app.migrations.yoyo_command import main

        return main

    _run(load)


def _run(load: Callable[[], Callable[[], int]]) -> NoReturn:
    """Run what `load` imports. If SIGINT is ignored, as in the background of a script, it stays so.

    Warnings of Python, such as one about the pattern of an option, are for developers: `python -W default` shows them.
    """
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    try:
        before = signal.getsignal(signal.SIGINT)
        if before is signal.default_int_handler:
            signal.signal(signal.SIGINT, _end)
        gc.disable()  # it would look at each imported object several times: a tenth of the time of the imports
        main = load()
        gc.freeze()
        gc.enable()
        signal.signal(signal.SIGINT, before)
        sys.exit(main())
    except KeyboardInterrupt:
        _end()


def _end(*_: object) -> NoReturn:
    with suppress(OSError):  # stderr may be closed
        os.write(2, b"interrupted\n")
    os._exit(INTERRUPTED)
