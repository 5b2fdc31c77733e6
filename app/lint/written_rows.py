"""Rows that the running release writes, as far as its queries tell: their constants, and the examples in their headers.

A parameter whose description has the word NULL is also NULL.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from pglast import ast
from pglast.parser import ParseError

from app.lint.evaluation import Row
from app.lint.nodes import Type, relation_name, walk
from app.lint.objects import Column, Table
from app.lint.state import MigrationState
from app.lint.values import SOMETHING, UNKNOWN, typed
from app.schema.headers import example_lines
from app.schema.statements import split_statements

PARAMETER = re.compile(r"(?:^--|\s\s)\s*\$(\d+)\s((?:(?!\s\s+\$\d).)*)", re.MULTILINE)  # with its description


INSERT, UPDATE = 4, 16  # bits of pg_trigger.tgtype


class Written(NamedTuple):
    """Row that a query or the function of a trigger writes. Values of columns that it does not name are not known."""

    writer: str
    values: dict[str, Any]
    free: frozenset[str]  # columns to which it gives another value each time
    event: int = INSERT
    named: frozenset[str] = frozenset()  # the columns that it gives


def rows(state: MigrationState, table: str) -> Iterator[Written]:
    """Yield the rows that the release may write into a table, once for each example of its parameters."""
    known = state.catalog.tables.get(table)
    if known is None or known.kind == "view":
        return
    assigned = set_by_triggers(state, table)
    for use in state.bodies():
        for node in use.writes:
            if relation_name(node.relation) == table:
                for parameters in _parameters(use.text):
                    for row in _rows_of(state, known, node, parameters):
                        values = row.values | dict.fromkeys(assigned & row.values.keys(), UNKNOWN)
                        yield row._replace(writer=use.name, values=_possible(known, values))


def is_possible(table: Table, written: Written) -> bool:
    """Return whether NOT NULL lets a row be written."""
    required = {name for name, column in table.columns.items() if column.not_null}
    return not any(value is None and name in required for name, value in written.values.items())


def base_type(state: MigrationState, type: Type | None) -> Type | None:
    """Return the type of a column as one whose literals can be read: that of a domain, and text for an enum."""
    if type is None or type.array:
        return type
    if type.name in state.catalog.enums:
        return Type("text")
    return state.catalog.domain_types.get(type.name, type)


def _possible(table: Table, values: dict[str, Any]) -> dict[str, Any]:
    for name, value in values.items():
        if value is UNKNOWN and name in table.columns and table.columns[name].not_null:
            values[name] = SOMETHING
    return values


@cache
def _parameters(text: str) -> tuple[dict[int, Any], ...]:
    """Return the values of the parameters in each example of a query file, and these with NULL, if that is possible."""
    header = "\n".join(line for line in text.split("\n") if line.startswith("--"))
    nullable = [int(number) for number, words in PARAMETER.findall(header) if re.search(r"\bNULL\b", words)]
    found: list[dict[int, Any]] = []
    for example in example_lines(text):
        try:
            [select] = split_statements(f"SELECT {example.expressions}")
            targets = getattr(select.parse(), "targetList", None) or ()
        except (ParseError, ValueError):  # another rule reports it
            continue
        values = {number: Row({}).value(each.val) for number, each in enumerate(targets, 1)}
        found += [values, *({**values, number: None} for number in nullable), values | dict.fromkeys(nullable)]
    return tuple(found) or ({}, dict.fromkeys(nullable))


def _rows_of(state: MigrationState, table: Table, node: Any, parameters: dict[int, Any]) -> Iterator[Written]:
    """Yield the rows that an INSERT or UPDATE writes."""
    row = Row({}, parameters)
    if isinstance(node, ast.UpdateStmt):
        yield _assigned(state, table, node.targetList, row)
        return
    names = [each.name for each in node.cols] if node.cols else [*table.columns]
    for given in _given(node):
        values = {name: _default(state, each) for name, each in table.columns.items()}
        for name, value in zip(names, given, strict=False):
            if not isinstance(value, ast.SetToDefault):
                values[name] = _cast(state, table, name, row.value(value))
        free = frozenset(name for name, value in zip(names, given, strict=False) if _is_free(value))
        yield Written("", values, free, INSERT, frozenset(names[: len(given)]))
        if node.onConflictClause and node.onConflictClause.targetList:
            excluded = Row({f"excluded.{name}": value for name, value in values.items()}, parameters)
            yield _assigned(state, table, node.onConflictClause.targetList, excluded)


def _given(node: Any) -> Iterator[list[Any]]:
    """Yield the expressions of each row of an INSERT."""
    select = node.selectStmt
    if select is None:
        yield []
    elif select.valuesLists:
        yield from map(list, select.valuesLists)
    elif select.larg is None:
        yield [each.val for each in select.targetList or ()]


def _assigned(state: MigrationState, table: Table, targets: Any, row: Row) -> Written:
    """Return what SET writes. The other columns of the row may have any value."""
    values: dict[str, Any] = dict.fromkeys(table.columns, UNKNOWN)
    for each in targets or ():
        if isinstance(each.val, ast.SetToDefault) and each.name in table.columns:
            values[each.name] = _default(state, table.columns[each.name])
        else:
            is_whole = not each.indirection
            values[each.name] = _cast(state, table, each.name, row.value(each.val)) if is_whole else UNKNOWN
    free = frozenset(each.name for each in targets or () if _is_free(each.val))
    return Written("", values, free, UPDATE, frozenset(each.name for each in targets or ()))


def _default(state: MigrationState, column: Column) -> Any:
    if column.is_generated:
        return UNKNOWN
    default = column.default
    if default is None and column.type is not None:
        default = state.catalog.domain_defaults.get(column.type.name)
    return typed(Row({}).value(default), base_type(state, column.type)) if default is not None else None


def _cast(state: MigrationState, table: Table, name: str, value: Any) -> Any:
    column = table.columns.get(name)
    return typed(value, base_type(state, column.type)) if column else value


def _is_free(expression: Any) -> bool:
    return any(isinstance(each, ast.ParamRef | ast.ColumnRef) for each in walk(expression))


def set_by_triggers(state: MigrationState, table: str, event: int = INSERT | UPDATE) -> set[str]:
    """Return the columns that a trigger of the table may give a value, at an event."""
    triggers = [each for each in state.catalog.triggers.values() if each.table == table and each.events & event]
    names = {each.function for each in triggers}
    bodies = [state.catalog.routines[name].body or "" for name in names & state.catalog.routines.keys()]
    return {name.lower() for body in bodies for name in re.findall(r"(?i)\bnew\.(\w+)\s*:?=", body)}


def updates(state: MigrationState, table: str) -> list[tuple[str, set[str]]]:
    """Return the queries and functions with an UPDATE of a table, each with the columns that it writes."""
    found = []
    for use in state.bodies():
        for node in use.writes:
            targets = node.targetList if isinstance(node, ast.UpdateStmt) else ()
            if isinstance(node, ast.InsertStmt) and node.onConflictClause:
                targets = node.onConflictClause.targetList or ()
            if relation_name(node.relation) == table and targets:
                found.append((use.name, {each.name for each in targets}))
    return found
