"""Routines: the statements in their bodies, the tables and functions that these use, and the objects that need them.

PostgreSQL does not follow the text of a body: it drops a function although a trigger's function calls it.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

from pglast import ast
from pglast.parser import ParseError

from app.lint.catalog import Catalog
from app.lint.nodes import functions_in, relation_name, walk
from app.lint.objects import Routine, Trigger
from app.lint.parser import (
    Statement,
    ends_transaction,
    plpgsql_statements,
    plpgsql_tree,
    plpgsql_variables,
    statements,
)
from app.lint.usage import Use, use_of

EVENTS = {ast.InsertStmt: 4, ast.CopyStmt: 4, ast.DeleteStmt: 8, ast.UpdateStmt: 16}  # bits of pg_trigger.tgtype
ANY_CHANGE = 4 + 8 + 16  # of a MERGE
RETURNS = ("trigger", "SETOF record", "void")  # PL/pgSQL accepts some bodies only for some of them


def use_of_routine(name: str, routine: Routine) -> Use:
    """Return what the body of a routine uses. A body that cannot be read uses nothing."""
    if name not in routine.uses:
        body, variables = _read(routine)
        use = use_of(name, [each for each in body if not each.unreadable])
        use.variables = variables
        routine.uses[name] = use
    found: Use = routine.uses[name]
    return found


def statements_of(routine: Routine) -> tuple[Statement, ...]:
    """Return the statements in the body of a routine. A part that cannot be read is one unreadable statement."""
    return _read(routine)[0]


def _read(routine: Routine) -> tuple[tuple[Statement, ...], frozenset[str]]:
    if routine.body is not None:
        return _read_body(routine.language, routine.body)
    return tuple(Statement(each, "", 1) for each in _flat(routine.parsed)), frozenset()


def _flat(parsed: Any) -> Iterator[ast.Node]:
    """Yield the statements of BEGIN ATOMIC, which are in tuples, or that of RETURN."""
    if isinstance(parsed, ast.Node):
        yield parsed
    for each in parsed if isinstance(parsed, tuple) else ():
        yield from _flat(each)


@cache
def _read_body(language: str, body: str) -> tuple[tuple[Statement, ...], frozenset[str]]:
    """Return the statements of a body, and its variables and parameters."""
    unreadable = (Statement(ast.DoStmt(), "", 1, unreadable=True),)
    if language == "plpgsql":
        tag = next(tag for tag in (f"$body{number}$" for number in range(1000)) if tag not in body)
        texts = (f"CREATE FUNCTION body() RETURNS {kind} LANGUAGE plpgsql AS {tag}{body}{tag}" for kind in RETURNS)
        tree = next(filter(None, map(plpgsql_tree, texts)), None)
        if tree is None:
            return unreadable, frozenset()
        ends = [Statement(ast.DoStmt(), "", 1, commit=1)] if ends_transaction(tree) else []
        return (*ends, *plpgsql_statements(tree, 1, 1, ast.DoStmt())), frozenset(plpgsql_variables(tree))
    try:
        return tuple(statements(body)) if language == "sql" else unreadable, frozenset()
    except ParseError:
        return unreadable, frozenset()


def reached(catalog: Catalog, function: str) -> set[str]:
    """Return a function and the functions that it calls, at any depth."""
    found, waiting = set(), [function]
    while waiting:
        name = waiting.pop()
        if name in catalog.routines and name not in found:
            found.add(name)
            waiting += use_of_routine(name, catalog.routines[name]).functions
    return found


def triggers_of(catalog: Catalog, function: str) -> Iterator[Trigger]:
    """Yield the triggers that run a function, also through other functions."""
    for trigger in catalog.triggers.values():
        if function in reached(catalog, trigger.function):
            yield trigger


def stored_results(catalog: Catalog, function: str) -> Iterator[str]:
    """Yield the objects in which results of a function are stored: indexes, constraints, columns, triggers' tables."""
    for index in catalog.indexes.values():
        if any(function in reached(catalog, each) for each in index.functions):
            yield f"the index {index.name}"
    for name, table in catalog.tables.items():
        for constraint in table.constraints.values():
            if any(function in reached(catalog, each) for each in functions_in(constraint.expression)):
                yield f"the constraint {constraint.name}"
        for column in table.columns.values():
            if any(function in reached(catalog, each) for each in functions_in(column.expression)):
                yield f"the column {name}.{column.name}"
    for trigger in triggers_of(catalog, function):
        if trigger.function != function:
            yield f"the trigger {trigger.name}"


def written_by_triggers(catalog: Catalog, table: str) -> set[str]:
    """Return the other tables that the triggers of a table write."""
    found: set[str] = set()
    for trigger in catalog.triggers.values():
        if trigger.table == table:
            for name in reached(catalog, trigger.function):
                found |= use_of_routine(name, catalog.routines[name]).written
    return found - {table}


def _called_by_views(catalog: Catalog, node: Any) -> set[str]:
    """Return the functions in the views that a statement reads, also in the views below them."""
    found: set[str] = set()
    seen: set[str] = set()
    waiting = [node]
    while waiting:
        names = {relation_name(each) for each in walk(waiting.pop()) if isinstance(each, ast.RangeVar)}
        views = [catalog.tables[name].query for name in names - seen if name in catalog.tables]
        seen |= names
        waiting += filter(None, views)
        found = found.union(*map(functions_in, filter(None, views)))
    return found


def called(catalog: Catalog, statement: Statement) -> Iterator[Statement]:
    """Yield the statements that a statement runs by calling routines, at any depth, with its line."""
    names = functions_in(statement.node) | _called_by_views(catalog, statement.node)
    for name in sorted(set().union(*(reached(catalog, each) for each in names))):
        yield from _at(statement, statements_of(catalog.routines[name]))


def fired(catalog: Catalog, statement: Statement) -> Iterator[tuple[Any, Trigger]]:
    """Yield the triggers that the writes of a statement fire, each with the write."""
    for node in statement.nodes:
        events = ANY_CHANGE if isinstance(node, ast.MergeStmt) else EVENTS.get(type(node), 0)
        is_read = isinstance(node, ast.CopyStmt) and not node.is_from
        if not events or node.relation is None or is_read:
            continue
        changed = {each.name for each in getattr(node, "targetList", None) or ()}
        for trigger in catalog.triggers.values():
            is_of_column = not trigger.update_of or not changed or trigger.update_of & changed
            if trigger.table == relation_name(node.relation) and trigger.events & events and is_of_column:
                yield node, trigger


def statements_of_trigger(catalog: Catalog, statement: Statement, trigger: Trigger) -> Iterator[Statement]:
    """Yield the statements that a trigger runs, also by calling routines, with the line of the one that fires it."""
    for name in sorted(reached(catalog, trigger.function)):
        yield from _at(statement, statements_of(catalog.routines[name]))


def _at(statement: Statement, below: tuple[Statement, ...]) -> Iterator[Statement]:
    for each in below:
        yield replace(
            each,
            line=statement.line,
            block=statement.block or statement.line,
            commit=each.commit and statement.line,
            in_loop=each.in_loop or statement.in_loop,
            in_batches=each.in_batches or statement.in_batches,
            arms=statement.arms + each.arms,
        )
