"""Cost of writes: WAL, pages, and the share of HOT updates, measured for each query of the service that writes."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import NamedTuple

import psycopg

from app.migrations.connection import Connection
from app.review.plans import AT_COMMIT
from app.review.traffic import Call, open_session
from app.schema.statements import statement

ROWS = 10  # that each query writes
TIMES = 5  # that a row is changed, or deleted and rolled back
# That an insert is tried for each row, and rolled back. An insert has random keys, and often writes whole pages for
# them. The cheapest of 10 inserts into 20,000 rows took 2 to 17 kB of WAL, that of 200 took 2.4 to 3.5 kB.
TRIES = 20


@dataclass(frozen=True)
class WriteCost:
    """Cost of one execution of a query."""

    wal: int  # bytes: the least, because some write whole pages
    pages: int  # of tables and indexes, that it looked at on average
    hot: float | None  # share of the updates that were HOT, or None if it updates no row
    scanned: int = 0  # rows and entries of indexes that its scans read, on average
    milliseconds: float = 0.0  # the least


def measure_writes(url: str, role: str | None, calls: Sequence[Call], first_row: int) -> dict[str, WriteCost]:
    """Return the cost of each query that writes a numbered row. The writes are rolled back, except those of updates."""
    costs: dict[str, WriteCost] = {}
    with closing(open_session(url, role)) as connection:
        for call in calls:
            if call.is_write and call.is_numbered and call.query not in costs:
                try:
                    cost = _measure(connection, call, first_row)
                except psycopg.Error:  # the trial tells of it
                    continue
                if cost:
                    costs[call.query] = cost
    return costs


def _measure(connection: Connection, call: Call, first_row: int) -> WriteCost | None:
    """Return the cost of a query, or None if it writes no row."""
    is_update = call.kind == "update"
    times = TRIES if call.kind == "insert" else TIMES
    connection.execute(f"PREPARE measured AS {call.text}".encode())
    done = []
    try:
        for row in range(first_row, first_row + ROWS):
            # The first time does not count: it writes whole pages to WAL, and an update leaves the row's full page.
            tries = [_execute(connection, call.of_row(row), is_kept=is_update) for _ in range(times + 1)]
            done += [each for each in tries[1:] if each.rows > 0]
    finally:
        connection.execute("DEALLOCATE measured")
    if not done:
        return None
    updated = sum(each.updated for each in done)
    return WriteCost(
        min(each.wal for each in done),
        sum(each.pages for each in done) // len(done),
        sum(each.hot for each in done) / updated if updated else None,
        sum(each.scanned for each in done) // len(done),
        min(each.milliseconds for each in done),
    )


class _Execution(NamedTuple):
    """One execution of a query, with its deferred triggers."""

    rows: int
    milliseconds: float
    wal: int
    pages: int
    scanned: int
    updated: int
    hot: int


def _execute(connection: Connection, arguments: str, *, is_kept: bool) -> _Execution:
    """Write a row. All statements are one message, because a review sends some thousand of them."""
    counters = statement("read_counters", "review")
    end = "COMMIT" if is_kept else "ROLLBACK"
    parts = ["BEGIN", counters, f"EXECUTE measured ({arguments})", AT_COMMIT, counters, end]
    try:
        cursor = connection.execute(";\n".join(part.rstrip().rstrip(";") for part in parts).encode())
    except psycopg.Error:
        connection.execute("ROLLBACK")
        raise
    cursor.nextset()
    before = cursor.fetchone() or ()
    cursor.nextset()
    rows = cursor.rowcount
    cursor.nextset()
    cursor.nextset()
    after = cursor.fetchone() or ()
    return _Execution(rows, *(there - here for here, there in zip(before, after, strict=True)))
