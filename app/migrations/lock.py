"""Migration lock: one migrator works on a database at a time, and the lock lives exactly as long as its holder.

It is an advisory lock of the session that migrates. The lock ends with the server process.
"""

import os
import socket
import time
from collections.abc import Callable

from psycopg import RawCursor
from psycopg.rows import TupleRow

from app.errors import CommandError
from app.migrations.connection import Connection, run
from app.project import current
from app.schema.blockers import Blocker
from app.schema.history import Holder, number
from app.schema.statements import statement
from app.settings import Settings
from app.text import one_line

POLL_INTERVAL = 0.1  # seconds between two attempts to take the lock
REPORT_INTERVAL = 5.0  # seconds between two lines about the wait
MAX_NAME = 63  # characters of an application_name, in PostgreSQL


def name_session(connection: Connection, migration_id: str = "") -> None:
    """Show the migration, the host, and the process in pg_stat_activity, and to migrators that wait for this one."""
    at = f"{number(migration_id)[:10]} on" if migration_id else "on"
    process = f"process {os.getpid()}"
    host = socket.gethostname()[: MAX_NAME - len(f"yoyo {at} , {process}")]
    run(connection, "name_session", name=one_line(f"yoyo {at} {host}, {process}"))


def take(connection: Connection, settings: Settings, report: Callable[[str, str], None]) -> float:
    """Take the lock, wait for it if another migrator holds it, and return the seconds waited.

    `report` gets a line about the wait at once, and then every few seconds. Raises CommandError after
    MIGRATION_LOCK_WAIT seconds.
    """
    name_session(connection)
    started = time.monotonic()
    reported = -REPORT_INTERVAL
    while run(connection, "take_lock", key=current().lock_key).fetchone() != (True,):
        waited = time.monotonic() - started
        if waited > settings.migration_lock_wait:
            raise CommandError(
                f"gave up after {waited:.1f} s (MIGRATION_LOCK_WAIT): another migrator holds the lock: "
                f"{find_holder(connection) or 'it has just ended'}.",
                "run the command again when that process has ended",
            )
        if time.monotonic() - reported >= REPORT_INTERVAL:
            holder = find_holder(connection)
            report(f"waiting for {holder or 'another migrator'}, {waited:.0f} s so far", "waiting")
            reported = time.monotonic()
        time.sleep(POLL_INTERVAL)
    return time.monotonic() - started


def find_row(connection: Connection) -> int | None:
    """Return the process in yoyo's own lock row, or None. Raises UndefinedTable if there is no such table."""
    row = run(connection, "find_lock_row").fetchone()
    return row[0] if row else None


def release(connection: Connection) -> None:
    """Release the lock."""
    run(connection, "release_lock", key=current().lock_key)


def reject_released(connection: Connection, migration_id: str) -> None:
    """Raise CommandError if the migration that ran has released the lock, so that another migrator may work too."""
    if run(connection, "holds_lock", key=current().lock_key).fetchone() != (True,):
        raise CommandError(
            f"{migration_id} was not recorded, because it released the lock of the migrator.",
            "remove pg_advisory_unlock_all() from the migration, or unlock by the key",
        )


def find_holder(connection: Connection) -> Holder | None:
    """Return the session that holds the lock, or None if the lock is free."""
    row = _look(connection, "find_holder").fetchone()
    return Holder(*row) if row else None


def find_blockers(connection: Connection, process: int | None = None) -> list[Blocker]:
    """Return the sessions and prepared transactions that block the statement of the lock's holder.

    Or those that block the session of a server process.
    """
    return [Blocker(*row) for row in _look(connection, "find_blockers", process).fetchall()]


def _look(connection: Connection, name: str, *others: object) -> RawCursor[TupleRow]:
    """Run a file that the service has too, so its parameters are $1 and $2."""
    return RawCursor(connection).execute(statement(name).encode(), [current().lock_key, *others])
