"""Replacements that PostgreSQL would reject: another kind, result or column, and a TRUNCATE of a referenced table.

Without this check, the migrations before it would be done, and it would fail at each attempt.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from app.migrations.connection import Connection, find, run
from app.migrations.made_dependents import temporary_names
from app.migrations.name_conflicts import INPUTS, cascades, gone_names, narrowed_tables, parts_of
from app.migrations.needed_rights import identifier, quoted, signature
from app.schema.statements import split_statements

RELEVANT = re.compile(r"\b(ALTER|CALL|CREATE|DO|DROP|SET|TEMP|TEMPORARY|TRUNCATE)\b", re.IGNORECASE)
# By the kind of a DROP: in words, and as in pg_class.relkind.
KINDS = {
    "TABLE": ("table", ["r", "p"]),
    "VIEW": ("view", ["v"]),
    "MATVIEW": ("materialized view", ["m"]),
    "INDEX": ("index", ["i", "I"]),
    "SEQUENCE": ("sequence", ["S"]),
    "FOREIGN_TABLE": ("foreign table", ["f"]),
}


def rejected_statements(connection: Connection, files: Iterable[Path]) -> Iterator[tuple[str, str]]:
    """Yield the FILE:LINE of each such statement, and the reason.

    A name is free if an earlier statement drops, replaces, renames or moves its object. The search ends at a statement
    that may drop anything, or that changes the search_path.
    """
    from pglast import ast

    gone: set[str] = set()
    for file in files:
        for each in split_statements(file.read_text(encoding="utf-8")):
            if not RELEVANT.search(each.text):
                continue
            node = each.parse()
            if isinstance(node, ast.VariableSetStmt):
                return
            for reason in _reasons(connection, node, gone):
                yield f"{file.name}:{each.line}", reason
            if cascades(node):
                return
            gone |= set(gone_names(node))
            if isinstance(node, ast.RenameStmt) and isinstance(node.relation, ast.RangeVar):
                gone.add(str(node.relation.relname))  # of a view, it may be a column that gets another name
            gone |= {*narrowed_tables(node), *temporary_names(node)}


def _reasons(connection: Connection, node: Any, gone: set[str]) -> Iterator[str]:
    from pglast import ast
    from pglast.enums import DropBehavior, ObjectType

    match node:
        case ast.DropStmt(objects=objects, removeType=kind):
            word, kinds = KINDS.get(ObjectType(kind or 0).name.removeprefix("OBJECT_"), ("", []))
            for each in objects or () if word else ():
                if gone.isdisjoint(parts_of(each)):
                    yield from _other_kind(connection, identifier(each), word, kinds)
        case ast.ViewStmt(replace=True, view=ast.RangeVar(relname=str(name)) as view):
            if name not in gone and view.relpersistence != "t":
                yield from _other_kind(connection, quoted(view), *KINDS["VIEW"])
                yield from _other_columns(connection, quoted(view), _column_names(node))
        case ast.CreateFunctionStmt(replace=True, funcname=parts) if gone.isdisjoint(parts_of(parts)):
            yield from _other_function(connection, node)
        case ast.TruncateStmt(behavior=DropBehavior.DROP_RESTRICT, relations=relations):
            tables = [each for each in relations or () if each.relname not in gone]
            rows = run(connection, "find_referencing", names=[quoted(each) for each in tables]).fetchall()
            others = {each.relname for each in relations or ()}
            for object, name, of_table in rows:
                if gone.isdisjoint({name, of_table}) and of_table not in others:
                    yield f"{object} refers to a table that it empties: empty both, or add CASCADE"
        case _:
            return


def _other_kind(connection: Connection, name: str, word: str, kinds: list[str]) -> Iterator[str]:
    row = run(connection, "find_other_kind", name=name, kinds=kinds).fetchone()
    if row:
        yield f"{row[0]} is not a {word}"


def _other_function(connection: Connection, node: Any) -> Iterator[str]:
    inputs = [each for each in node.parameters or () if each.mode.value in INPUTS]
    has_outputs = any(each.mode.value not in {"i", "d", "v"} for each in node.parameters or ())
    result = node.returnType
    is_known = result is not None and not result.pct_type and not has_outputs
    rows = find(
        connection,
        "find_other_function",
        name=signature(node.funcname, [each.argType for each in inputs]),
        is_procedure=bool(node.is_procedure),
        result=identifier(result.names) + "[]" * bool(result.arrayBounds) if is_known else None,
        is_set=bool(is_known and result.setof),
        parameters=[each.name or "" for each in inputs],
        defaults=sum(each.defexpr is not None for each in inputs),
    )
    for row in rows:
        yield f"{row[0]} has another {row[1]} now ({row[2]}): first drop it"


def _other_columns(connection: Connection, name: str, columns: list[str | None] | None) -> Iterator[str]:
    """Yield what prevents a view with these columns. None stands for an unknown name, or for unknown columns."""
    row = run(connection, "find_view_columns", name=name).fetchone() if columns else None
    if (
        row
        and columns
        and (len(columns) < len(row[1]) or any(new and new != old for new, old in zip(columns, row[1], strict=False)))
    ):
        yield f"{row[0]} has the columns {', '.join(row[1])}, which OR REPLACE has to keep: first drop it"


def _column_names(view: Any) -> list[str | None] | None:
    """Return the names of the columns of a new view, or None if a * has some of them."""
    from pglast import ast

    query = view.query
    while isinstance(query, ast.SelectStmt) and query.larg is not None:
        query = query.larg
    if not isinstance(query, ast.SelectStmt) or not query.targetList:
        return None
    names: list[str | None] = []
    for each in query.targetList:
        name = each.name
        if isinstance(each.val, ast.ColumnRef):
            last = (each.val.fields or ())[-1]
            if isinstance(last, ast.A_Star):
                return None
            name = name or last.sval
        names.append(name)
    aliases = [each.sval for each in view.aliases or ()]
    return [*aliases, *names[len(aliases) :]]
