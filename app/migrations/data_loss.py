"""Data loss: reject a rollback that would lose rows, except if the operator accepts it."""

from pathlib import Path

from psycopg.errors import UndefinedColumn, UndefinedTable
from yoyo.migrations import Migration, MigrationList

from app.errors import CommandError, ExitCode
from app.migrations.connection import Connection, run
from app.schema.headers import rollback_of
from app.settings import Settings


def reject_losses(connection: Connection, settings: Settings, migrations: MigrationList) -> None:
    """Raise CommandError if one of the migrations is irreversible, or if its rollback would lose rows.

    Call this before anything is rolled back.
    """
    losses = []
    for migration in migrations:
        rollback = rollback_of(Path(migration.path))
        if rollback.irreversible:
            raise CommandError(
                f"nothing was rolled back: {migration.id} is irreversible: {rollback.irreversible.rstrip('.')}.",
                exit_code=ExitCode.ACTION_NEEDED,
            )
        try:
            count = _count(connection, settings, migration)
        except (UndefinedTable, UndefinedColumn):
            # A later migration renamed or dropped the table or column. The rollback of that one runs first. Then
            # reject_new_losses() counts the rows.
            continue
        if count:
            losses.append((migration.id, f"{migration.id} would lose {rollback.loses}: {_rows(count)}"))
    if losses:
        ids = ",".join(name for name, _ in losses)
        reasons = "; ".join(reason for _, reason in losses)
        raise CommandError(f"nothing was rolled back: {reasons}.", _acceptance(ids), ExitCode.ACTION_NEEDED)


def reject_new_losses(connection: Connection, settings: Settings, migration: Migration) -> None:
    """Raise CommandError if the rollback would lose rows that came in after `reject_losses()`.

    If there are no such rows, the counted tables are locked against new rows until the transaction ends. Call this in
    the transaction of the rollback.
    """
    if _count(connection, settings, migration) == 0:
        run(connection, "lock_counted")
    if count := _count(connection, settings, migration):
        raise CommandError(
            f"{migration.id} was not rolled back: it would lose {_rows(count)}.",
            _acceptance(migration.id),
            ExitCode.ACTION_NEEDED,
        )


def _acceptance(ids: str) -> str:
    return f"back up first. To lose the rows, set ACCEPT_DATA_LOSS={ids}"


def _rows(count: int) -> str:
    return f"{count:,} {'row' if count == 1 else 'rows'}"


def _count(connection: Connection, settings: Settings, migration: Migration) -> int | None:
    """Return how many rows the rollback would lose.

    Return None if its file says that it loses nothing, or if the operator accepts the loss.
    """
    query = rollback_of(Path(migration.path)).rows_to_lose
    if query is None or settings.accepts_loss_of(migration.id):
        return None
    return count_rows(connection, query, migration.id)


def count_rows(connection: Connection, query: str, migration_id: str) -> int:
    """Return the number that the query of `-- rows to lose:` returns. No row is 0.

    Raises CommandError if it is not one whole number. A sum of no rows is NULL, and only the author knows if that is 0.
    """
    found = connection.execute(query.encode()).fetchmany(2)
    try:
        [(number,)] = found or [(0,)]
        if number == int(number) and number >= 0:
            return int(number)
    except (TypeError, ValueError, ArithmeticError):
        pass
    raise CommandError(
        f"`-- rows to lose:` of {migration_id} does not return one number: {query}.",
        f"write a query that counts. Or count the rows by hand, and set ACCEPT_DATA_LOSS={migration_id}",
        ExitCode.ACTION_NEEDED,
    )
