"""Cost of writes: WAL, pages, and the share of HOT updates, measured for each query of the service that writes."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from time import perf_counter

import psycopg

from app.migrations.connection import Connection, run
from app.review.plans import AT_COMMIT
from app.review.traffic import Call, open_session

ROWS = 10  # that each query writes
TIMES = 5  # that an update changes each row
# That an insert or a delete is tried for each row, and rolled back. An insert has random keys, and often writes whole
# pages for them. The cheapest of 10 inserts into 20,000 rows took 2 to 17 kB of WAL, that of 200 took 2.4 to 3.5 kB.
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
    connection.execute(f"PREPARE measured AS {call.text}".encode())
    try:
        pages = scanned = updated = hot = 0
        wal: list[int] = []
        times: list[float] = []
        for row in range(first_row, first_row + ROWS):
            # The first time does not count: it writes whole pages to WAL, and an update leaves the row's full page.
            for time in range((TIMES if is_update else TRIES) + 1):
                with connection.transaction(force_rollback=not is_update):
                    start = _counters(connection)
                    began = perf_counter()
                    count = connection.execute(f"EXECUTE measured ({call.of_row(row)})".encode()).rowcount
                    connection.execute(AT_COMMIT)
                    took = perf_counter() - began
                    end = _counters(connection)
                if count > 0 and time:
                    wal.append(end[0] - start[0])
                    times.append(took * 1000)
                    totals = (pages, scanned, updated, hot)
                    pages, scanned, updated, hot = (
                        total + after - before for total, after, before in zip(totals, end[1:], start[1:], strict=True)
                    )
    finally:
        connection.execute("DEALLOCATE measured")
    if not wal:
        return None
    share = hot / updated if updated else None
    return WriteCost(min(wal), pages // len(wal), share, scanned // len(wal), min(times))


def _counters(connection: Connection) -> tuple[int, int, int, int, int]:
    """Return the WAL so far, and the pages, scanned rows, updates and HOT updates of the transaction."""
    row = run(connection, "read_counters", "review").fetchone()
    assert row
    wal, pages, scanned, updated, hot = row
    return wal, pages, scanned, updated, hot
