"""Functions of PostgreSQL 15 to 18, by volatility, and those that PostgreSQL 15 does not have.

`python -m tests.support.functions` writes functions.json from the system catalogs of the servers, and a test compares
it with one.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

from pglast import ast

from app.lint.catalog import Catalog
from app.lint.nodes import qualified_name

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


def changing(catalog: Catalog, node: Any) -> str:
    """Return the name of a call in an index or a generated column for which PostgreSQL rejects it, or ""."""
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
