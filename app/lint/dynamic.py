"""Dynamic SQL: the statement that EXECUTE runs, as far as constants make it."""

import re
from typing import Any

from pglast import ast

from app.lint.nodes import constant_text, qualified_name

PLACE = re.compile(r"%(?:(\d+)\$)?-?\d*([sIL%])")
SCHEMAS = {"tg_table_schema", "current_schema"}  # the schema of the tables, which no name of a file needs


def executed_text(node: Any) -> str:
    """Return the text of a statement that an expression makes from constants. Return "" if it needs other values."""
    return _text(node) or ""


def _text(node: Any) -> str | None:
    while isinstance(node, ast.TypeCast):
        node = node.arg
    match node:
        case ast.A_Const(val=ast.String(sval=text)):
            return str(text)
        case ast.A_Const() if not node.isnull:
            return constant_text(node)
        case ast.A_Expr(name=[ast.String(sval="||")], lexpr=left, rexpr=right):
            return _joined([_text(left), _text(right)])
        case ast.FuncCall(args=[*arguments]) if not node.func_variadic:
            return _called(qualified_name(node.funcname).removeprefix("pg_catalog."), arguments)
        case _:
            return None


def _joined(parts: list[str | None]) -> str | None:
    return None if None in parts else "".join(part or "" for part in parts)


def _called(name: str, arguments: list[Any]) -> str | None:
    match name, arguments:
        case "concat", _:
            return _joined([_text(each) for each in arguments])
        case "quote_ident", [argument]:
            return _quoted(_text(argument), "I")
        case (("quote_literal" | "quote_nullable"), [argument]):
            return _quoted(_text(argument), "L")
        case "format", [template, *values]:
            return _formatted(_text(template), values)
        case _:
            return None


def _formatted(template: str | None, values: list[Any]) -> str | None:
    """Return what format() gives."""
    if template is None:
        return None
    parts: list[str | None] = []
    end = position = 0
    for match in PLACE.finditer(template):
        parts.append(template[end : match.start()])
        end = match.end()
        if match[2] == "%":
            parts.append("%")
            continue
        position = int(match[1]) if match[1] else position + 1
        value = values[position - 1] if 0 < position <= len(values) else None
        if match[2] == "I" and template[end : end + 1] == "." and _is_schema(value):
            parts.append("public")
        else:
            parts.append(_quoted(_text(value), match[2]))
    return _joined([*parts, template[end:]])


def _is_schema(node: Any) -> bool:
    """Return whether a value is the schema of the project's tables: TG_TABLE_SCHEMA or current_schema()."""
    match node:
        case ast.ColumnRef(fields=[ast.String(sval=str(name))]):
            return name in SCHEMAS
        case ast.FuncCall(funcname=[*_, ast.String(sval=str(name))]):
            return name in SCHEMAS
        case ast.SQLValueFunction():
            return True
        case _:
            return False


def _quoted(text: str | None, kind: str) -> str | None:
    if text is None or kind == "s":
        return text
    quote = '"' if kind == "I" else "'"
    return quote + text.replace(quote, quote * 2) + quote
