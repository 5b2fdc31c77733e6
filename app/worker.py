"""Entry of a worker: `python -m app.supervisor --http app.worker:HttpProtocol --factory app.worker:create`.

If a worker ends before it serves, uvicorn starts it again, for ever. So if a worker cannot start, for example because a
disk is full, it says why. If no worker has served yet, it ends the service.
"""

import logging
import sys
from time import sleep
from typing import TYPE_CHECKING, NoReturn

from app.errors import CommandError, describe
from app.web.server.handover import take_over

if TYPE_CHECKING:  # an import that fails must be one of those below
    from starlette.applications import Starlette

STARTUP_FAILURE = 3  # the status with which a worker ends the service
PAUSE = 5.0  # seconds before uvicorn starts a worker again, while others may serve


def _end(error: Exception | None) -> NoReturn:
    """Log why the worker cannot start, unless that is logged, and end the process."""
    log = logging.getLogger("uvicorn.error")
    if isinstance(error, CommandError):
        for line in describe(error).splitlines():
            log.error("%s", line)
    elif error is not None:  # a fault of the program, or of its installation
        log.error("error: a worker cannot start: %s: %s", type(error).__name__, error, exc_info=error)
        log.error("hint: install the locked packages: make .venv/service")
    if take_over():
        sys.exit(STARTUP_FAILURE)
    sleep(PAUSE)
    sys.exit(1)


try:
    from app.main import from_environment
    from app.web.server.protocol import HttpProtocol as HttpProtocol
except Exception as error:
    _end(error)


def create() -> "Starlette":
    """Return the application, or end the process."""
    try:
        return from_environment()
    except SystemExit:  # a setting is wrong, which is logged
        _end(None)
    except Exception as error:
        _end(error)
