"""The lock that lets one migrator work on a database, and lives exactly as long as its holder.

It is an advisory lock of the session that does the work: it ends with the server process, whatever ends that.
"""

import os
import socket
import time

from app.errors import fail
from app.migrations.connection import Connection, run
from app.schema.history import Holder, number
from app.settings import Settings
from app.text import one_line

POLL = 0.1  # seconds between two attempts at the lock
PATIENCE = 5.0  # seconds between two lines that say we wait


def prepare_session(connection: Connection, lock_timeout: float) -> None:
    """Set what holds for the one connection that migrates; lock_timeout in seconds."""
    run(connection, "prepare_session", lock_timeout=f"{lock_timeout * 1000:.0f}")


def name_session(connection: Connection, migration_id: str = "") -> None:
    """Say in pg_stat_activity, and to who waits for the lock, who this is and what it is at."""
    at = f"{number(migration_id)[:10]} on" if migration_id else "on"
    process = f"process {os.getpid()}"
    host = socket.gethostname()[: 63 - len(f"yoyo {at} , {process}")]
    run(connection, "name_session", name=one_line(f"yoyo {at} {host}, {process}"))


def take(connection: Connection, settings: Settings) -> float:
    """Take the lock, or wait for it; end the command after MIGRATION_LOCK_WAIT seconds. Returns the seconds waited."""
    name_session(connection)
    started = said = time.monotonic()
    while run(connection, "take_lock").fetchone() != (True,):
        waited = time.monotonic() - started
        if waited > settings.migration_lock_wait:
            who = find_holder(connection) or "another migrator"
            fail(f"yoyo: gave up after {waited:.1f} s (MIGRATION_LOCK_WAIT): {who} is at work")
        if time.monotonic() - said >= PATIENCE:
            print(f"waiting for {find_holder(connection) or 'another migrator'}, {waited:.0f} s so far", flush=True)
            said = time.monotonic()
        time.sleep(POLL)
    return time.monotonic() - started


def find_row(connection: Connection) -> int | None:
    """The process in yoyo's own lock row. Raises UndefinedTable where there is no such table."""
    row = run(connection, "find_lock_row").fetchone()
    return row[0] if row else None


def release(connection: Connection) -> None:
    run(connection, "release_lock")


def find_holder(connection: Connection) -> Holder | None:
    """Who has the lock; None where it is free."""
    row = run(connection, "find_holder", "queries").fetchone()
    return Holder(*row) if row else None
