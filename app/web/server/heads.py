"""Heads that are not complete: how many connections of a process wait for one, and how much memory they take."""

from typing import Any

MAX_WAITING = 1000  # connections: they take 8 MiB besides the text of their heads
MAX_HELD_BYTES = 32 * 1024**2  # of all heads: beyond it, only small ones are accepted
SMALL_HEAD = 6144  # bytes
HEADER_BYTES = 100  # of memory, besides the text


class Heads:
    """The connections of a process whose next head is not complete."""

    def __init__(self) -> None:
        self.held: dict[Any, int] = {}  # bytes of memory, about, by connection, from the oldest to the newest
        self.total = 0

    def wait(self, connection: object) -> bool:
        """Add a connection. Return whether there are too many."""
        self.held.setdefault(connection, 0)
        return len(self.held) > MAX_WAITING

    def hold(self, connection: object, length: int, lines: int) -> bool:
        """Note the size of a head: bytes of text, and lines. Return False if there is no memory for it."""
        held = length + HEADER_BYTES * lines
        self.total += held - self.held.get(connection, 0)
        self.held[connection] = held
        return held <= SMALL_HEAD or self.total <= MAX_HELD_BYTES

    def remove(self, connection: object) -> int:
        """Remove a connection whose head is complete, or is no longer awaited. Return the memory that it held."""
        held = self.held.pop(connection, 0)
        self.total -= held
        return held
