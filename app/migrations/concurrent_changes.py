"""REINDEX and DETACH PARTITION CONCURRENTLY, as CREATE INDEX: repair or finish what an interruption left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg.sql import SQL, Identifier
from yoyo.migrations import Migration

from app.migrations.concurrent_indexes import builds, repair_index
from app.migrations.connection import run
from app.migrations.migrator import Migrator
from app.schema.statements import split_statements

if TYPE_CHECKING:
    from pglast import ast  # at run time only inside the functions: the import takes 65 ms


def repair(migrator: Migrator, migration: Migration, operation: str) -> bool:
    """Repair what an interruption left, and return whether nothing is left to do.

    A REINDEX begins again, without the INVALID indexes of the first try. A partition that is half detached is detached.
    Raises CommandError as repair_index does, or psycopg.Error.
    """
    from pglast import ast
    from pglast.enums import AlterTableType

    match _statement(migration, operation):
        case ast.ReindexStmt(relation=ast.RangeVar() as relation):
            for (name,) in run(migrator.connection, "find_leftover_indexes", name=_quoted(relation)).fetchall():
                migrator.report(f"{migration.id}: dropping the INVALID index {name} that an interrupted REINDEX left")
                migrator.connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}".encode())
            return False
        case ast.AlterTableStmt(
            relation=ast.RangeVar() as parent,
            cmds=[ast.AlterTableCmd(subtype=kind, def_=ast.PartitionCmd(name=ast.RangeVar() as partition))],
        ):
            is_detach = kind == AlterTableType.AT_DetachPartition
            return _repair_partition(migrator, migration.id, _quoted(parent), _quoted(partition), is_detach=is_detach)
        case _:
            return repair_index(migrator, migration, operation)


def can_leave_index(migration: Migration, operation: str) -> bool:
    """Return whether an error can leave an INVALID index, which the next run drops."""
    from pglast import ast

    return builds(migration, operation) or isinstance(_statement(migration, operation), ast.ReindexStmt)


def is_block(migration: Migration, operation: str) -> bool:
    """Return whether the migration is a DO block, which writes rows in batches that commit."""
    from pglast import ast

    return isinstance(_statement(migration, operation), ast.DoStmt)


def blocks_while_it_waits(migration: Migration, operation: str) -> bool:
    """Return whether other sessions can wait behind the statement while it waits for a lock.

    They do not wait behind VACUUM, or behind what is CONCURRENTLY: those also wait for old transactions to end.
    """
    from pglast import ast
    from pglast.enums import AlterTableType

    match _statement(migration, operation):
        case ast.DoStmt() | ast.AlterTableStmt(cmds=[ast.AlterTableCmd(subtype=AlterTableType.AT_AttachPartition)]):
            return True
        case _:
            return False


def _repair_partition(migrator: Migrator, id: str, parent: str, partition: str, *, is_detach: bool) -> bool:
    """Finish a DETACH that is half done, and return whether the partition is detached, or attached, already."""
    row = run(migrator.connection, "find_partition", parent=parent, partition=partition).fetchone()
    if row is None:
        return False
    is_attached, is_pending = row
    if is_pending:
        migrator.report(f"{id}: finishing the interrupted DETACH of {partition}")
        migrator.connection.execute(f"ALTER TABLE {parent} DETACH PARTITION {partition} FINALIZE".encode())
        return is_detach
    if is_attached != is_detach:
        migrator.report(f"{id}: {partition} is {'detached' if is_detach else 'attached'} already")
        return True
    return False


def _statement(migration: Migration, operation: str) -> ast.Node | None:
    """Return the parse tree of the only statement of a file without a transaction, or None."""
    from pglast.parser import ParseError

    step: Any = migration.steps[0].step
    try:
        found = [each.parse() for each in split_statements(step._apply if operation == "apply" else step._rollback)]
    except (ParseError, TypeError):
        return None
    return found[0] if len(found) == 1 else None


def _quoted(relation: ast.RangeVar) -> str:
    names = filter(None, (relation.schemaname, relation.relname))
    return SQL(".").join(map(Identifier, names)).as_string()
