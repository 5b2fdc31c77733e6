"""Parse tree helpers: names, types, columns and constants in the nodes of PostgreSQL's own parser (pglast)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pglast import ast
from pglast.enums import BoolExprType, ConstrType, ObjectType

SERIALS = {"serial": "int4", "serial4": "int4", "bigserial": "int8", "serial8": "int8"}
SERIALS |= {"smallserial": "int2", "serial2": "int2"}
RELATIONS = {
    ObjectType.OBJECT_TABLE,
    ObjectType.OBJECT_VIEW,
    ObjectType.OBJECT_MATVIEW,
    ObjectType.OBJECT_FOREIGN_TABLE,
}
OF_TABLES = {ObjectType.OBJECT_TRIGGER, ObjectType.OBJECT_POLICY, ObjectType.OBJECT_RULE}


@dataclass(frozen=True)
class Type:
    """Type of a column, without its schema."""

    name: str  # as in pg_type: int4, varchar, timestamptz
    mods: tuple[int | None, ...] = ()
    array: bool = False
    collation: str = ""


def walk(node: Any) -> Iterator[Any]:
    """Yield a node and all nodes under it, in the order of the text. It does not recurse, so depth is no limit."""
    stack = [node]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Node):
            yield node
            stack += [getattr(node, name) for name in reversed(list(node))]
        elif isinstance(node, tuple | list):
            stack += reversed(node)


def is_virtual(constraints: dict[Any, Any]) -> bool:
    """Return whether the constraints of a column, by their type, make it a virtual generated column."""
    generated = constraints.get(ConstrType.CONSTR_GENERATED)
    return generated is not None and generated.generated_kind == "v"


def is_always(identity: Any) -> bool:
    """Return whether ADD GENERATED or SET GENERATED makes an identity column that takes no value of an INSERT."""
    if isinstance(identity, ast.Constraint):
        return identity.generated_when == "a"
    return any(each.defname == "generated" and constant_text(each.arg) in {"97", "a"} for each in identity or ())


def qualified(schema: str | None, name: str) -> str:
    """Return SCHEMA.NAME, or only the name if the schema is public, that of temporary tables, or not given."""
    return f"{schema}.{name}" if schema and schema not in {"public", "pg_temp"} else name


def relation_name(relation: Any) -> str:
    """Return the name of a RangeVar, with its schema if that is not public."""
    return qualified(relation.schemaname, relation.relname)


def is_temporary(relation: Any) -> bool:
    """Return whether a new table is temporary, by the word or by its schema."""
    return bool(relation.relpersistence == "t" or relation.schemaname == "pg_temp")


def qualified_name(parts: Any) -> str:
    """Return the name that a list of String nodes spells, with its schema if that is not public."""
    strings = [part.sval or "" for part in parts or () if isinstance(part, ast.String)]
    return qualified(strings[-2] if len(strings) > 1 else None, strings[-1]) if strings else ""


def dropped_names(node: Any) -> list[str]:
    """Return the names of the objects that a DROP removes."""
    names = []
    for each in node.objects or ():
        if isinstance(each, ast.ObjectWithArgs):
            names.append(qualified_name(each.objname))
        elif isinstance(each, tuple) and node.removeType in OF_TABLES:
            names.append(f"{qualified_name(each[:-1])}.{qualified_name(each[-1:])}")
        elif isinstance(each, tuple):
            names.append(qualified_name(each))
        elif isinstance(each, ast.TypeName):
            names.append(qualified_name(each.names))
        elif isinstance(each, ast.String):
            names.append(each.sval or "")
    return names


def replaced(columns: tuple[str, ...], old: str, new: str) -> tuple[str, ...]:
    """Return the columns with the new name instead of the old one."""
    return tuple(new if column == old else column for column in columns)


def rename_keys(objects: dict[Any, Any], old: str, new: str) -> None:
    """Rename a table in the keys of its rights, or in those of its policies: (TABLE, POLICY)."""
    for key in [key for key in objects if key == old or (isinstance(key, tuple) and key[0] == old)]:
        objects[new if key == old else (new, key[1])] = objects.pop(key)


def columns_in(node: Any) -> set[str]:
    """Return the columns that an expression names, without table or schema."""
    fields = [each.fields[-1] for each in walk(node) if isinstance(each, ast.ColumnRef) and each.fields]
    return {each.sval or "" for each in fields if isinstance(each, ast.String)}


def ands(node: Any) -> list[Any]:
    """Return the parts that AND joins, at any depth."""
    if isinstance(node, ast.BoolExpr) and node.boolop == BoolExprType.AND_EXPR:
        return [part for each in node.args or () for part in ands(each)]
    return [node]


def functions_in(node: Any) -> frozenset[str]:
    """Return the functions that an expression calls."""
    return frozenset(qualified_name(each.funcname) for each in walk(node) if isinstance(each, ast.FuncCall))


def split_name(name: str) -> tuple[str, str]:
    """Return the table and the name of a trigger or policy: `orders.touch`, or `aside.orders.touch`."""
    table, _, own = name.rpartition(".")
    return table, own


def constraint_columns(node: Any) -> tuple[str, ...]:
    """Return the columns of a table constraint. Those of a CHECK are in alphabetical order."""
    if node.contype == ConstrType.CONSTR_CHECK:
        return tuple(sorted(columns_in(node.raw_expr)))
    if node.contype == ConstrType.CONSTR_EXCLUSION:
        return tuple(each[0].name or "" for each in node.exclusions or ())
    return tuple(each.sval for each in node.keys or node.fk_attrs or ())


def type_name(node: Any) -> str:
    """Return the name of a TypeName without its schema, or ""."""
    return node.names[-1].sval if node and node.names else ""


def type_of(node: Any, collation: Any = None) -> Type | None:
    """Return the type that a TypeName describes, or None if it is not known (`column%TYPE`)."""
    name = type_name(node)
    if not name or node.pct_type:
        return None
    mods = tuple(
        getattr(getattr(mod, "val", None), "ival", None) if isinstance(mod, ast.A_Const) else None
        for mod in node.typmods or ()
    )
    collated = qualified_name(collation.collname) if collation else ""
    return Type(SERIALS.get(name, name), mods, bool(node.arrayBounds), collated)


def constant_text(node: Any) -> str:
    """Return a constant as text, or "" if the node is not a constant."""
    while isinstance(node, ast.TypeCast):
        node = node.arg
    value = node.val if isinstance(node, ast.A_Const) else node
    match value:
        case ast.String(sval=text) | ast.Float(fval=text):
            return str(text)
        case ast.Integer(ival=number):
            return str(number)
        case ast.Boolean(boolval=true):
            return "true" if true else "false"
        case ast.TypeName(names=[ast.String(sval=word)]):  # SET (autovacuum_enabled = off)
            return str(word)
        case _:
            return ""
