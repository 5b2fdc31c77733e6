"""Rule about copies from column to column: the new column does not allow each value that the old one allows."""

from collections.abc import Iterator
from math import inf
from typing import Any

from pglast import ast
from pglast.enums import NullTestType

from app.lint import costs
from app.lint.catalog import Catalog
from app.lint.findings import Fault, Faults
from app.lint.lengths import limit_of, longest
from app.lint.literals import BYTES, listed_values
from app.lint.nodes import ands, columns_in, relation_name
from app.lint.objects import Column
from app.lint.parser import Statement
from app.lint.state import MigrationState


def copy_faults(state: MigrationState, statement: Statement) -> Faults:
    """Yield the faults of an UPDATE or an INSERT ... SELECT that PostgreSQL rejects because of some rows."""
    if state.before is not None or statement.unreadable:
        return
    for node in statement.nodes if isinstance(statement.node, ast.UpdateStmt | ast.InsertStmt | ast.SelectStmt) else ():
        for table, name, value, sources, where in _copies(node):
            column = state.catalog.column(table, name)
            is_busy = any(state.is_busy(each) for each in sources)
            if column and is_busy and (why := _wrong(state.catalog, table, column, value, sources, where)):
                yield Fault(statement.line, "copy-fails", f"{why}, so the statement may fail")
                return


def _copies(node: Any) -> Iterator[tuple[str, str, Any, set[str], Any]]:
    """Yield the table, the column and the value of each assignment, with the tables and the WHERE of the value."""
    match node:
        case ast.UpdateStmt(relation=relation):
            sources = {relation_name(relation), *costs.tables_read(node.fromClause)}
            for each in node.targetList or ():
                if not each.indirection and not isinstance(each.val, ast.MultiAssignRef):
                    yield relation_name(relation), each.name, each.val, sources, node.whereClause
        case ast.InsertStmt(
            relation=relation, cols=[*columns], selectStmt=ast.SelectStmt(targetList=[*targets]) as query
        ):
            sources = costs.tables_read(query.fromClause)
            for column, each in zip(columns, targets, strict=False):
                yield relation_name(relation), column.name, each.val, sources, query.whereClause
        case _:
            pass


def _wrong(catalog: Catalog, table: str, column: Column, value: Any, sources: set[str], where: Any) -> str:
    """Return why a column does not allow each value, or ""."""
    size, limit = longest(catalog, sources, value, where), limit_of(catalog, table, column.name)
    if size > limit > 0:
        allowed = "of any length" if size == inf else f"of {size:.0f} characters"
        return f"{table}.{column.name} allows {limit:.0f} characters, and the value may be {allowed}"
    source = _column(catalog, value, sources)
    if source is None or source.type is None or column.type is None:
        return ""
    conditions = ands(where)
    if column.not_null and not source.not_null and not any(_excludes_null(each, source.name) for each in conditions):
        return f"{table}.{column.name} is NOT NULL, and {source.name} may be NULL"
    if any(source.name in columns_in(each) for each in conditions):
        return ""
    kinds = (column.type.name, source.type.name)
    ranges = [BYTES.get(each, inf if each == "numeric" else 0) for each in kinds]
    if 0 < ranges[0] < ranges[1]:
        return f"{table}.{column.name} is {kinds[0]}, and {source.name} is {kinds[1]}"
    lists = [
        values
        for each in catalog.constraints(table)
        for name, values in listed_values(each.expression)
        if name == column.name
    ]
    known = [
        values
        for each in sources
        for check in catalog.constraints(each)
        for name, values in listed_values(check.expression)
        if name == source.name
    ]
    if lists and not any(each <= lists[0] for each in known):
        return f"{table}.{column.name} allows {', '.join(sorted(lists[0])[:3])} only, and {source.name} may be another"
    return ""


def _column(catalog: Catalog, value: Any, sources: set[str]) -> Column | None:
    """Return the column that a value is, if one of the tables has it."""
    match value:
        case ast.TypeCast(arg=arg):
            return _column(catalog, arg, sources)
        case ast.ColumnRef(fields=[*_, ast.String(sval=str(name))]):
            found = [each for each in (catalog.column(table, name) for table in sorted(sources)) if each]
            return found[0] if len(found) == 1 else None
        case _:
            return None


def _excludes_null(condition: Any, column: str) -> bool:
    """Return whether a part of a WHERE lets no NULL of a column through: each comparison does so."""
    if isinstance(condition, ast.NullTest):
        return condition.nulltesttype == NullTestType.IS_NOT_NULL and columns_in(condition) == {column}
    return isinstance(condition, ast.A_Expr) and column in columns_in(condition)
