"""Rule about rows of before: a CHECK that is NOT VALID does not read them, and rejects each change of them."""

from typing import Any

from pglast import ast
from pglast.enums import AlterTableType as Alter
from pglast.enums import ConstrType

from app.lint.evaluation import Row
from app.lint.findings import Fault, Faults
from app.lint.nodes import columns_in, relation_name
from app.lint.parser import Statement
from app.lint.rules import CARE, UNSAFE
from app.lint.state import MigrationState
from app.lint.values import UNKNOWN
from app.lint.written_rows import UPDATE, set_by_triggers, updates

HINT = "first fill the column of the rows of before, in batches, and add the constraint in a later file"


def old_row_faults(state: MigrationState, statement: Statement) -> Faults:
    """Yield the faults of a CHECK that the rows of before break, because nothing has filled a column of them."""
    node: Any = statement.node
    if not isinstance(node, ast.AlterTableStmt) or state.before is not None:
        return
    table = relation_name(node.relation)
    if not state.is_busy(table):
        return
    for line, each in zip(statement.lines, node.cmds or (), strict=True):
        if each.subtype == Alter.AT_AddConstraint and each.def_.contype == ConstrType.CONSTR_CHECK:
            yield from _broken(state, line, table, each.def_.raw_expr)
        elif each.subtype == Alter.AT_AddConstraint and each.def_.contype == ConstrType.CONSTR_NOTNULL:
            for column in each.def_.keys or ():
                known = state.catalog.column(table, column.sval)
                if known and known.is_empty and column.sval not in set_by_triggers(state, table, UPDATE):
                    yield from _edited(state, line, table, {column.sval})


def _broken(state: MigrationState, line: int, table: str, check: Any) -> Faults:
    columns = state.catalog.tables[table].columns if table in state.catalog.tables else {}
    empty = {name for name, each in columns.items() if each.is_empty} - set_by_triggers(state, table, UPDATE)
    row = Row({name: None if name in empty else UNKNOWN for name in columns})
    if row.value(check) is False:
        yield from _edited(state, line, table, columns_in(check) & empty)


def _edited(state: MigrationState, line: int, table: str, empty: set[str]) -> Faults:
    """Yield the fault of a constraint that the rows of before break, by the queries that change them."""
    names = ", ".join(sorted(empty))
    editors = sorted({name for name, written in updates(state, table) if not empty & written})
    if editors:
        why = f"rows of before have {names} NULL, and {editors[0]} changes such rows: it fails then, NOT VALID or not"
        yield Fault(line, "insert-breaks", why, HINT, UNSAFE)
    else:
        why = f"rows of before have {names} NULL, and each change of one fails, NOT VALID or not"
        yield Fault(line, "insert-breaks", why, HINT, CARE)
