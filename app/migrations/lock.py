"""The lock that lets one migrator work on a database, and lives exactly as long as its holder.

It is an advisory lock of the session that does the work: it ends with the server process, whatever ends that.
"""

import os
import socket
import time
from dataclasses import dataclass

from app.history import number
from app.migrations.connection import Connection, one_line, run
from app.settings import Settings, fail

POLL = 0.1  # seconds between two attempts at the lock
PATIENCE = 5.0  # seconds between two lines that say we wait


@dataclass(frozen=True)
class Holder:
    """The migrator at work, as the server knows it."""

    name: str  # application_name: see `name_session`
    since: str | None  # when it connected, as HH:MM:SS in UTC; None where this role may not know
    query: str  # the statement it is at

    def __str__(self) -> str:
        at = one_line(" ".join(line for line in self.query.splitlines() if not line.lstrip().startswith("--")))
        since = f"connected since {self.since} UTC, " if self.since else ""
        return f"{self.name or 'another session'} ({since}at: {at[:80]})"

    @property
    def migration(self) -> str | None:
        """The number of the migration it is at; None between two."""
        words = self.name.split()
        return words[1] if words[:1] == ["yoyo"] and words[1:2] != ["on"] else None


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
    row = run(connection, "find_holder").fetchone()
    return Holder(*row) if row else None
