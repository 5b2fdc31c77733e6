"""Dependents: the objects for which PostgreSQL rejects the DROP or the type change of a column or a table.

It follows views, BEGIN ATOMIC and RETURN, generated columns, and the columns that triggers name. It does not follow the
text of other functions.
"""

from collections.abc import Iterable, Iterator

from pglast import ast

from app.lint.catalog import Catalog
from app.lint.extensions import EXTENSIONS
from app.lint.nodes import columns_in, constant_text, functions_in, qualified_name, walk
from app.lint.objects import Table
from app.lint.parser import Statement
from app.lint.routines import use_of_routine
from app.lint.usage import Use, use_of


def of_column(catalog: Catalog, table: str, column: str) -> Iterator[str]:
    """Yield the objects that need a column."""
    for trigger in catalog.triggers.values():
        if trigger.table == table and column in trigger.columns:
            yield f"the trigger {trigger.name}"
    known = catalog.tables.get(table)
    for each in known.columns.values() if known else ():
        if column in columns_in(each.expression):
            yield f"the generated column {each.name}"
    created_by = known.columns[column].created_by if known and column in known.columns else ""
    for name, view in catalog.tables.items():
        if (
            view.query is not None
            and view.created_by >= created_by
            and _reads(catalog, _use_of_view(name, view), table, column, view)
        ):
            yield f"the view {name}"
    for name, routine in catalog.routines.items():
        is_older = routine.created_by < created_by  # so its name means a parameter, or another column
        if (
            routine.parsed is not None
            and not is_older
            and _reads(catalog, use_of_routine(name, routine), table, column, None)
        ):
            yield f"the function {name}"


def views_of(catalog: Catalog, relation: str) -> list[str]:
    """Return the views and materialized views that read a table or view."""
    return [
        name
        for name, other in catalog.tables.items()
        if name != relation and other.query is not None and relation in _use_of_view(name, other).relations
    ]


def of_relation(catalog: Catalog, relation: str, dropped: Iterable[str]) -> Iterator[str]:
    """Yield the objects that need a table or view, without those that are dropped together with it."""
    for name, other in catalog.tables.items():
        if name == relation or name in dropped:
            continue
        if other.query is not None and relation in _use_of_view(name, other).relations:
            yield f"the view {name}"
        for constraint in other.constraints.values():
            if constraint.target == relation:
                yield f"the foreign key {constraint.name}"
    for name, routine in catalog.routines.items():
        if routine.parsed is not None and relation in use_of_routine(name, routine).relations:
            yield f"the function {name}"


def of_routine(catalog: Catalog, name: str) -> Iterator[str]:
    """Yield the objects that need a function: indexes, constraints, columns, views and BEGIN ATOMIC functions."""
    for other, routine in catalog.routines.items():
        if other != name and routine.parsed is not None and name in use_of_routine(other, routine).functions:
            yield f"the function {other}"
    for index in catalog.indexes.values():
        if name in index.functions:
            yield f"the index {index.name}"
    for table_name, table in catalog.tables.items():
        for constraint in table.constraints.values():
            if name in functions_in(constraint.expression):
                yield f"the constraint {constraint.name}"
        if table.query is not None and name in _use_of_view(table_name, table).functions:
            yield f"the view {table_name}"
        for column in table.columns.values():
            if name in functions_in(column.expression) | functions_in(column.default):
                yield f"the column {table_name}.{column.name}"


def of_type(catalog: Catalog, name: str) -> Iterator[str]:
    """Yield the columns of a type."""
    for table_name, table in catalog.tables.items():
        for column in table.columns.values():
            if column.type and column.type.name == name.rpartition(".")[2]:
                yield f"the column {table_name}.{column.name}"


def of_extensions(catalog: Catalog, names: Iterable[str]) -> Iterator[str]:
    """Yield the indexes and columns that use extensions of PostgreSQL, as far as the files name what they use."""
    for index in catalog.indexes.values():
        if any(EXTENSIONS.get(each, "") in names for each in index.operators):
            yield f"the index {index.name}"
    for name in names:
        yield from of_type(catalog, name)  # hstore, citext and ltree have a type of their name


def of_sequence(catalog: Catalog, name: str) -> Iterator[str]:
    """Yield the columns whose DEFAULT takes the next value of a sequence."""
    for table_name, table in catalog.tables.items():
        for column in table.columns.values():
            calls = (each for each in walk(column.default) if isinstance(each, ast.FuncCall))
            own = f"{table_name}_{column.name}_seq" if column.is_identity else ""
            if name == own or any(
                qualified_name(each.funcname) == "nextval" and _names(each) == name for each in calls
            ):
                yield f"the column {table_name}.{column.name}"


def _names(call: ast.FuncCall) -> str:
    return constant_text((call.args or (None,))[0]).removeprefix("public.")


def _use_of_view(name: str, view: Table) -> Use:
    return use_of(name, [Statement(view.query, "", 1)])


def _reads(catalog: Catalog, use: Use, table: str, column: str, view: Table | None) -> bool:
    """Return whether it certainly reads a column: a name without a table may be a column of another table."""
    if table not in use.relations or (table, column) in use.columns:
        return table in use.relations
    others = [catalog.tables.get(name) for name in use.relations - {table}]
    if any(other and (column in other.columns or not other.is_complete) for other in others):
        return False
    return ("", column) in use.columns or (use.uses_all_columns and view is not None and column in view.columns)
