"""Costs of a schema change in PostgreSQL 15 to 18: whether a type, a default or a NOT NULL rewrites or scans a table.

The rules come from PostgreSQL's source, and tests compare them with a server. If the catalog does not know the answer,
each function assumes the worse case.
"""

from typing import Any

from pglast import ast, enums

from app.lint.catalog import Catalog
from app.lint.functions import is_volatile
from app.lint.nodes import Type, ands, columns_in, relation_name, type_of, walk
from app.lint.objects import Column

# A wider limit of these types changes only the system catalog. The precision of timestamp(3) is such a limit.
WIDENING = {"varchar", "varbit", "time", "timetz", "timestamp", "timestamptz"}
MAX_PRECISION = 6  # digits of a second in a time or timestamp
# Types with the same bytes: the casts of pg_cast with the method b, whose indexes PostgreSQL keeps.
SAME_BYTES = {
    ("varchar", "text"),
    ("text", "varchar"),
    ("cidr", "inet"),
    ("xml", "text"),
    ("bit", "varbit"),
}
# A client of a type can also read the types to the right of it.
READABLE_CHANGES = [
    ("int2", "int4", "int8"),
    ("float4", "float8"),
    ("varchar", "text"),
    ("text", "varchar"),
    ("json", "jsonb"),
    ("jsonb", "json"),
    ("cidr", "inet"),
]


def type_text(type: Type | None) -> str:
    """Return a type as SQL spells it."""
    if type is None:
        return "an unknown type"
    mods = f"({', '.join(str(mod) for mod in type.mods)})" if type.mods else ""
    return f"{type.name}{mods}{'[]' if type.array else ''}"


def rewrites(old: Type | None, new: Type | None) -> bool:
    """Return whether a change of type rewrites the table."""
    if old is None or new is None or old.array != new.array:
        return True
    if (old.name, old.mods) == (new.name, new.mods):
        return False
    if old.array:
        return True
    if old.name != new.name:
        return (old.name, new.name) not in SAME_BYTES or (new.name in {"varchar", "varbit"} and bool(new.mods))
    if not new.mods:
        return old.name not in {*WIDENING, "numeric", "interval"}
    if not old.mods and old.name in WIDENING and old.name.startswith("time"):
        return new.mods[0] != MAX_PRECISION
    if not old.mods or None in old.mods or None in new.mods:
        return True
    before, after = [mod or 0 for mod in old.mods], [mod or 0 for mod in new.mods]
    if old.name == "numeric":
        return after[0] < before[0] or [*after[1:], 0][0] != [*before[1:], 0][0]
    if old.name == "interval":
        return len(before) != len(after) or before[0] != after[0] or after[-1] < before[-1]
    return old.name not in WIDENING or after[0] < before[0]


def type_change(catalog: Catalog, table: str, name: str, definition: Any) -> str:
    """Return the cost of ALTER COLUMN ... TYPE in words, or "" if it changes only the system catalog."""
    column = catalog.column(table, name)
    new = _below(catalog, type_of(definition.typeName, definition.collClause))
    old = _below(catalog, column.type if column else None)
    if rewrites(old, new) or not _is_default_cast(definition.raw_default, name, new):
        return f"from {type_text(old)} to {type_text(new)} rewrites the table and its indexes"
    if column and column.virtual:
        return ""
    if any(each.kind == "check" and each.valid and name in each.columns for each in catalog.constraints(table)):
        return "a CHECK on the column is checked again for each row"
    indexes = [index for index in catalog.indexes_of(table) if name in index.mentioned]
    is_new_collation = old and new and old.collation != new.collation
    rebuilt = [index.name for index in indexes if is_new_collation or not index.is_plain]
    if rebuilt:
        why = "the collation changes" if is_new_collation else "of an expression or a predicate"
        return f"the change rebuilds {', '.join(rebuilt)}, because {why}"
    return ""


def _below(catalog: Catalog, type: Type | None) -> Type | None:
    """Return the type of a domain without constraints, or the type itself."""
    if type is None or type.array:
        return type
    return catalog.domains.get(type.name) or type


def _is_default_cast(using: Any, name: str, new: Type | None) -> bool:
    """Return whether USING is missing, or says what PostgreSQL does by default."""
    if isinstance(using, ast.TypeCast):
        using = using.arg if type_of(using.typeName) == new else None
        return using is not None and _is_default_cast(using, name, new)
    return using is None or (isinstance(using, ast.ColumnRef) and columns_in(using) == {name})


def volatile(catalog: Catalog, default: Any) -> bool:
    """Return whether a default may differ from row to row, so that ADD COLUMN rewrites the table."""
    for node in walk(default):
        if isinstance(node, ast.FuncCall) and is_volatile(catalog, node):
            return True
        if isinstance(node, ast.A_Expr) and _own_operator(node):
            return True
    return False


def _own_operator(node: Any) -> bool:
    return node.kind == enums.A_Expr_Kind.AEXPR_OP and len(node.name or ()) > 1


def is_null(node: Any) -> bool:
    """Return whether a default is missing or is the constant NULL."""
    while isinstance(node, ast.TypeCast):
        node = node.arg
    return node is None or (isinstance(node, ast.A_Const) and bool(node.isnull))


def has_not_null(catalog: Catalog, table: str, name: str) -> bool:
    """Return whether a column is NOT NULL. A CHECK does not count."""
    column = catalog.column(table, name)
    return column is not None and column.not_null


def never_null(catalog: Catalog, table: str, name: str) -> bool:
    """Return whether a valid constraint excludes NULL, so that SET NOT NULL needs no scan."""
    column = catalog.column(table, name)
    if column and column.not_null:
        return True
    checks = [each.expression for each in catalog.constraints(table) if each.kind == "check" and each.valid]
    return any(name in not_null_columns(check) for check in checks)


def not_null_columns(check: Any) -> set[str]:
    """Return the columns that a CHECK requires to be NOT NULL."""
    columns = set()
    for part in ands(check):
        match part:
            case ast.NullTest(arg=ast.ColumnRef() as column, nulltesttype=enums.NullTestType.IS_NOT_NULL):
                columns |= columns_in(column)
            case _:
                pass
    return columns


def breaks_clients(old: Type | None, new: Type | None) -> bool:
    """Return whether a client of the old type may fail with the new one."""
    if old is None or new is None or old.array != new.array:
        return True
    if old.name == new.name:
        return False
    return not any(old.name in group and new.name in group[group.index(old.name) + 1 :] for group in READABLE_CHANGES)


def without_where(where: Any) -> bool:
    """Return whether a WHERE clause is missing, or is true for each row."""
    match where:
        case None | ast.A_Const(val=ast.Boolean(boolval=True)):
            return True
        case ast.TypeCast(arg=ast.A_Const(val=ast.String(sval="t" | "true"))):
            return True
        case ast.A_Expr(lexpr=ast.A_Const(val=left), rexpr=ast.A_Const(val=right), name=[ast.String(sval="=")]):
            return bool(left == right)
        case _:
            return False


def same_columns(known: dict[str, Column], wanted: dict[str, Column]) -> bool:
    """Return whether the columns have the same names, types, defaults and NOT NULLs."""

    def definitions(columns: dict[str, Column]) -> dict[str, tuple[object, ...]]:
        return {
            name: (each.type, each.not_null, repr(each.default), each.is_generated) for name, each in columns.items()
        }

    return definitions(known) == definitions(wanted)


def tables_read(node: Any) -> set[str]:
    """Return the tables that a SELECT and its subqueries read. The names of its WITH queries are not tables."""
    nodes = list(walk(node))
    within = {each.ctename for each in nodes if isinstance(each, ast.CommonTableExpr)}
    return {relation_name(each) for each in nodes if isinstance(each, ast.RangeVar)} - within
