"""CREATE INDEX CONCURRENTLY: repair an interrupted build. It left an INVALID index, or a valid one without a record."""

from typing import Any

from psycopg.sql import Identifier
from yoyo.migrations import Migration

from app.errors import CommandError
from app.migrations.connection import run
from app.migrations.index_definition import COPY, build_of, is_same
from app.migrations.migrator import DONE, Migrator
from app.schema.statements import split_statements


def repair_index(migrator: Migrator, migration: Migration, operation: str) -> bool:
    """Repair what an interrupted build left, and return whether its index exists already and is valid.

    An INVALID index is dropped by the statement that reverses this one. If the index is valid and has the definition of
    this statement, only its record is missing. Any other statement returns False.

    Raises CommandError if another index has the name, if a session is building the index, or if no statement drops it.
    """
    step = migration.steps[0].step
    sql, reverse = {"apply": (step._apply, "rollback"), "rollback": (step._rollback, "apply")}[operation]
    build = build_of(sql or "")
    if build is None or build.relation is None:
        return False
    table = Identifier(*filter(None, (build.relation.schemaname, build.relation.relname))).as_string()
    row = run(migrator.connection, "find_index", name=build.idxname, table=table, copy=COPY).fetchone()
    if not row:
        return False
    name, is_of_table, is_valid, definition, copy, builder = row
    undone = f"{migration.id} was not {DONE[operation]}"
    if builder is not None:
        raise CommandError(f"{undone}: process {builder} is building the index {name}.", "wait until it has finished")
    if not is_of_table or (is_valid and not is_same(migrator.connection, str(sql), copy, definition)):
        raise CommandError(f"{undone}: another index has the name {name}: {definition}.", "drop or rename that index")
    if not is_valid:
        if not _drops(step._rollback if operation == "apply" else step._apply, str(build.idxname)):
            what = f"an interrupted build left the INVALID index {name}, and no statement of the migration drops it."
            raise CommandError(f"{undone}: {what}", f"drop it: DROP INDEX CONCURRENTLY {name}")
        migrator.report(f"{migration.id}: dropping the INVALID index {name} that an interrupted build left")
        migration.process_steps(migrator, reverse)
        return False
    migrator.report(f"{migration.id}: the index {name} exists already and is valid")
    return True


def builds(migration: Migration, operation: str) -> bool:
    """Return whether the migration builds an index CONCURRENTLY, which an error leaves INVALID."""
    step: Any = migration.steps[0].step
    return build_of((step._apply if operation == "apply" else step._rollback) or "") is not None


def _drops(sql: str | None, index: str) -> bool:
    """Return whether the statement is a DROP INDEX of this index, and of no other."""
    from pglast import ast  # here, because the import takes 65 ms

    match [each.parse() for each in split_statements(sql or "")]:
        case [ast.DropStmt(objects=[[*_, ast.String(sval=name)]])]:
            return bool(name == index)
        case _:
            return False
