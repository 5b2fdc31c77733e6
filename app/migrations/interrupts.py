"""Interrupts: SIGINT and SIGTERM end the migrator, also while it prints a message of PostgreSQL."""

import _thread
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

PAUSE = 0.01  # seconds


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM raise KeyboardInterrupt in the block, as SIGINT does, and let no such exception be lost.

    libpq calls psycopg for each message, such as a NOTICE. An exception cannot pass through libpq, so psycopg prints
    its traceback, and gives it to `sys.unraisablehook`. The signal then comes again, until it meets the program
    elsewhere.
    """
    before = signal.signal(signal.SIGTERM, signal.default_int_handler), sys.unraisablehook, sys.excepthook
    sys.unraisablehook, sys.excepthook = _again, _print
    try:
        yield
    finally:
        _, sys.unraisablehook, sys.excepthook = before
        signal.signal(signal.SIGTERM, before[0])


def _again(lost: "sys.UnraisableHookArgs") -> None:
    if not issubclass(lost.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(lost)
        return
    # A thread, because the exception would be lost in this function too. It does nothing after the block.
    timer = threading.Timer(PAUSE, _thread.interrupt_main, [signal.SIGTERM])
    timer.daemon = True
    timer.start()


def _print(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
