"""Migration ledger, beside yoyo's tables: every run of a migration, and the digest of its file at that time."""

import getpass
import os
import socket
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from psycopg.errors import LockNotAvailable

from app.errors import CommandError
from app.migrations.connection import Connection, run
from app.schema.digest import Digest
from app.schema.history import Record
from app.schema.statements import statement

TABLE = "_yoyo_ledger"


def create(connection: Connection) -> None:
    """Create the ledger's table."""
    run(connection, "create_ledger")


def extend(connection: Connection, *, is_needed: bool) -> bool:
    """Add the columns that earlier releases did not have.

    If a reader holds the table, return False: a later migrator adds the columns. Raise CommandError then if they are
    needed.
    """
    if run(connection, "find_ledger_columns").fetchone() != (True,):
        try:
            run(connection, "extend_ledger")
        except LockNotAvailable as error:
            if is_needed:
                raise CommandError(
                    "nothing was applied: a session holds the ledger, so the reason cannot be recorded.",
                    "run the command again when that session, such as a backup, has ended",
                ) from error
            return False
    return True


def finish(connection: Connection, waited: float, files: Mapping[str, Digest]) -> None:
    """Record how long the migrator waited for the lock, in seconds, and the seals of the files."""
    run(connection, "record_wait", seconds=waited)
    found = []
    for record in read(connection):
        file = files.get(record.migration_id)
        if file is None or not record.applied_at or not record.sha256:
            continue
        if record.seal != (seal := file.seal(record.sha256)) and file.matches(record.sha256):
            found.append((record.migration_id, record.sha256, seal))
    if found:
        ids, digests, seals = (list(column) for column in zip(*found, strict=True))
        run(connection, "record_seals", migration_ids=ids, digests=digests, seals=seals)


def read(connection: Connection) -> list[Record]:
    """Return what the database records of each migration."""
    has_marks, has_ledger = run(connection, "find_tables").fetchone() or (False, False)
    if not has_marks:
        return []
    sql = statement("read_history" if has_ledger else "read_applied")
    return [Record(*row) for row in connection.execute(sql.encode()).fetchall()]


def adopt(connection: Connection, files: Mapping[str, Digest], records: list[Record]) -> None:
    """Add the applied migrations that the ledger does not have, such as those that stock yoyo applied."""
    for record in records:
        if record.applied_at and not record.sha256 and record.migration_id in files:
            digest = files[record.migration_id].current
            run(connection, "adopt_migration", migration_id=record.migration_id, sha256=digest)


def record_run(
    connection: Connection,
    migration_id: str,
    digest: str,
    operation: str,
    outcome: str,
    seconds: float = 0.0,
    error: str | None = None,
    reason: str | None = None,
) -> None:
    """Record one run of so many seconds. sql/migrator/create_ledger.sql describes `operation` and `outcome`.

    A reason needs the columns of `extend`.
    """
    run(
        connection,
        "record_run",
        migration_id=migration_id,
        sha256=digest,
        operation=operation,
        outcome=outcome,
        seconds=seconds,
        error=error,
        username=username(),
        hostname=socket.gethostname(),
        process=os.getpid(),
    )
    if reason is not None:
        run(connection, "record_reason", migration_id=migration_id, reason=reason)


def log_row(migration_id: str | None, migration_hash: str | None, operation: str) -> dict[str, Any]:
    """Return what yoyo logs. It works without a DNS query, and for a user ID that has no name."""
    return {
        "id": str(uuid.uuid1()),
        "migration_id": migration_id,
        "migration_hash": migration_hash,
        "username": username(),
        "hostname": socket.gethostname(),
        "created_at_utc": datetime.now(UTC).replace(tzinfo=None),
        "operation": operation,
    }


def username() -> str:
    """Return the user's name. Return the user's number if the password file has no name for it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # KeyError before Python 3.13, OSError since
        return f"uid {os.getuid()}"
