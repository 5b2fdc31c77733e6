"""The ledger, beside yoyo's tables: every run of a migration, and the SHA-256 of its file at that time."""

import getpass
import os
import socket
from collections.abc import Mapping
from datetime import UTC, datetime

from psycopg.errors import LockNotAvailable

from app.migrations.connection import Connection, run, statement
from app.schema.history import Record

TABLE = "_yoyo_ledger"


def create(connection: Connection) -> None:
    run(connection, "create_ledger")


def extend(connection: Connection) -> bool:
    """Add what older releases had not; False where the table is in use, and a later migrator will have to."""
    if run(connection, "find_lock_wait").fetchone() is None:
        try:
            run(connection, "extend_ledger")
        except LockNotAvailable:
            return False
    return True


def record_wait(connection: Connection, seconds: float) -> None:
    """Write how long the lock was waited for into the newest row, where there is one."""
    run(connection, "record_wait", seconds=seconds)


def read(connection: Connection) -> list[Record]:
    """What the database knows of each migration."""
    has_marks, has_ledger = run(connection, "find_tables").fetchone() or (False, False)
    if not has_marks:
        return []
    sql = statement("read_history" if has_ledger else "read_applied", "queries")
    return [Record(*row) for row in connection.execute(sql.encode()).fetchall()]


def adopt(connection: Connection, files: Mapping[str, str], records: list[Record]) -> None:
    """Take in the migrations that are applied and that the ledger does not have."""
    for record in records:
        if record.applied_at and not record.sha256 and record.migration_id in files:
            run(
                connection,
                "adopt_migration",
                migration_id=record.migration_id,
                sha256=files[record.migration_id],
            )


def record_run(
    connection: Connection,
    migration_id: str,
    sha256: str,
    operation: str,
    outcome: str,
    started_at: datetime | None = None,
    error: str | None = None,
) -> None:
    """Write one run; `operation` and `outcome` as sql/migrator/create_ledger.sql tells them."""
    run(
        connection,
        "record_run",
        migration_id=migration_id,
        sha256=sha256,
        operation=operation,
        outcome=outcome,
        started_at=started_at or datetime.now(UTC),
        error=error,
        username=username(),
        hostname=socket.gethostname(),
        process=os.getpid(),
    )


def username() -> str:
    """The user's name, or the number of one that has no name in the password file."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # before Python 3.13, and since
        return f"uid {os.getuid()}"
