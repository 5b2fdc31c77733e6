"""Literals: whether PostgreSQL can read a constant as a value of a type, and whether a CHECK allows it."""

import json
import re
from collections.abc import Iterator
from typing import Any

from pglast import ast
from pglast.enums import A_Expr_Kind

from app.lint.nodes import Type, ands, constant_text

NUMBERS = {"int2", "int4", "int8", "float4", "float8", "numeric"}
TEXTS = {"text", "varchar", "bpchar", "name"}
TIMES = {"date", "time", "timetz", "timestamp", "timestamptz", "interval"}
FORMS = {
    **dict.fromkeys(["int2", "int4", "int8"], r"[+-]?[0-9][0-9a-fox_]*"),
    **dict.fromkeys(
        ["float4", "float8", "numeric"], r"[+-]?([0-9._]+(e[+-]?[0-9]+)?|0[box][0-9a-f_]+|inf(inity)?)|nan"
    ),
    "bool": r"t|tr|true?|f|fa|fal|false?|y|yes?|no?|on|off?|[01]",
    "uuid": r"\{?[0-9a-f]{4}(-?[0-9a-f]{4}){7}\}?",
    **dict.fromkeys(TIMES, r".*[0-9].*|now|today|tomorrow|yesterday|-?infinity|epoch|allballs"),
}
JSON = {"json", "jsonb"}
NOT_FROM_NUMBER = {"bool", "uuid", "bytea", "inet", "cidr", "tsvector"} | JSON | TIMES


def unreadable(type: Type | None, node: Any) -> str:
    """Return why PostgreSQL cannot store a constant in a column of a type, or "" if it can, or if that is not known."""
    if isinstance(node, ast.TypeCast) or not isinstance(node, ast.A_Const) or node.isnull or type is None:
        return ""
    text = constant_text(node)
    match node.val:
        case ast.String() if not type.array:
            is_read = _parses(text) if type.name in JSON else _matches(type.name, text)
            return "" if is_read else f"{text!r} is no {type.name}"
        case ast.Integer() | ast.Float() if type.array or type.name in NOT_FROM_NUMBER:
            return f"the number {text} is no {type.name}{'[]' if type.array else ''}"
        case ast.Boolean() if type.array or type.name in NUMBERS | NOT_FROM_NUMBER - {"bool"}:
            return f"{text} is no {type.name}{'[]' if type.array else ''}"
        case _:
            return ""


def _matches(name: str, text: str) -> bool:
    return name not in FORMS or bool(re.fullmatch(FORMS[name], text.strip().lower()))


def _parses(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def listed_values(check: Any) -> Iterator[tuple[str, set[str]]]:
    """Yield the columns that a CHECK compares with a list of constants, each with the constants."""
    for each in ands(check):
        match each:
            case ast.A_Expr(
                kind=A_Expr_Kind.AEXPR_IN | A_Expr_Kind.AEXPR_OP_ANY,
                name=[ast.String(sval="=")],
                lexpr=ast.ColumnRef(fields=[ast.String(sval=str(column))]),
                rexpr=right,
            ):
                values = getattr(right, "elements", None) or (right if isinstance(right, tuple) else ())
                texts = {constant_text(value) for value in values}
                if texts and "" not in texts:
                    yield column, texts
            case _:
                pass
