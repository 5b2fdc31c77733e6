"""Views: the columns that a view has, and whether PostgreSQL lets a program write through it."""

from typing import Any

from pglast import ast

from app.lint.nodes import Type, qualified_name, relation_name, type_of, walk
from app.lint.objects import Column, Table

# Functions whose call makes one row of many: a program cannot write through such a view.
AGGREGATES = {"count", "sum", "avg", "min", "max", "array_agg", "string_agg", "bool_and", "bool_or", "jsonb_agg"}


def view_of(query: Any, aliases: Any, tables: dict[str, Table], created_by: str) -> Table:
    """Return a view as a table of the catalog. It is not complete if the columns of a `*` are not known."""
    names, is_complete = _columns(query, tables)
    given = [each.sval for each in aliases or ()]
    names = [*given, *names[len(given) :]]
    columns = {name: Column(name, None, created_by=created_by) for name in names}
    return Table("view", created_by, is_complete, columns, query=query, is_updatable=_is_updatable(query))


def _columns(query: Any, tables: dict[str, Table]) -> tuple[list[str], bool]:
    while isinstance(query, ast.SelectStmt) and query.larg is not None:  # UNION takes the names of its first part
        query = query.larg
    names: list[str] = []
    is_complete = True
    for target in getattr(query, "targetList", None) or ():
        match target:
            case ast.ResTarget(name=str(name)):
                names.append(name)
            case ast.ResTarget(val=ast.ColumnRef(fields=[*_, ast.String(sval=str(name))])):
                names.append(name)
            case ast.ResTarget(val=ast.ColumnRef()):
                sources = query.fromClause or ()
                known = [tables.get(relation_name(each)) for each in sources if isinstance(each, ast.RangeVar)]
                is_complete &= len(known) == len(sources) and all(each and each.is_complete for each in known)
                names += [column for each in known if each for column in each.columns]
            case _:
                is_complete = False
    return names, is_complete


def _is_updatable(query: Any) -> bool:
    if not isinstance(query, ast.SelectStmt) or query.larg is not None:
        return False
    others = (query.distinctClause, query.groupClause, query.havingClause, query.limitCount, query.limitOffset)
    sources = query.fromClause or ()
    calls = [each for each in walk(query.targetList) if isinstance(each, ast.FuncCall)]
    if any(each.over or each.agg_star or qualified_name(each.funcname) in AGGREGATES for each in calls):
        return False
    return not any(others) and query.withClause is None and len(sources) == 1 and isinstance(sources[0], ast.RangeVar)


def types_of(query: Any, tables: dict[str, Table]) -> list[Type | None]:
    """Return the types of the columns of a SELECT. A type is None unless it is that of a column, or of a cast."""
    known = [tables.get(relation_name(each)) for each in walk(query) if isinstance(each, ast.RangeVar)]
    return [_type(target.val, known) for target in getattr(query, "targetList", None) or ()]


def _type(value: Any, tables: list[Table | None]) -> Type | None:
    match value:
        case ast.TypeCast():
            return type_of(value.typeName)
        case ast.ColumnRef(fields=[*_, ast.String(sval=str(name))]):
            columns = [table.columns[name].type for table in tables if table and name in table.columns]
            return columns[0] if len(columns) == 1 and all(tables) else None
        case _:
            return None
