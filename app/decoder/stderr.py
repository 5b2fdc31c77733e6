"""Standard error of a decoder: a pipe. The log gets short lines of it, because an image may control it."""

import os
import time
from threading import Lock
from typing import ClassVar, Self

from app.observability.logs import logger
from app.text import count, one_line, printable

MAX_BYTES = 64 * 1024  # that Linux keeps in a pipe
MAX_LOGGED = 500  # characters
LOG_INTERVAL = 60.0  # seconds between two lines without a fault


class Stderr:
    """Pipe for the stderr of one decoder. If it is full, the rest is lost, so that it delays no decoder."""

    _lock: ClassVar[Lock] = Lock()
    _due: ClassVar[float] = 0.0  # time.monotonic() of the next line without a fault
    _left_out: ClassVar[int] = 0  # such lines since the last one

    def __init__(self) -> None:
        self._reading, self.writing = os.pipe()
        for end in (self._reading, self.writing):
            os.set_blocking(end, False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._reading)
        self.close_writing()

    def close_writing(self) -> None:
        """Close the end of the decoder, which has its own copy."""
        if self.writing >= 0:
            os.close(self.writing)
            self.writing = -1

    def log(self, *, is_fault: bool = False) -> None:
        """Log the end of the text that the decoder has written since the last call.

        After a fault, it is always logged. Otherwise there is one line in LOG_INTERVAL. So a library that warns of each
        image does not fill the log.
        """
        try:
            written = os.read(self._reading, MAX_BYTES)
        except BlockingIOError:  # nothing was written
            return
        if not written or (left_out := 0 if is_fault else self._turn()) is None:
            return
        text = printable(one_line(written[-MAX_LOGGED:].decode(errors="backslashreplace")))
        others = f" (left out before: {count(left_out, 'line')})" if left_out else ""
        logger.warning("the decoder wrote %s%s: %s", count(len(written), "byte"), others, text[-MAX_LOGGED:])

    @classmethod
    def _turn(cls) -> int | None:
        """Return how many lines were left out before this one, or None if it is left out too."""
        with cls._lock:
            if time.monotonic() < cls._due:
                cls._left_out += 1
                return None
            left_out, cls._left_out, cls._due = cls._left_out, 0, time.monotonic() + LOG_INTERVAL
            return left_out
