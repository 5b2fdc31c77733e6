"""Dynamic SQL: the statements that EXECUTE may run, as far as constants and variables with constants make them.

A name that the text does not tell becomes UNKNOWN. No file creates a table of that name, so the rules assume the worse
case: a table in use.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pglast import ast
from pglast.parser import ParseError

from app.lint.nodes import constant_text, qualified_name
from app.schema.statements import split_statements

PLACE = re.compile(r"%(?:(\d+)\$)?-?\d*([sIL%])")
SCHEMAS = {"tg_table_schema", "current_schema"}  # the schema of the tables, which no name of a file needs


UNKNOWN = "unknown_name"
MAX_VALUES = 20  # of a variable: more are a loop over many tables, which differ in their names only

Values = Mapping[str, str]  # of variables, by their name


def executed_texts(expression: str, variables: Mapping[str, list[str]]) -> list[str]:
    """Return the texts that EXECUTE of an expression may run: one for each value of its variables. None: unreadable."""
    try:
        select: Any = split_statements(f"SELECT {expression}")[0].parse()
        node = select.targetList[0].val
    except (ParseError, AttributeError):
        return []
    turns = max(
        (len(each) for name, each in variables.items() if re.search(rf"\b{re.escape(name)}\b", expression)), default=1
    )
    found = dict.fromkeys(
        _text(node, {name: each[turn % len(each)] for name, each in variables.items() if each})
        for turn in range(min(turns, MAX_VALUES))
    )
    return [text for text in found if text and text != UNKNOWN]


def constant_sql(node: Any) -> str:
    """Return the text that an expression of constants makes, or "" if nothing of it is known."""
    text = _text(node, {})
    return "" if text == UNKNOWN else text


def is_guess(text: str) -> bool:
    """Return whether a text has a name that is not known."""
    return UNKNOWN in text


def constants(tree: Any) -> dict[str, list[str]]:
    """Return the variables of a PL/pgSQL parse tree that only get constants, with their values."""
    found: dict[str, list[str]] = {}
    for function in tree or ():
        body = function.get("PLpgSQL_function", {})
        datums: list[Any] = [next(iter(each.values()), {}) for each in body.get("datums", ())]
        values: dict[int, list[str | None]] = {}
        for number, datum in enumerate(datums):
            if isinstance(datum, dict) and "default_val" in datum:
                values.setdefault(number, []).append(_constant(_query(datum["default_val"])))
        for number, value in _assigned(body.get("action")):
            values.setdefault(number, []).extend(value or [None])
        for number, each in values.items():
            if number < len(datums) and None not in each:
                found[datums[number].get("refname", "")] = [value for value in each if value is not None]
    return found


def _query(expression: Any) -> str:
    return str(expression.get("PLpgSQL_expr", {}).get("query", "")) if isinstance(expression, dict) else ""


def _assigned(action: Any) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of each variable that a body sets, with the constants that it gets, or none."""
    stack = [action]
    while stack:
        node = stack.pop()
        if isinstance(node, list):
            stack += node
        elif isinstance(node, dict):
            for name, each in node.items():
                if name == "PLpgSQL_stmt_assign":
                    value = _constant(re.split(r":?=", _query(each.get("expr")), maxsplit=1)[-1])
                    yield each.get("varno", -1), [] if value is None else [value]
                elif name == "PLpgSQL_stmt_foreach_a":
                    yield each.get("varno", -1), _list(_query(each.get("expr")))
                elif name == "PLpgSQL_stmt_fors" and "PLpgSQL_row" in each.get("var", {}):
                    fields = each["var"]["PLpgSQL_row"].get("fields", ())
                    rows = _list(_query(each.get("query"))) if len(fields) == 1 else []
                    yield from ((field.get("varno", -1), rows) for field in fields)
                    each = {key: below for key, below in each.items() if key != "var"}
                elif name == "PLpgSQL_row":
                    yield from ((field.get("varno", -1), []) for field in each.get("fields", ()))
                stack.append(each)


def _constant(expression: str) -> str | None:
    try:
        select: Any = split_statements(f"SELECT {expression}")[0].parse()
        text = _text(select.targetList[0].val, {})
    except (ParseError, AttributeError, IndexError, TypeError):
        return None
    return None if UNKNOWN in text else text


def _list(query: str) -> list[str]:
    """Return the constants of ARRAY[...], of SELECT unnest(ARRAY[...]), or of VALUES; none if there are others."""
    try:
        is_whole = re.match(r"(?i)\s*(select|values)\b", query)
        select: Any = split_statements(query if is_whole else f"SELECT {query}")[0].parse()
    except (ParseError, IndexError):
        return []
    rows: list[Any] = list(select.valuesLists or ())
    items: list[Any] = [row[0] for row in rows if len(row) == 1]
    targets: list[Any] = list(select.targetList or ())
    if len(targets) == 1 and not select.whereClause:
        value = targets[0].val
        if isinstance(value, ast.ColumnRef) and len(select.fromClause or ()) == 1:  # FROM unnest(ARRAY[...]) AS t
            functions: Any = getattr(select.fromClause[0], "functions", None)
            value = functions[0][0] if functions else None
        if isinstance(value, ast.FuncCall) and qualified_name(value.funcname) == "unnest":
            value = next(iter(value.args or ()))
        while isinstance(value, ast.TypeCast):
            value = value.arg
        if isinstance(value, ast.A_ArrayExpr):
            items = list(value.elements or ())
    texts = [_text(each, {}) for each in items]
    return [] if any(UNKNOWN in each for each in texts) else texts


def _text(node: Any, values: Values) -> str:
    while isinstance(node, ast.TypeCast):
        node = node.arg
    match node:
        case ast.A_Const(val=ast.String(sval=text)):
            return str(text)
        case ast.A_Const() if not node.isnull:
            return constant_text(node)
        case ast.ColumnRef(fields=[ast.String(sval=str(name))]) if name in values:
            return values[name]
        case ast.A_Expr(name=[ast.String(sval="||")], lexpr=left, rexpr=right):
            return _text(left, values) + _text(right, values)
        case ast.FuncCall(args=[*arguments]) if not node.func_variadic:
            return _called(qualified_name(node.funcname).removeprefix("pg_catalog."), arguments, values)
        case _:
            return UNKNOWN


def _called(name: str, arguments: list[Any], values: Values) -> str:
    match name, arguments:
        case "concat", _:
            return "".join(_text(each, values) for each in arguments)
        case "quote_ident", [argument]:
            return _quoted(_text(argument, values), "I")
        case (("quote_literal" | "quote_nullable"), [argument]):
            return _quoted(_text(argument, values), "L")
        case "format", [template, *inserted]:
            return _formatted(_text(template, values), inserted, values)
        case _:
            return UNKNOWN


def _formatted(template: str, inserted: list[Any], values: Values) -> str:
    """Return what format() gives."""
    parts: list[str] = []
    end = position = 0
    for match in PLACE.finditer(template):
        parts.append(template[end : match.start()])
        end = match.end()
        if match[2] == "%":
            parts.append("%")
            continue
        position = int(match[1]) if match[1] else position + 1
        value = inserted[position - 1] if 0 < position <= len(inserted) else None
        if match[2] == "I" and template[end : end + 1] == "." and _is_schema(value):
            parts.append("public")
        else:
            parts.append(_quoted(_text(value, values), match[2]))
    return "".join([*parts, template[end:]])


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


def _quoted(text: str, kind: str) -> str:
    if kind == "s":
        return text
    quote = '"' if kind == "I" else "'"
    return quote + text.replace(quote, quote * 2) + quote
