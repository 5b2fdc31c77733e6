"""Writes that wait in a queue: a query that waits until the same query of another session commits, for another row.

A trigger that changes one counter row, or takes one lock, makes all writes of all clients run one after the other.
"""

from collections.abc import Sequence
from contextlib import closing

import psycopg

from app.migrations.connection import Connection
from app.review.plans import AT_COMMIT
from app.review.traffic import Call, open_session

LOCK_TIMEOUT = "200ms"  # nothing else runs, so a lock that is not free at once is that of the other session


def find_queued(url: str, role: str | None, calls: Sequence[Call], first_row: int) -> set[str]:
    """Return the queries that wait for the commit of the same query of another row. All is rolled back."""
    queued: set[str] = set()
    with closing(open_session(url, role)) as one, closing(open_session(url, role)) as other:
        other.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
        for call in calls:
            if not call.is_write or not call.is_numbered or call.query in queued:
                continue
            try:
                with one.transaction(force_rollback=True):
                    if _send(one, call, first_row):
                        with other.transaction(force_rollback=True):
                            _send(other, call, first_row + 1)
            except psycopg.errors.LockNotAvailable:
                queued.add(call.query)
            except psycopg.Error:  # the trial tells of it
                pass
            for session in (one, other):
                session.execute("DEALLOCATE ALL")
    return queued


def _send(session: Connection, call: Call, row: int) -> bool:
    """Write a row, as far as the commit, and return whether there was one."""
    session.execute(f"PREPARE queued AS {call.text}".encode())
    done = session.execute(f"EXECUTE queued ({call.of_row(row)})".encode()).rowcount > 0
    session.execute(AT_COMMIT)
    return done
