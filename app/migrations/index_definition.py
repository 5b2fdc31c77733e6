"""Index definitions: whether a CREATE INDEX of a migration would make an index that exists, in PostgreSQL's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pglast import ast  # at run time only inside the functions: the import takes 65 ms

# Parts of a CREATE INDEX that are not compared: they say nothing about the index, or pg_get_indexdef() leaves them out.
IGNORED = {"concurrent", "idxname", "if_not_exists", "location", "relation", "stmt_location", "tableSpace"}
IGNORED |= {"funcformat", "rexpr_list_start", "rexpr_list_end", "list_start", "list_end"}
LAST_PART = {"fields", "funcname", "name", "names", "collation", "collname", "opclass"}  # names that may have a schema
LIKE = {"AEXPR_LIKE", "AEXPR_ILIKE"}
IN = {"=": "AEXPR_OP_ANY", "<>": "AEXPR_OP_ALL"}  # x IN (1, 2) becomes x = ANY (ARRAY[1, 2])


def build_of(sql: str) -> ast.IndexStmt | None:
    """Return the parse tree of a CREATE INDEX CONCURRENTLY with a name. Return None for any other text."""
    from pglast import ast
    from pglast.parser import ParseError

    from app.schema.statements import split_statements

    try:
        found = [each.parse() for each in split_statements(sql)]
    except ParseError:
        return None
    match found:
        case [ast.IndexStmt(concurrent=True, idxname=str()) as build]:
            return build
        case _:
            return None


def same(build: ast.IndexStmt, definition: str) -> bool:
    """Return whether the statement makes an index with this definition, which pg_get_indexdef() wrote.

    The names of the index and of its table are not compared.
    """
    from pglast import parse_sql

    return bool(_plain(build) == _plain(parse_sql(definition)[0].stmt))


def _plain(value: Any) -> Any:
    """Return a parse tree as values, without what PostgreSQL adds to an expression or leaves out."""
    from pglast import ast

    match value:
        case ast.TypeCast(arg=arg) if isinstance(arg, ast.A_Const) or _type_name(value.typeName) == "text":
            return _plain(arg)
        case ast.A_Const(isnull=is_null, val=val):
            return ("NULL",) if is_null else _plain(val)
        case ast.Integer() | ast.Float() | ast.Boolean() | ast.BitString() | ast.String():
            return _constant(value)
        case ast.Node():
            parts = {name: getattr(value, name) for name in value if name not in IGNORED}
            plain = {name: _plain(part) for name, part in parts.items()}
            plain |= {name: plain[name][-1:] for name in LAST_PART & plain.keys() if isinstance(plain[name], list)}
            return _usual(type(value).__name__, plain)
        case tuple() | list():
            return [_plain(each) for each in value]
        case _:
            return getattr(value, "name", value)  # of an enumeration


def _type_name(node: ast.TypeName | None) -> str:
    """Return the name of a type without its schema, or ""."""
    return str(node.names[-1].sval) if node and node.names else ""


def _constant(node: Any) -> str:
    """Return a constant as text: PostgreSQL writes -1 as '-1'::integer, and WITH (a = 1) as WITH (a='1')."""
    (name,) = list(node)[:1]
    value = getattr(node, name)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _usual(kind: str, plain: dict[str, Any]) -> Any:
    """Return a node with the defaults as PostgreSQL writes them."""
    if kind == "IndexElem":
        is_descending = plain["ordering"] == "SORTBY_DESC"
        if plain["ordering"] == "SORTBY_ASC":
            plain["ordering"] = "SORTBY_DEFAULT"
        if plain["nulls_ordering"] == ("SORTBY_NULLS_FIRST" if is_descending else "SORTBY_NULLS_LAST"):
            plain["nulls_ordering"] = "SORTBY_NULLS_DEFAULT"
    if kind == "A_Expr" and plain["kind"] in LIKE:
        plain["kind"] = "AEXPR_OP"
    if kind == "A_Expr" and plain["kind"] == "AEXPR_IN":
        plain |= {"kind": IN[plain["name"][0]], "rexpr": ("A_ArrayExpr", plain["rexpr"])}
    if kind == "A_ArrayExpr":
        return (kind, plain["elements"])
    return (kind, plain)
