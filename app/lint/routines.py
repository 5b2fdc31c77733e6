"""Routines: the tables and functions that their bodies use, and the objects that need a routine.

PostgreSQL does not follow the text of a body: it drops a function although a trigger's function calls it.
"""

from collections.abc import Iterator
from functools import cache

from pglast import ast
from pglast.parser import ParseError

from app.lint.catalog import Catalog
from app.lint.nodes import functions_in
from app.lint.objects import Routine, Trigger
from app.lint.parser import Statement, plpgsql_statements, plpgsql_tree, plpgsql_variables, statements
from app.lint.usage import Use, use_of

RETURNS = ("trigger", "SETOF record", "void")  # PL/pgSQL accepts some bodies only for some of them


def use_of_routine(name: str, routine: Routine) -> Use:
    """Return what the body of a routine uses. A body that cannot be read uses nothing."""
    if routine.body is not None:
        return _use_of_body(name, routine.language, routine.body)
    if name not in routine.uses:
        routine.uses[name] = use_of(name, [Statement(routine.parsed, "", 1)] if routine.parsed else [])
    use: Use = routine.uses[name]
    return use


@cache
def _use_of_body(name: str, language: str, body: str) -> Use:
    if language == "plpgsql":
        tag = next(tag for tag in (f"$body{number}$" for number in range(1000)) if tag not in body)
        texts = (f"CREATE FUNCTION body() RETURNS {kind} LANGUAGE plpgsql AS {tag}{body}{tag}" for kind in RETURNS)
        tree = next(filter(None, map(plpgsql_tree, texts)), None)
        if tree is None:
            return Use(name)
        found = plpgsql_statements(tree, 1, 1, ast.DoStmt())
        use = use_of(name, [each for each in found if not each.unreadable])
        use.variables = frozenset(plpgsql_variables(tree))
        return use
    try:
        return use_of(name, list(statements(body)))
    except ParseError:
        return Use(name)


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
