"""Rules about names in queries: columns that their tables do not have, in views, SQL functions and changes of rows.

They judge only statements of which all sources are tables that the files create. Each other one is taken as right.
"""

from collections.abc import Iterator, Set
from typing import Any

from pglast import ast

from app.lint.catalog import Catalog
from app.lint.definition_rules import rejected
from app.lint.findings import Faults
from app.lint.nodes import relation_name, walk
from app.lint.objects import Table
from app.lint.parser import Statement
from app.lint.state import MigrationState

SYSTEM_COLUMNS = {"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"}
READS = ast.SelectStmt | ast.UpdateStmt | ast.DeleteStmt
OTHER = ast.SubLink | ast.CommonTableExpr | ast.RangeSubselect | ast.RangeFunction | ast.RangeTableFunc


def name_faults(state: MigrationState, statement: Statement) -> Faults:
    """Yield the fault of a column that is not there. Call it before the catalog has the change."""
    node = statement.node
    if statement.block or statement.unreadable:  # a statement in DO may be under a condition
        return
    if isinstance(node, ast.ViewStmt):
        if twice := _twice(node):
            yield rejected(statement.line, f"the view has two columns {twice}")
        node = node.query
    elif isinstance(node, ast.CreateTableAsStmt):
        node = node.query
    if isinstance(node, READS) and (why := missing_name(state.catalog, node, set())):
        yield rejected(statement.line, why)


def missing_name(catalog: Catalog, node: Any, names: Set[str]) -> str:
    """Return which column a statement names although its tables do not have it, or "". `names` are of parameters."""
    everything = list(walk(node))
    if not isinstance(node, READS) or any(isinstance(each, OTHER) for each in everything):
        return ""
    if isinstance(node, ast.SelectStmt) and (node.larg is not None or node.valuesLists or not node.fromClause):
        return ""
    sources: dict[str, Table] = {}
    for each in everything:
        if isinstance(each, ast.RangeVar):
            known = catalog.tables.get(relation_name(each))
            if known is None or not known.is_complete or (each.alias and each.alias.colnames):
                return ""
            sources[str(each.alias.aliasname if each.alias else each.relname)] = known
    outputs = {each.name for each in everything if isinstance(each, ast.ResTarget) and each.name}
    every = {column for table in sources.values() for column in table.columns}
    return next(_missing(everything, sources, every | SYSTEM_COLUMNS | outputs | names), "")


def _missing(nodes: list[Any], sources: dict[str, Table], known: Set[str]) -> Iterator[str]:
    for each in nodes:
        match each:
            case ast.ColumnRef(fields=[ast.String(sval=str(column))]) if column not in known | sources.keys():
                yield f"{' and '.join(sources)} {'has' if len(sources) == 1 else 'have'} no column {column}"
            case ast.ColumnRef(fields=[ast.String(sval=str(name)), ast.String(sval=str(column))]) if (
                name in sources and column not in sources[name].columns.keys() | SYSTEM_COLUMNS
            ):
                yield f"{name} has no column {column}"
            case _:
                pass


def _twice(node: Any) -> str:
    """Return a name that two columns of a view have, or ""."""
    if node.aliases or not isinstance(node.query, ast.SelectStmt) or node.query.larg is not None:
        return ""
    names = []
    for target in node.query.targetList or ():
        column = target.val.fields[-1] if isinstance(target.val, ast.ColumnRef) and target.val.fields else None
        names.append(target.name or getattr(column, "sval", None) or "")
    return next((name for name in names if name and names.count(name) > 1), "")
