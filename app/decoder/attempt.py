"""Attempt to decode an image: within the limits of small images or of all, until it is canceled."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Protocol

SMALL_PIXELS = 16_000_000  # of an image that is decoded among small ones. A noisy AVIF of that size takes 1 s of CPU.
SMALL_SECONDS = 2.0  # that a small image may take


class Killable(Protocol):
    """A process that works on an attempt."""

    def kill(self) -> None: ...


class Attempt:
    """One attempt. If it is `small`, larger images, and those that take longer, raise LargeImageError.

    If it is `large`, it has a process of its own, which runs after those of small images.
    """

    def __init__(self, *, small: bool = False, large: bool = False) -> None:
        self.is_large = large
        self.pixels = SMALL_PIXELS if small else None
        self.seconds = SMALL_SECONDS if small else math.inf
        self.is_canceled = False
        self._process: Killable | None = None
        self._lock = Lock()

    @contextmanager
    def of(self, process: Killable) -> Iterator[None]:
        """Let `cancel` kill this process while the context is open. If the attempt is canceled already, kill it now."""
        with self._lock:
            self._process = process
            if self.is_canceled:
                process.kill()
        try:
            yield
        finally:
            with self._lock:
                self._process = None

    def cancel(self) -> None:
        """Cancel the attempt, from any thread. The thread that waits for its answer gets StoppingError."""
        with self._lock:
            self.is_canceled = True
            if self._process is not None:
                self._process.kill()
