"""Literals: whether PostgreSQL can read a constant as a value of a type, and whether a CHECK allows it."""

import json
import operator as compare
import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

from pglast import ast
from pglast.enums import A_Expr_Kind

from app.lint.nodes import Type, ands, columns_in, constant_text

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
BYTES = {"int2": 2, "int4": 4, "int8": 8}
LENGTHS = {"char_length", "character_length", "length"}
COMPARISONS = {"<": compare.lt, "<=": compare.le, ">": compare.gt, ">=": compare.ge, "=": compare.eq, "<>": compare.ne}
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


def out_of_range(type: Type | None, node: Any) -> str:
    """Return why a column of a type cannot have a constant that it can read: it is too long or too large; or ""."""
    while isinstance(node, ast.TypeCast):
        node = node.arg
    if type is None or type.array or not isinstance(node, ast.A_Const) or node.isnull:
        return ""
    text = constant_text(node)
    limit = type.mods[0] if type.mods else None
    if type.name in {"varchar", "bpchar"} and limit is not None and len(text.rstrip(" ")) > limit:
        return f"{text!r} has more than {limit} characters"
    number = _number(text)
    if number is None:
        return ""
    if type.name in BYTES and not -(2 ** (8 * BYTES[type.name] - 1)) <= number < 2 ** (8 * BYTES[type.name] - 1):
        return f"{text} is too large for {type.name}"
    digits = limit - (type.mods[1] or 0 if len(type.mods) > 1 else 0) if limit is not None else None
    if type.name == "numeric" and digits is not None and abs(number) >= 10**digits:
        return f"{text} has more than {digits} digits before the point"
    return ""


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def violates(check: Any, column: str, node: Any) -> bool:
    """Return whether a constant in a column certainly violates a CHECK: a comparison of it, or of its length."""
    text = constant_text(node)
    return (
        isinstance(node, ast.A_Const) and not node.isnull and any(_is_false(each, column, text) for each in ands(check))
    )


def _is_false(part: Any, column: str, text: str) -> bool:
    match part:
        case ast.A_Expr(kind=A_Expr_Kind.AEXPR_BETWEEN, lexpr=value, rexpr=[low, high]):
            return (
                _compares(value, ">=", low, column, text) is False
                or _compares(value, "<=", high, column, text) is False
            )
        case ast.A_Expr(kind=A_Expr_Kind.AEXPR_OP, name=[ast.String(sval=operator)], lexpr=value, rexpr=limit):
            return _compares(value, operator, limit, column, text) is False
        case _:
            return False


def _compares(value: Any, operator: str | None, limit: Any, column: str, text: str) -> bool | None:
    """Return the result of a comparison, or None if it is not known."""
    other = _number(constant_text(limit)) if isinstance(limit, ast.A_Const) else None
    match value:
        case ast.FuncCall(funcname=[*_, ast.String(sval=name)], args=[ast.ColumnRef() as named]) if name in LENGTHS:
            own: Decimal | None = Decimal(len(text))
        case ast.ColumnRef() as named:
            own = _number(text)
        case _:
            return None
    if own is None or other is None or columns_in(named) != {column} or operator not in COMPARISONS:
        return None
    return bool(COMPARISONS[operator](own, other))


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
