"""Rejections: why PostgreSQL or the migrator would reject the planned migrations, as far as it can be known before."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg
from pglast import ast
from psycopg import Rollback
from psycopg.errors import LockNotAvailable, QueryCanceled, ReadOnlySqlTransaction

from app.errors import CommandError
from app.lint import parser
from app.lint.alter_table import MODES
from app.lint.nodes import qualified_name, walk
from app.migrations.connection import READ_ONLY_HINT, Connection, explain, reject_pooler, run
from app.migrations.dependents import prevented_drops, reject_dependents
from app.migrations.name_conflicts import taken_names
from app.migrations.replacements import rejected_statements
from app.migrations.restored_dump import without_history
from app.migrations.rights import lacking_rights
from app.migrations.session import reject_replication_role
from app.plan.model import Operation, PlannedMigration
from app.text import one_line

# Tables of the history. An older database lacks some of them.
HISTORY = {"yoyo_lock", "_yoyo_migration", "_yoyo_log", "_yoyo_version", "_yoyo_ledger", "_yoyo_ledger_backfills"}


def rejections(
    connection: Connection,
    operation: Operation,
    migrations: Sequence[PlannedMigration],
    folder: Path,
    *,
    has_history: bool = True,
) -> Iterator[str]:
    """Yield the reasons. The transaction of the connection only reads. Raises psycopg.Error."""
    if not migrations:
        yield from _replicates(connection) if operation == "apply" else ()
        return
    yield from _session(connection, operation)
    forward = [folder / f"{each.id}.sql" for each in migrations]
    files = forward if operation == "apply" else [path.with_suffix(".rollback.sql") for path in forward]
    existing = [path for path, file in zip(forward, files, strict=True) if file.exists()]
    present = [file for file in files if file.exists()]
    lacking = list(lacking_rights(connection, present))
    for place, reason in lacking:
        yield f"{place}: {reason}"
    if not lacking:  # otherwise PostgreSQL may reject a look into the schema
        if operation == "apply" and not has_history:
            try:
                with without_history(connection):
                    pass
            except CommandError as error:  # each migration would make what is there already
                yield _words(error)
                return
        try:
            reject_dependents(connection, existing, rollback=operation == "rollback")
        except CommandError as error:
            yield one_line(error.message)
        yield from _uses(connection, present)
    if operation == "apply":
        yield from _guard(connection, migrations[0], files[0])


def _session(connection: Connection, operation: Operation) -> Iterator[str]:
    """Yield why this role may not write here."""
    is_standby, is_read_only, source = run(connection, "find_read_only").fetchone() or (False, False, "")
    if is_standby:
        yield f"this is a standby, which only reads: {READ_ONLY_HINT.partition('.')[0]}"
    elif is_read_only:
        yield (
            f"default_transaction_read_only is on (set by: {source}), and the migrator does not change it: set it to "
            "off for the role that migrates"
        )
    try:
        reject_pooler(connection)
    except CommandError as error:
        yield _words(error)
    yield from _replicates(connection)
    role, schema, may_create = run(connection, "find_rights", schema=None).fetchone() or ("", "", True)
    if operation == "apply" and not may_create:
        where = f"the schema {schema}" if schema else "any schema of its search path"
        yield f"the role {role} may not create tables in {where}"
    for table in sorted(HISTORY):
        if row := run(connection, "find_unusable", name=table, right="INSERT").fetchone():
            yield f"the role {role} may not write {row[0]}, which belongs to {row[1]}"


def _replicates(connection: Connection) -> Iterator[str]:
    """Yield why the migrator stops in each session, also if there is nothing to do."""
    try:
        reject_replication_role(connection)
    except CommandError as error:
        yield _words(error)


def _words(error: CommandError) -> str:
    return one_line(f"{error.message.rstrip('.')}: {error.hint}")


def _uses(connection: Connection, files: Sequence[Path]) -> Iterator[str]:
    """Yield why PostgreSQL would reject a DROP without CASCADE, or a CREATE."""
    for place, what, object in prevented_drops(connection, files):
        yield f"{place} drops {what}, which {object} needs: drop that first"
    for place, reason in rejected_statements(connection, files):
        yield f"{place}: {reason}"
    for place, object in taken_names(connection, files, with_builds=True):
        yield f"{place} makes an object whose name is taken: {object}: rename that, or drop it"


def _guard(connection: Connection, migration: PlannedMigration, file: Path) -> Iterator[str]:
    """Run the DO block that a migration begins with, if it only reads before it creates something of its own.

    Such a block compares what is there with what it expects. The transaction only reads: it ends when the block would
    create something.
    """
    first = next(iter(migration.statements), None)
    parts = [each for each in parser.statements(file.read_text(encoding="utf-8")) if first and each.block == first.line]
    if not first or not parts or first.work or first.unknown or any(lock.mode != MODES[0] for lock in first.locks):
        return
    calls = [node for part in parts for node in walk(part.node) if isinstance(node, ast.FuncCall)]
    names = [qualified_name(call.funcname).rpartition(".")[2] for call in calls]
    if run(connection, "find_volatile", names=names).fetchone() == (True,):
        return
    try:
        with connection.transaction():
            connection.execute(first.sql.encode())
            raise Rollback
    except (ReadOnlySqlTransaction, LockNotAvailable, QueryCanceled):
        return
    except psycopg.Error as error:
        yield f"{migration.id} would be rejected: {one_line(explain(error)[0])}"
