"""Functions of PostgreSQL 15 to 18, by volatility, those that PostgreSQL 15 does not have, and settings.

`python -m tests.support.functions` writes functions.json from the system catalogs of the servers, and a test compares
it with one.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

from pglast import ast

from app.lint.catalog import Catalog
from app.lint.nodes import qualified_name, type_name

FILE = Path(__file__).with_name("functions.json")


@cache
def _names(kind: str) -> frozenset[str]:
    return frozenset(json.loads(FILE.read_text(encoding="utf-8")).get(kind, ()))


def is_volatile(catalog: Catalog, node: Any) -> bool:
    """Return whether a call may give another result for each row. A function that is not known may."""
    name = qualified_name(node.funcname)
    if name in catalog.routines:
        return catalog.routines[name].volatility == "volatile"
    short = name.removeprefix("pg_catalog.")
    return not any(short in _names(kind) for kind in ("immutable", "stable", "mixed"))


TIMES = {"date", "time", "timetz", "timestamp", "timestamptz"}
TEXTS = {"text", "varchar", "bpchar"}
BY_ZONE = {"date_trunc", "date_part", "extract", "age", "to_char"}
BY_CONFIGURATION = {"to_tsvector", "plainto_tsquery", "phraseto_tsquery", "websearch_to_tsquery", "to_tsquery"}
OF_TEXT = {"lower", "upper", "left", "right", "btrim", "substr", "trim", "replace", "regexp_replace", "split_part"}
OF_TEXT |= {"jsonb_extract_path_text", "json_extract_path_text", "substring"}
TO_TEXT = {"->>", "#>>", "||"}


def expression_type(node: Any, columns: dict[str, str]) -> str:
    """Return the type of an expression as in pg_type, or "" if it is not known."""
    match node:
        case ast.ColumnRef(fields=[*_, ast.String(sval=str(name))]):
            return columns.get(name, "")
        case ast.TypeCast():
            return type_name(node.typeName)
        case ast.A_Expr(name=[ast.String(sval=operator)]) if operator in TO_TEXT:
            return "text"
        case ast.FuncCall() if qualified_name(node.funcname).removeprefix("pg_catalog.") in OF_TEXT:
            return "text"
        case ast.FuncCall(funcname=[*_, ast.String(sval="timezone")], args=[_, value]):  # AT TIME ZONE
            return {"timestamptz": "timestamp", "timestamp": "timestamptz"}.get(expression_type(value, columns), "")
        case _:
            return ""


def _depends_on_settings(node: Any, columns: dict[str, str]) -> str:
    """Return a cast or call whose result depends on TimeZone, DateStyle or the search configuration, or ""."""
    match node:
        case ast.TypeCast(arg=value):
            old, new = expression_type(value, columns), type_name(node.typeName)
            by_zone = "timestamptz" in {old, new} and {old, new} <= TIMES and old != new
            if by_zone or (old in TEXTS and new in TIMES) or (old in TIMES and new in TEXTS):
                return f"the cast from {old} to {new}"
        case ast.FuncCall(args=[*values]):
            name = qualified_name(node.funcname).removeprefix("pg_catalog.")
            if name in BY_ZONE and any(expression_type(each, columns) == "timestamptz" for each in values):
                return f"{name}() of a timestamptz"
            if name in BY_CONFIGURATION and len(values) == 1:
                return f"{name}() without a configuration"
        case _:
            pass
    return ""


def changing(catalog: Catalog, node: Any, columns: dict[str, str]) -> str:
    """Return the name of a call in an index or a generated column for which PostgreSQL rejects it, or "".

    `columns` has the types of the table's columns.
    """
    if found := _depends_on_settings(node, columns):
        return found
    match node:
        case ast.SQLValueFunction():
            return "the current time or role"
        case ast.FuncCall():
            name = qualified_name(node.funcname)
            if name in catalog.routines:
                return "" if catalog.routines[name].volatility == "immutable" else f"{name}()"
            short = name.removeprefix("pg_catalog.")
            return f"{name}()" if short in _names("stable") | _names("volatile") else ""
        case _:
            return ""


def is_newer(node: Any) -> bool:
    """Return whether a call names a function that PostgreSQL 15 does not have."""
    return isinstance(node, ast.FuncCall) and qualified_name(node.funcname).removeprefix("pg_catalog.") in _names(
        "newer"
    )


def is_built_in(name: str) -> bool:
    """Return whether a function is one of PostgreSQL."""
    short = name.removeprefix("pg_catalog.")
    return any(short in _names(kind) for kind in ("immutable", "stable", "volatile", "mixed"))


def is_newer_setting(name: str) -> bool:
    """Return whether PostgreSQL 15 does not have a setting."""
    return name.lower() in _names("newer settings")


def is_fixed_setting(name: str) -> bool:
    """Return whether only the configuration of the server can have a setting, and no session, role or database."""
    return name.lower() in _names("fixed settings")
