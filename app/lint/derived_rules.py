"""Rule about a new limit on a column that triggers and queries fill with the result of a function or an expression."""

from collections.abc import Iterator
from math import inf
from typing import Any

from pglast import ast

from app.lint import costs
from app.lint.findings import Fault, Faults
from app.lint.lengths import limit_in, limit_of, longest
from app.lint.nodes import columns_in, relation_name, walk
from app.lint.rules import CARE, UNSAFE
from app.lint.state import MigrationState
from app.lint.usage import Use
from app.lint.values import TEXTS

HINT = "first release code that makes shorter values"


def derived_faults(state: MigrationState, line: int, table: str, check: Any) -> Faults:
    """Yield the fault of a CHECK that limits the length of a column whose values are made of longer ones."""
    known = state.catalog.tables[table]
    for column in sorted(columns_in(check) & known.columns.keys()):
        limit = limit_in(check, column)
        if limit >= limit_of(state.catalog, table, column):
            continue
        for use, value, query in _made(state, table, column):
            size = _longest_source(state, use, value, query)
            if size > limit:
                allowed = "of any length" if size == inf else f"of {size:.0f} characters"
                why = f"{use.name} makes {table}.{column} of values {allowed}, and rejects more than {limit:.0f} then"
                yield Fault(line, "insert-breaks", why, HINT, UNSAFE)
                return
            why = f"{use.name} makes {table}.{column} by an expression, and nothing shows that it keeps to {limit:.0f}"
            yield Fault(line, "insert-breaks", why, HINT, CARE)
            return


def _made(state: MigrationState, table: str, column: str) -> Iterator[tuple[Use, Any, Any]]:
    """Yield each expression by which the release fills a column, with its statement. A parameter is another matter."""
    for use in state.bodies():
        for node in use.writes:
            if relation_name(node.relation) != table:
                continue
            if isinstance(node, ast.UpdateStmt):
                pairs = [
                    (each.name, each.val) for each in node.targetList or () if each.name not in columns_in(each.val)
                ]
            else:
                names = [each.name for each in node.cols or ()]
                rows = getattr(node.selectStmt, "valuesLists", None) or (
                    [[each.val for each in getattr(node.selectStmt, "targetList", None) or ()]]
                )
                pairs = [pair for row in rows for pair in zip(names, row, strict=False)]
            for name, value in pairs:
                is_given = isinstance(value, ast.ParamRef | ast.A_Const | ast.SetToDefault) or (
                    isinstance(value, ast.TypeCast) and isinstance(value.arg, ast.ParamRef | ast.A_Const)
                )
                if name == column and not is_given and (columns_in(value) or _calls(value)):
                    yield use, value, node


def _calls(value: Any) -> bool:
    return any(isinstance(each, ast.FuncCall) for each in walk(value))


def _longest_source(state: MigrationState, use: Use, value: Any, query: Any) -> float:
    """Return how long the texts are of which a value is made, at most. A text in an array may have any length."""
    tables = {each.table for each in state.catalog.triggers.values() if each.function == use.name}
    select = getattr(query, "selectStmt", None)
    tables |= costs.tables_read(select) if select is not None else {relation_name(query.relation)}
    if size := longest(state.catalog, tables, value):
        return size
    made_by = _source(value, getattr(select, "fromClause", None))
    found = [state.catalog.column(table, name) for table in tables for name in columns_in(made_by)]
    types = [each.type for each in found if each and each.type]
    if any(each.array and each.name in TEXTS for each in types):
        return inf
    return max((limit_of(state.catalog, table, name) for table in tables for name in columns_in(made_by)), default=0)


def _source(value: Any, sources: Any) -> Any:
    """Return the function of FROM whose result a value is, or the value itself."""
    for each in walk(sources):
        if isinstance(each, ast.RangeFunction) and each.alias:
            names = {each.alias.aliasname, *(name.sval for name in each.alias.colnames or ())}
            if columns_in(value) & names:
                return each.functions
    return value
