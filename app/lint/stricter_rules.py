"""Rules about new constraints that the running release does not keep to. NOT VALID spares only the rows of before."""

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from pglast import ast
from pglast.enums import NullTestType

from app.lint.derived_rules import derived_faults
from app.lint.evaluation import Row
from app.lint.findings import Fault, Faults
from app.lint.literals import LENGTHS
from app.lint.nodes import Type, ands, columns_in, constant_text, functions_in, qualified_name, walk
from app.lint.rules import UNSAFE
from app.lint.state import MigrationState
from app.lint.values import UNKNOWN, typed
from app.lint.written_rows import Written, base_type, is_possible, rows

HINT = "first release code that keeps to it, and add the constraint in a later release"
LONGEST = 10_000  # characters of a text that is made to try a limit
MAX_SHOWN = 20  # characters of a value in a message
SIZES = {*LENGTHS, "octet_length", "cardinality"}
VALUE = "value"  # the name of the column in the CHECK of a domain


def check_faults(state: MigrationState, line: int, table: str, check: Any) -> Faults:
    """Yield the fault of a CHECK that rejects what the running release writes, or may write."""
    known = state.catalog.tables.get(table)
    if state.before is not None or known is None or not state.is_busy(table):
        return
    formers = [
        (each.name, each.expression)
        for each in (*state.catalog.constraints(table), *state.dropped_checks.get(table, ()))
        if each.kind == "check" and each.created_by != state.file
    ]
    written = [each for each in rows(state, table) if is_possible(known, each) and _keeps(each, formers)]
    if why := _rejected_row(written, check):
        yield Fault(line, "insert-breaks", why, HINT, UNSAFE)
        return
    for column in sorted(columns_in(check) & known.columns.keys()):
        if why := _rejected_value(state, column, known.columns[column].type, written, formers, check):
            yield Fault(line, "insert-breaks", why, HINT, UNSAFE)
            return
    yield from derived_faults(state, line, table, check)


def not_null(column: str) -> Any:
    """Return the condition that NOT NULL is."""
    return ast.NullTest(arg=ast.ColumnRef(fields=(ast.String(sval=column),)), nulltesttype=NullTestType.IS_NOT_NULL)


def domain_faults(state: MigrationState, line: int, domain: str, check: Any) -> Faults:
    """Yield the fault of a CHECK of a domain, which holds for each column of the domain."""
    formers = [("its former CHECK", each) for each in state.catalog.domain_checks.get(domain, ())]
    for table in sorted(state.tables_with(domain)) if state.before is None else ():
        known = state.catalog.tables[table]
        possible = [each for each in rows(state, table) if is_possible(known, each)]
        for column in [each for each in known.columns.values() if each.type and each.type.name == domain]:
            every = [_of_domain(each, column.name) for each in possible if column.name in each.values]
            written = [each for each in every if _keeps(each, formers)]
            why = _rejected_row(written, check) or _rejected_value(state, VALUE, column.type, written, formers, check)
            if why:
                yield Fault(line, "insert-breaks", f"{table}.{column.name}: {why}", HINT, UNSAFE)
                return


def _of_domain(written: Written, column: str) -> Written:
    """Return the value of a column as the CHECK of a domain names it."""
    free = frozenset({VALUE} if column in written.free else ())
    return Written(written.writer, {VALUE: written.values[column]}, free)


def _keeps(written: Written, formers: list[tuple[str, Any]]) -> bool:
    return _fits(written.values, [check for _, check in formers])


def _fits(values: dict[str, Any], checks: list[Any]) -> bool:
    return not any(Row(values).value(each) is False for each in checks)


def _rejected_row(written: list[Written], check: Any) -> str:
    """Return why a row that the release writes breaks a CHECK, or ""."""
    for each in written:
        if Row(each.values).value(check) is False:
            names = sorted(columns_in(check) & each.values.keys())
            given = [f"{name} {_shown(each.values[name])}" for name in names if each.values[name] is not UNKNOWN]
            return f"{each.writer} may write a row with {', '.join(given)}, which is rejected then"
    return ""


def _shown(value: Any) -> str:
    match value:
        case None:
            return "NULL"
        case []:
            return "'{}'"
        case str() | dict() | list():
            return repr(value)[:60]
        case Decimal() | bool():
            return str(value).lower()
        case _:
            return "of any value"


def _rejected_value(
    state: MigrationState,
    column: str,
    type: Type | None,
    written: list[Written],
    formers: list[tuple[str, Any]],
    check: Any,
) -> str:
    """Return why a value that a column could have until now breaks a CHECK, or "". A parameter may have any of them."""
    writers = sorted({each.writer for each in written if column in each.free})
    if not writers:
        return ""
    base = base_type(state, type)
    former = [each for _, each in formers]
    for name, expression in [*formers, *_labels(state, column, type)]:
        for sample, of_size in _samples(expression, column):
            value = typed(sample, base)
            parts = [each for each in ands(check) if _measures(each) == of_size]
            if _fits({column: value}, former) and not _fits({column: value}, parts):
                return f"{name} allows {_shown_sample(value)}, and {writers[0]} may write a row that is rejected then"
    if base is None or base.array or base.name not in {"text", "varchar"} or _labels(state, column, type):
        return ""
    given = [each.values.get(column) for each in written] + [each for each, _ in _samples(check, column)]
    for text in sorted({each for each in given if isinstance(each, str)}):
        if _lists(check, column, text) and any(_fits({column: each}, former) for each in _neighbors(text)):
            return f"{writers[0]} may write another {column} than those of the list, which is rejected then"
    return ""


def _lists(check: Any, column: str, text: str) -> bool:
    """Return whether a CHECK allows a text, and none of its neighbors: it is a list, and not a form."""
    results = [Row({column: each}).value(check) for each in (text, *_neighbors(text))]
    return results[0] is True and all(each is False for each in results[1:])


def _shown_sample(value: Any) -> str:
    units: dict[type, str] = {bytes: "bytes", list: "elements", str: "characters"}
    is_long = type(value) in units and len(value) > MAX_SHOWN
    return f"{len(value)} {units[type(value)]}" if is_long else _shown(value)


def _measures(condition: Any) -> bool:
    """Return whether a condition is about the size of a value."""
    names = {name.removeprefix("pg_catalog.") for name in functions_in(condition)}
    return bool(names & SIZES)


def _labels(state: MigrationState, column: str, type: Type | None) -> list[tuple[str, Any]]:
    """Return the type of a column with a condition that has its values, if it has few."""
    labels = state.catalog.enums.get(type.name, ()) if type else ()
    labels = ("true", "false") if type and type.name == "bool" else labels
    if type and labels:
        values = tuple(ast.A_Const(val=ast.String(sval=each)) for each in labels)
        left = ast.ColumnRef(fields=(ast.String(sval=column),))
        return [(f"the type {type.name}", ast.A_Expr(name=(ast.String(sval="="),), lexpr=left, rexpr=values))]
    return []


def _samples(expression: Any, column: str) -> Iterator[tuple[Any, bool]]:
    """Yield values at the limits of a condition, each with whether it has the size with which it compares the column.

    All others are the constants with which it compares the column itself.
    """
    for each in walk(expression):
        if not isinstance(each, ast.A_Expr) or columns_in(each.lexpr) != {column}:
            continue
        left: Any = each.lexpr
        while isinstance(left, ast.TypeCast | ast.CollateClause):
            left = left.arg
        make = _sized(left) if isinstance(left, ast.FuncCall) else _same
        for constant in [node for node in walk(each.rexpr) if isinstance(node, ast.A_Const) and not node.isnull]:
            for value in make(constant_text(constant), isinstance(constant.val, ast.String)):
                yield value, make is not _same


def _same(text: str, is_text: bool) -> Iterator[Any]:
    if is_text:
        yield text
        yield from re.findall(r"[\w/.:+-]+", text)  # the words of a pattern
    elif re.fullmatch(r"[+-]?[0-9]+", text):
        yield from (Decimal(text) + each for each in (0, -1, 1))


def _sized(call: Any) -> Callable[[str, bool], Iterator[Any]]:
    """Return what makes values of a size, for a function that returns the size of its argument."""
    name = qualified_name(call.funcname).removeprefix("pg_catalog.")
    filler: dict[str, Callable[[int], Any]] = {
        **dict.fromkeys(LENGTHS, lambda size: "x" * size),
        "octet_length": lambda size: b"x" * size,
        "cardinality": lambda size: ["x"] * size,
    }

    def made(text: str, is_text: bool) -> Iterator[Any]:
        if not is_text and text.isdecimal() and int(text) <= LONGEST and name in filler:
            yield from (filler[name](size) for size in (int(text), int(text) - 1, int(text) + 1) if size >= 0)

    return made


def _neighbors(value: str) -> Iterator[str]:
    """Yield texts of the same form: each with one other letter or digit."""
    for place, letter in enumerate(value):
        if letter.isalnum():
            following = {"9": "0", "z": "y", "Z": "Y", "f": "e", "F": "E"}.get(letter, chr(ord(letter) + 1))
            yield f"{value[:place]}{following}{value[place + 1 :]}"
    yield f"{value}a"
