"""Rules about triggers that make all writes of a table wait in one queue: a counter row, one advisory lock, LOCK TABLE.

Each writer holds such a lock until it commits. So only one client at a time can write.
"""

from collections.abc import Iterator, Set
from typing import Any

from pglast import ast

from app.lint import costs, routines
from app.lint.findings import Fault, Faults
from app.lint.nodes import qualified_name, relation_name, walk
from app.lint.objects import Routine, routine_of
from app.lint.parser import Statement
from app.lint.state import MigrationState

TRUNCATE = 32  # bit of pg_trigger.tgtype
SELF_CONFLICTING = 4  # the number, in LockStmt, of the weakest mode that conflicts with itself or with a write
ADVISORY = {"pg_advisory_xact_lock", "pg_advisory_lock"}
SAME_EACH_TIME = {"hashtext", "hashtextextended", "md5"}  # of constants


def queue_faults(state: MigrationState, statement: Statement) -> Faults:
    """Yield the fault of a trigger, or of a new body for its function. Call it before the catalog has the change."""
    node, line = statement.node, statement.line
    catalog = state.catalog
    match node:
        case ast.CreateTrigStmt(relation=relation):
            table, function = relation_name(relation), qualified_name(node.funcname)
            is_back = state.before is not None and (table, node.trigname) in state.before.triggers
            if not state.is_busy(table) or is_back or not (node.events or 0) & ~TRUNCATE:
                return
            for name in sorted(routines.reached(catalog, function)):
                if found := next(_queues(state, catalog.routines[name]), ""):
                    yield _fault(line, table, name, found)
                    return
        case ast.CreateFunctionStmt():
            name = qualified_name(node.funcname)
            triggers = [each for each in routines.triggers_of(catalog, name) if each.events & ~TRUNCATE]
            tables = sorted({each.table for each in triggers if state.is_busy(each.table)})
            known = catalog.routines.get(name)
            if not tables or known is None or known.created_by == state.file or state.before is not None:
                return
            new = routine_of(node, state.file)
            below = set().union(*(routines.reached(catalog, each) for each in _called(name, new)))
            for each in (new, *(catalog.routines[other] for other in sorted(below - {name}))):
                if (found := next(_queues(state, each), "")) and found not in _queues(state, known):
                    yield _fault(line, tables[0], name, found)
                    return
        case _:
            pass


def _fault(line: int, table: str, function: str, what: str) -> Fault:
    why = f"each write of {table} then waits until the one before it has committed, because {function} {what}"
    return Fault(line, "queued-writes", why)


def _called(name: str, routine: Routine) -> set[str]:
    return routines.use_of_routine(name, routine).functions


def _queues(state: MigrationState, routine: Routine) -> Iterator[str]:
    """Yield the locks of a routine that are the same for each row, as the predicate of a sentence."""
    variables = routines.use_of_routine("", routine).variables
    for statement in routines.statements_of(routine):
        for node in walk(statement.node) if not statement.unreadable else ():
            match node:
                case ast.LockStmt(relations=[relation, *_], mode=int(mode)) if mode >= SELF_CONFLICTING:
                    yield f"locks {relation_name(relation)}"
                case ast.FuncCall(funcname=[*_, ast.String(sval=str(name))]) if name in ADVISORY:
                    if all(_is_same(each) for each in node.args or ()):
                        yield "takes one advisory lock"
                case ast.UpdateStmt(relation=relation, fromClause=None):
                    if _chooses_same(state, relation, node.whereClause, variables):
                        yield f"changes the same row of {relation_name(relation)}"
                case ast.SelectStmt(lockingClause=[*_], fromClause=[ast.RangeVar() as relation]):
                    if _chooses_same(state, relation, node.whereClause, variables):
                        yield f"locks the same row of {relation_name(relation)}"
                case ast.InsertStmt(relation=relation, onConflictClause=ast.OnConflictClause() as clause):
                    if clause.targetList and _inserts_same(node):
                        yield f"changes the same row of {relation_name(relation)}"
                case _:
                    pass


def _chooses_same(state: MigrationState, relation: Any, where: Any, variables: Set[str]) -> bool:
    """Return whether a condition has only columns of its table, and constants: then it chooses the same rows."""
    if costs.without_where(where):
        return True
    own = {relation.relname, relation.alias.aliasname if relation.alias else relation.relname}
    known = state.catalog.tables.get(relation_name(relation))
    for each in walk(where):
        match each:
            case ast.SubLink() | ast.FuncCall() | ast.ParamRef():
                return False
            case ast.ColumnRef(fields=[ast.String(sval=str(name))]):
                if name.startswith("tg_"):
                    continue
                if name in variables and not (known and name in known.columns):
                    return False
            case ast.ColumnRef(fields=[*_, ast.String(sval=str(qualifier)), _]) if qualifier not in own:
                return False
            case ast.ColumnRef(fields=None):
                return False
            case _:
                pass
    return True


def _inserts_same(node: Any) -> bool:
    """Return whether an INSERT ... ON CONFLICT (KEY) DO UPDATE gives the key constants."""
    query = node.selectStmt
    rows = list(query.valuesLists or ()) if query else []
    if not rows and query and not query.fromClause and not query.whereClause:
        rows = [[each.val for each in query.targetList or ()]]
    names = [each.name for each in node.cols or ()]
    key = {each.name for each in node.onConflictClause.infer.indexElems or ()} if node.onConflictClause.infer else set()
    if not key or not rows or not key <= {*names}:
        return False
    return all(_is_same(row[names.index(name)]) for row in rows for name in key)


def _is_same(value: Any) -> bool:
    """Return whether an expression has the same value for each row."""
    for each in walk(value):
        match each:
            case ast.ColumnRef(fields=[ast.String(sval=str(name))]) if name.startswith("tg_"):
                pass
            case ast.ColumnRef() | ast.SubLink() | ast.ParamRef():
                return False
            case ast.FuncCall(funcname=[*_, ast.String(sval=str(name))]) if name not in SAME_EACH_TIME:
                return False
            case _:
                pass
    return True
