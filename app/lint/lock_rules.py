"""Rules about locks and rewrites outside ALTER TABLE: CREATE INDEX, REINDEX, CLUSTER, LOCK TABLE, triggers, TRUNCATE.

They forbid a statement that blocks reads or writes of a table in use for longer than a moment.
"""

from pglast import ast
from pglast.enums import ConstrType

from app.lint.findings import Fault, Faults
from app.lint.index_rules import require_index
from app.lint.nodes import constant_text, constraint_columns, relation_name
from app.lint.parser import Statement
from app.lint.partition_rules import partition_faults
from app.lint.state import MigrationState
from app.migrations.statement_rules import is_concurrent

PARTITIONED_HINT = (
    "create it with ON ONLY, then on each partition CONCURRENTLY in a file of its own, and then ATTACH these indexes"
)
SHARE_LOCK = 5  # the number, in LockStmt, of the weakest mode that blocks writes


def lock_faults(state: MigrationState, statement: Statement) -> Faults:
    """Yield the faults of a statement, and note the tables that it locks."""
    node, line = statement.node, statement.line
    match node:
        case ast.CreateStmt() if relation_name(node.relation) not in state.catalog.tables:
            yield from _create_table(state, statement)
        case ast.IndexStmt(relation=ast.RangeVar() as relation) if node.concurrent:
            known = state.catalog.tables.get(relation_name(relation))
            if known and known.kind == "partitioned":
                why = f"PostgreSQL rejects CONCURRENTLY: {relation_name(relation)} is partitioned"
                yield Fault(line, "blocking-index", why, PARTITIONED_HINT)
        case ast.IndexStmt(relation=ast.RangeVar() as relation) if not node.concurrent:
            yield from _create_index(state, line, node, relation_name(relation))
        case ast.ClusterStmt(relation=relation) if relation is None or state.is_busy(relation_name(relation)):
            yield Fault(line, "table-rewrite", "CLUSTER rewrites the table, and reads and writes wait")
        case ast.VacuumStmt(is_vacuumcmd=True) if any(
            option.defname == "full" and constant_text(option.arg) not in {"false", "off", "0"}
            for option in node.options or ()
        ):
            yield Fault(line, "table-rewrite", "VACUUM FULL rewrites the table, and reads and writes wait")
        case ast.AlterTableMoveAllStmt():
            what = f"each table, index or view of the tablespace {node.orig_tablespacename}"
            yield Fault(line, "table-rewrite", f"{what} is copied, and its reads and writes wait")
        case ast.ReindexStmt(relation=ast.RangeVar()) if not is_concurrent(node):
            name = relation_name(node.relation)
            index = state.catalog.indexes.get(name)
            if state.is_busy(index.table if index else name):
                why = f"writes wait until {name} is rebuilt, and so do queries that would use it"
                yield Fault(line, "blocking-reindex", why)
        case ast.RefreshMatViewStmt(relation=relation, concurrent=True):
            view = relation_name(relation)
            if view in state.catalog.tables and not any(
                each.unique and each.is_plain for each in state.catalog.indexes_of(view)
            ):
                why = f"PostgreSQL rejects CONCURRENTLY: {view} has no unique index"
                yield Fault(line, "blocking-refresh", why, "first create a unique index on the view")
        case ast.RefreshMatViewStmt(relation=relation) if not node.concurrent:
            if state.is_busy(relation_name(relation)):
                why = f"reads of {relation_name(relation)} wait until it is filled again"
                yield Fault(line, "blocking-refresh", why)
        case ast.LockStmt(relations=[*relations], mode=int(mode)) if mode >= SHARE_LOCK:
            for table in filter(state.is_busy, map(relation_name, relations)):
                state.locked.append(table)
                yield Fault(line, "lock-table", f"{table} is locked until the migration ends")
        case ast.CreateTrigStmt(relation=relation) | ast.RuleStmt(relation=relation):
            table = relation_name(relation)
            if state.is_busy(table):
                state.locked.append(table)
                why = f"writes to {table} wait for it, and each later write runs it"
                yield Fault(line, "new-trigger", why)
        case ast.TruncateStmt(relations=[*relations]):
            for table in filter(state.is_busy, map(relation_name, relations)):
                state.locked.append(table)
                why = f"it deletes every row of {table}, so the running release finds an empty table"
                yield Fault(line, "whole-table-write", why, "first release code that does not need the rows")
        case _:
            pass


def _create_index(state: MigrationState, line: int, node: ast.IndexStmt, table: str) -> Faults:
    known = state.catalog.tables.get(table)
    is_on_only = known is not None and known.kind == "partitioned" and not getattr(node.relation, "inh", True)
    if state.is_busy(table) and not is_on_only:
        state.locked.append(table)
        hint = PARTITIONED_HINT if known is not None and known.kind == "partitioned" else ""
        yield Fault(line, "blocking-index", f"writes to {table} wait until the index is built", hint)


def _create_table(state: MigrationState, statement: Statement) -> Faults:
    """Yield the locks that a new table takes on others: the targets of its foreign keys, and its partitioned parent."""
    node, table = statement.node, relation_name(statement.node.relation)
    for element in node.tableElts or ():
        constraints = [element] if isinstance(element, ast.Constraint) else getattr(element, "constraints", None) or ()
        for constraint in constraints:
            if constraint.contype == ConstrType.CONSTR_FOREIGN:
                target = relation_name(constraint.pktable)
                columns = (
                    (element.colname or "",) if isinstance(element, ast.ColumnDef) else constraint_columns(constraint)
                )
                require_index(state, statement.line_of(constraint), table, columns, target)
                if target != table and state.is_busy(target):
                    yield foreign_key_lock(state, statement.line_of(constraint), target)
    if node.partbound:
        for parent in map(relation_name, node.inhRelations or ()):
            yield from partition_faults(state, statement.line, parent, node.partbound)
    elif parents := [each for each in map(relation_name, node.inhRelations or ()) if state.is_busy(each)]:
        why = f"queries of {parents[0]} read the new table, too"
        yield Fault(statement.line, "partition-locks", why, "create it without INHERITS: LIKE copies the columns")


def foreign_key_lock(state: MigrationState, line: int, target: str, hint: str = "") -> Fault:
    """Return the fault of a foreign key that locks the table it refers to, and note the lock."""
    state.locked.append(target)
    return Fault(line, "foreign-key-locks", f"writes to {target} wait from here until the migration ends", hint)
