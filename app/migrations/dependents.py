"""Dependents of columns (views, functions, policies, publications) that would make a pending ALTER COLUMN TYPE fail.

PostgreSQL rejects such a statement. Without this check, the migrations before it would be applied, and it would fail at
each attempt. A database of another program that `yoyo apply` takes over can have such objects.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from psycopg.sql import Identifier

from app.errors import CommandError, ExitCode
from app.migrations.connection import Connection, run
from app.schema.statements import split_statements

CHANGES = re.compile(r"\b(ALTER|CREATE|DROP)\b", re.IGNORECASE)


def reject_dependents(connection: Connection, paths: Iterable[Path], *, rollback: bool = False) -> None:
    """Raise CommandError, before anything is done, if objects prevent the type changes of these files.

    The paths are those of migrations, in the order of execution. With `rollback`, the files beside them run.
    An object that the migrations themselves drop, replace or alter before counts as theirs.
    """
    changed: dict[str, set[str]] = {}  # columns by table
    touched: set[str] = set()  # names in statements of other kinds
    found: dict[str, str] = {}  # the first change of the type, by object
    for path in paths:
        for node in _nodes(path.with_suffix(".rollback.sql") if rollback else path):
            for table, column in _type_changes(node):
                changed.setdefault(table, set()).add(column)
                for name, object in run(connection, "find_dependents", table=table, columns=[column]).fetchall():
                    if name not in touched:
                        found.setdefault(object, f"{path.stem} changes the type of {column}")
            touched |= set(_names(node))
    if found:
        lines = [f"{object}: {change}" for object, change in sorted(found.items())]
        raise CommandError(
            "\n  ".join(["nothing was done, because PostgreSQL would reject a change of type:", *lines]),
            "drop these objects, run the command again, and create them again",
            ExitCode.ACTION_NEEDED,
        )


def _nodes(path: Path) -> Iterator[Any]:
    text = path.read_text(encoding="utf-8")
    yield from (each.parse() for each in split_statements(text) if CHANGES.search(each.text))


def _type_changes(node: Any) -> Iterator[tuple[str, str]]:
    """Yield the table, as SQL, and the column of each ALTER COLUMN TYPE."""
    from pglast import ast
    from pglast.enums import AlterTableType

    if not isinstance(node, ast.AlterTableStmt) or node.relation is None:
        return
    table = Identifier(*filter(None, (node.relation.schemaname, node.relation.relname))).as_string()
    for command in node.cmds or ():
        if command.subtype == AlterTableType.AT_AlterColumnType:
            yield table, command.name


def _names(node: Any) -> Iterator[str]:
    """Yield the names of the objects that a DROP or a CREATE OR REPLACE names."""
    from pglast import ast

    match node:
        case ast.DropStmt(objects=objects):
            for each in objects or ():
                parts = each.objname if isinstance(each, ast.ObjectWithArgs) else each
                parts = parts.names if isinstance(parts, ast.TypeName) else parts
                yield from (part.sval for part in (parts if isinstance(parts, tuple) else (parts,)))
        case ast.ViewStmt(view=ast.RangeVar(relname=name)):
            yield str(name)
        case _:
            return
