"""The work clock of a review: waits for a processor do not count, and all other time does."""

import multiprocessing
import os
import time
from pathlib import Path

import psycopg
import pytest

from app.review.work_clock import WorkClock, _serves

WORK = "SELECT count(*) FROM generate_series(1, 1000000)"
RIVALS = 3  # processes that use the same processor


def _burn(processor: int) -> None:
    os.sched_setaffinity(0, {processor})
    while True:
        pass


def test_a_wait_for_a_processor_does_not_count(connection: psycopg.Connection) -> None:
    processor = min(os.sched_getaffinity(0))
    os.sched_setaffinity(connection.info.backend_pid, {processor})
    rivals = [multiprocessing.Process(target=_burn, args=(processor,), daemon=True) for _ in range(RIVALS)]
    for rival in rivals:
        rival.start()
    try:
        clock = WorkClock(connection)
        began, work_began = time.perf_counter(), clock.read()
        connection.execute(WORK)
        took, worked = time.perf_counter() - began, clock.read() - work_began
    finally:
        for rival in rivals:
            rival.kill()
            rival.join()

    assert 0 < worked < 0.7 * took


def test_a_wait_for_something_else_counts(connection: psycopg.Connection) -> None:
    clock = WorkClock(connection)
    began = clock.read()

    connection.execute("SELECT pg_sleep(0.1)")

    assert clock.read() - began > 0.09


def test_a_wait_that_the_kernel_counts_later_does_not_turn_time_back(
    connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = WorkClock(connection)
    began = clock.read()

    monkeypatch.setattr(clock, "_waited", lambda: 3600.0)

    assert clock.read() == began


def test_only_the_process_of_the_session_is_read(connection: psycopg.Connection) -> None:
    """A server on another machine has a process ID that another process may have here."""
    process = Path("/proc", str(connection.info.backend_pid))
    database = connection.info.dbname

    assert _serves(process, database)
    assert not _serves(process, f"{database}_other")
    assert not _serves(process.with_name(str(os.getpid())), database)
    assert not _serves(process.with_name("0"), database)
