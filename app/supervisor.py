"""Start of uvicorn that exits with 3 if a worker cannot start, also with several workers: `python -m app.supervisor`.

It takes the arguments and variables of uvicorn, and the same signals. If one of several workers cannot start, uvicorn
itself stops the others and exits with 0. Then systemd, Docker and Kubernetes would see a success.
"""

import sys
from importlib import import_module
from typing import Any

from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess


class Supervisor(Multiprocess):
    """Supervisor of several workers that exits with STARTUP_FAILURE if a worker could not start."""

    has_failed = False

    def keep_subprocess_alive(self) -> None:
        is_stopped = self.should_exit.is_set()  # by a signal
        super().keep_subprocess_alive()
        self.has_failed = self.should_exit.is_set() and not is_stopped

    def run(self) -> None:
        super().run()
        if self.has_failed:
            sys.exit(STARTUP_FAILURE)


if __name__ == "__main__":
    module: Any = import_module("uvicorn.main")  # uvicorn.main, the attribute, is the command of this module
    module.Multiprocess = Supervisor  # uvicorn has no parameter for it
    module.main(prog_name="uvicorn")
