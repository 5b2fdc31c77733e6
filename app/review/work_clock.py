"""Work clock: the time that a session's statements take, without the time in which they wait for a processor.

A review on a busy machine would otherwise save times that are several times as long as on a quiet one. Linux counts
the wait of each process in /proc/PID/schedstat. If the server runs on another machine, the clock is an ordinary one.
"""

import math
import time
from collections.abc import Callable
from pathlib import Path

from app.migrations.connection import Connection, run

TRIALS = 3  # the fastest one counts


class WorkClock:
    """Clock of one session. `read()` returns seconds, of which only differences have a meaning."""

    def __init__(self, connection: Connection) -> None:
        process = Path("/proc", str(connection.info.backend_pid))
        self._waits = process / "schedstat" if _serves(process, connection.info.dbname) else None
        self._last = -math.inf

    def read(self) -> float:
        """Return the time so far, without the waits for a processor.

        The kernel counts a wait when it has ended, which can be after this clock was read. So that no difference is
        below zero, a later time is at least the earlier one.
        """
        self._last = max(self._last, time.perf_counter() - self._waited())
        return self._last

    def _waited(self) -> float:
        if self._waits is None:
            return 0.0
        try:
            _, nanoseconds, _ = self._waits.read_text().split()
        except (OSError, ValueError):  # the session has ended, or the kernel does not count
            return 0.0
        return int(nanoseconds) / 1e9


def measure_speed(connection: Connection, clock: Callable[[], float] = time.perf_counter) -> float:
    """Return the seconds that the server needs for the known work of measure_speed.sql, by a clock."""
    times = []
    for _ in range(TRIALS):
        began = clock()
        run(connection, "measure_speed")
        times.append(clock() - began)
    return min(times)


def _serves(process: Path, database: str) -> bool:
    """Return whether this local process is the server process of a session on that database.

    PostgreSQL writes the database's name into the title: `postgres: owner shop_review_1 [local] idle`. The server of
    another machine, or of a container, has other process IDs.
    """
    try:
        title = process.joinpath("cmdline").read_bytes().rstrip(b"\0").decode(errors="replace")
    except OSError:
        return False
    return title.startswith("postgres: ") and database in title.split()
