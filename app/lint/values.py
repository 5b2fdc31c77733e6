"""Values of SQL, and what PostgreSQL's operators and functions make of them, as far as that is known.

NULL is None, a number is a Decimal, bytea is bytes, an array a list, and JSON what it is in Python.
"""

import hashlib
import json
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any

from pglast.enums import A_Expr_Kind, BoolExprType

from app.lint.nodes import Type

NUMBERS = {"int2", "int4", "int8", "float4", "float8", "numeric"}
TEXTS = {"text", "varchar", "bpchar", "name"}
ORDERED = {"<": (-1,), "<=": (-1, 0), ">": (1,), ">=": (1, 0)}  # the results of a comparison
MATCHES = {"~": (False, 0), "~*": (False, re.IGNORECASE), "!~": (True, 0), "!~*": (True, re.IGNORECASE)}
LIKES = {"~~": (False, 0), "~~*": (False, re.IGNORECASE), "!~~": (True, 0), "!~~*": (True, re.IGNORECASE)}
ARITHMETIC: dict[str, Callable[[Decimal, Decimal], Decimal]] = {
    "+": lambda one, other: one + other,
    "-": lambda one, other: one - other,
    "*": lambda one, other: one * other,
}
MAX_LENGTH = 100_000  # characters of a text that repeat() makes here
OWN_REGEX = re.compile(r"\[\[[:.=]|\\[mMyYAZ]|\*\*\*|\(\?")  # of PostgreSQL, and not of Python in the same sense


class Unknown(Enum):
    """Value that is not known."""

    UNKNOWN = "a value or NULL"
    SOMETHING = "a value, and not NULL"


UNKNOWN, SOMETHING = Unknown.UNKNOWN, Unknown.SOMETHING


def typed(value: Any, type: Type | None) -> Any:
    """Return a value as one of a type: an untyped literal is a text until then."""
    if type is None or not isinstance(value, str):
        return value
    try:
        return _read(value, type)
    except (ValueError, InvalidOperation):
        return SOMETHING


def _read(text: str, type: Type) -> Any:
    if type.array:
        return _array(text)
    if type.name in TEXTS:
        return text
    if type.name in {"json", "jsonb"}:
        return json.loads(text, parse_float=Decimal, parse_int=Decimal)
    if type.name in NUMBERS:
        number = Decimal(text.strip())
        return number if number.is_finite() else SOMETHING
    if type.name == "bytea":
        return bytes.fromhex(text[2:]) if text.startswith("\\x") else text.encode()
    if type.name == "bool":
        return {"t": True, "f": False, "y": True, "n": False, "1": True, "0": False}.get(text.lower()[:1], SOMETHING)
    return SOMETHING


def _array(text: str) -> Any:
    """Return the elements of an array without quotes and nested arrays."""
    inner = text.strip()[1:-1]
    if not text.strip().startswith("{") or any(each in inner for each in '"{}\\'):
        return SOMETHING
    return [None if each.strip().lower() == "null" else each.strip() for each in inner.split(",")] if inner else []


def negated(value: Any) -> Any:
    return not value if isinstance(value, bool) else value


def joined(values: list[Any], kind: Any) -> Any:
    """Return the result of AND, OR or NOT."""
    if kind == BoolExprType.NOT_EXPR:
        return negated(values[0])
    decides = kind == BoolExprType.OR_EXPR
    if any(each is decides for each in values):
        return decides
    if any(isinstance(each, Unknown) for each in values):
        return UNKNOWN
    return None if None in values else not decides


def each_of(kind: Any, operator: str, left: Any, elements: Any) -> Any:
    elements = _array(elements) if isinstance(elements, str) else elements
    if not isinstance(elements, list):
        return elements if elements is None else UNKNOWN
    found = [apply(operator, left, each) for each in elements]
    joins_by = BoolExprType.OR_EXPR if kind == A_Expr_Kind.AEXPR_OP_ANY else BoolExprType.AND_EXPR
    return joined(found, joins_by)


def is_same(one: Any, other: Any) -> Any:
    if one is None or other is None:
        known = other if one is None else one
        return UNKNOWN if known is UNKNOWN else known is None
    return apply("=", one, other)


def apply(operator: str, left: Any, right: Any) -> Any:
    """Return the result of an operator. All of these return NULL for NULL."""
    if left is None or right is None:
        return None
    if isinstance(left, Unknown) or isinstance(right, Unknown):
        is_null = UNKNOWN in (left, right) or operator not in ARITHMETIC
        return UNKNOWN if is_null else SOMETHING
    if operator in MATCHES or operator in LIKES:
        return _match(operator, left, right)
    left, right = _alike(left, right)
    if operator in ARITHMETIC:
        are_numbers = isinstance(left, Decimal) and isinstance(right, Decimal)
        return _computed(operator, left, right) if are_numbers else SOMETHING
    if operator == "||" and isinstance(left, str) and isinstance(right, str):
        return left + right
    if operator == "->>" and isinstance(left, dict) and isinstance(right, str):
        found = left.get(right)
        return found if found is None or isinstance(found, str) else str(found)
    if operator == "?" and isinstance(left, dict | list):
        return right in left
    if operator == "@>" and isinstance(left, list) and isinstance(right, list):
        return all(each in left for each in right)
    return _compare(operator, left, right)


def _computed(operator: str, left: Decimal, right: Decimal) -> Any:
    try:
        return ARITHMETIC[operator](left, right)
    except ArithmeticError:  # too large
        return SOMETHING


def _alike(left: Any, right: Any) -> tuple[Any, Any]:
    """Return two values with the same type, if one of them is a literal without a type."""
    kinds = {Decimal: Type("numeric"), bytes: Type("bytea"), list: Type("text", array=True), bool: Type("bool")}
    kinds[dict] = Type("jsonb")
    if isinstance(right, str) and type(left) in kinds:
        is_key = isinstance(left, dict | list) and not right.startswith(("{", "["))
        return left, right if is_key else typed(right, kinds[type(left)])
    if isinstance(left, str) and type(right) in kinds and not isinstance(right, list):
        return typed(left, kinds[type(right)]), right
    return left, right


def _compare(operator: str, left: Any, right: Any) -> Any:
    """Return the result of a comparison. The order of texts depends on the collation."""
    if left is None or right is None:
        return None
    if isinstance(left, Unknown) or isinstance(right, Unknown) or type(left) is not type(right):
        return UNKNOWN
    if operator in {"=", "<>", "!="}:
        return (left == right) == (operator == "=")
    if operator in ORDERED and isinstance(left, Decimal | bytes | bool):
        return (left > right) - (left < right) in ORDERED[operator]
    return UNKNOWN


def _match(operator: str, text: Any, pattern: Any) -> Any:
    if not isinstance(text, str) or not isinstance(pattern, str):
        return UNKNOWN
    if operator in LIKES:
        is_negative, flags = LIKES[operator]
        if "\\" in pattern:
            return UNKNOWN
        parts = {"%": ".*", "_": "."}
        regex = "".join(parts.get(each, re.escape(each)) for each in pattern)
        return (re.fullmatch(regex, text, flags | re.DOTALL) is not None) != is_negative
    is_negative, flags = MATCHES[operator]
    if OWN_REGEX.search(pattern):
        return UNKNOWN
    try:
        return (re.search(pattern, text, flags | re.DOTALL) is not None) != is_negative
    except re.error:
        return UNKNOWN


def _length(value: Any) -> Any:
    return Decimal(len(value)) if isinstance(value, str | list) else UNKNOWN


def _octets(value: Any) -> Any:
    size = len(value) if isinstance(value, bytes) else len(value.encode()) if isinstance(value, str) else None
    return UNKNOWN if size is None else Decimal(size)


def _hash(name: str) -> Callable[[Any], Any]:
    def digest(value: Any) -> Any:
        data = value.encode() if isinstance(value, str) else value
        return hashlib.new(name, data, usedforsecurity=False).digest() if isinstance(data, bytes) else SOMETHING

    return digest


def _text(change: Callable[[str], Any]) -> Callable[[Any], Any]:
    return lambda value: change(value) if isinstance(value, str) else UNKNOWN


# Functions of one argument that return NULL for NULL.
OF_ONE: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("char_length", "character_length", "length"), _length),
    "octet_length": _octets,
    "cardinality": lambda value: Decimal(len(value)) if isinstance(value, list) else UNKNOWN,
    "lower": _text(str.lower),
    "upper": _text(str.upper),
    "btrim": _text(lambda text: text.strip(" ")),
    "sha256": _hash("sha256"),
    "md5": lambda value: _hash("md5")(value).hex() if isinstance(value, str | bytes) else SOMETHING,
    "isfinite": lambda _: UNKNOWN,
    "jsonb_typeof": lambda value: "object" if isinstance(value, dict) else UNKNOWN,
}
NEVER_NULL = {"now", "clock_timestamp", "statement_timestamp", "transaction_timestamp", "gen_random_uuid", "nextval"}
NEVER_NULL |= {"random", "row_to_json", "jsonb_build_object", "concat", "format", "pg_advisory_lock", "uuidv7"}


def call(name: str, values: list[Any]) -> Any:
    if name in NEVER_NULL:
        return SOMETHING
    if name in {"num_nonnulls", "num_nulls"} and UNKNOWN not in values:
        nulls = sum(each is None for each in values)
        return Decimal(nulls if name == "num_nulls" else len(values) - nulls)
    if name in OF_ONE and len(values) == 1:
        [value] = values
        return value if value is None or isinstance(value, Unknown) else OF_ONE[name](value)
    match name, values:
        case "array_length", [list() as elements, Decimal() as dimension] if dimension == 1:
            return Decimal(len(elements)) if elements else None
        case "encode", [bytes() as data, "hex"]:
            return data.hex()
        case "array_position", [list() as elements, str() as wanted]:
            return Decimal(elements.index(wanted) + 1) if wanted in elements else None
        case ("starts_with", [str() as text, str() as beginning]):
            return text.startswith(beginning)
        case "repeat", [str() as text, Decimal() as times] if len(text) * times < MAX_LENGTH:
            return text * int(times)
        case _:
            return UNKNOWN
