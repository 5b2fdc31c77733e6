"""A rollback loses nothing by surprise: where its file says `-- loses:`, and there are rows to lose, it is refused."""

from pathlib import Path

from psycopg.errors import UndefinedColumn, UndefinedTable
from yoyo.migrations import Migration, MigrationList

from app.errors import fail
from app.migrations.connection import Connection, RefusedError, run
from app.schema.headers import rollback_of
from app.settings import Settings


def refuse_losses(connection: Connection, settings: Settings, migrations: MigrationList) -> None:
    """Before anything is rolled back: end the command if one of the rollbacks is none, or would lose rows."""
    losses = []
    for migration in migrations:
        rollback = rollback_of(Path(migration.path))
        if rollback.irreversible:
            fail(f"yoyo: nothing was rolled back: {migration.id} is irreversible: {rollback.irreversible}")
        try:
            count = _count(connection, settings, migration)
        except (UndefinedTable, UndefinedColumn):  # as a migration above it left things; it is asked again at its turn
            continue
        if count:
            losses.append((migration.id, f"{migration.id} would lose {rollback.loses}: {_rows(count)}"))
    if losses:
        ids = ",".join(name for name, _ in losses)
        reasons = "; ".join(reason for _, reason in losses)
        fail(f"yoyo: nothing was rolled back: {reasons}. To lose them set ACCEPT_DATA_LOSS={ids}")


def refuse_new_losses(connection: Connection, settings: Settings, migration: Migration) -> None:
    """In the transaction of the rollback: let no more rows in. Raises RefusedError if some have come in by then."""
    if _count(connection, settings, migration) == 0:
        run(connection, "lock_counted")
    if count := _count(connection, settings, migration):
        raise RefusedError(f"it would lose {_rows(count)}. To lose them set ACCEPT_DATA_LOSS={migration.id}")


def _rows(count: int) -> str:
    return f"{count:,} {'row' if count == 1 else 'rows'}"


def _count(connection: Connection, settings: Settings, migration: Migration) -> int | None:
    """The rows that the rollback would lose; None where it loses none by its file, or the operator accepts it."""
    query = rollback_of(Path(migration.path)).rows_to_lose
    if query is None or settings.accepts_loss_of(migration.id):
        return None
    (count,) = connection.execute(query.encode()).fetchone() or (0,)
    return int(count)
