"""Dependents (views, functions, policies, foreign keys) that would make a DROP or an ALTER COLUMN TYPE fail.

PostgreSQL rejects such a statement. Without this check, the migrations before it would be done, and it would fail at
each attempt. A database of another program that `yoyo apply` takes over can have such objects.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from psycopg.sql import Identifier

from app.errors import CommandError, ExitCode
from app.migrations.connection import OWNER_HINT, Connection, run
from app.migrations.name_conflicts import gone_names, named_in, taken_names
from app.migrations.rights import lacking_rights
from app.schema.headers import directives
from app.schema.statements import split_statements

CHANGES = re.compile(r"\b(ALTER|CREATE|DROP)\b", re.IGNORECASE)
MAY_DROP = re.compile(r"\b(ALTER|DROP|EXECUTE|CALL|PERFORM)\b", re.IGNORECASE)  # in a DO block


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
            touched |= set(named_in(node))
    if found:
        lines = [f"{object}: {change}" for object, change in sorted(found.items())]
        raise CommandError(
            "\n  ".join(["nothing was done, because PostgreSQL would reject a change of type:", *lines]),
            "drop these objects, run the command again, and create them again",
            ExitCode.ACTION_NEEDED,
        )


def reject_prevented(connection: Connection, paths: Iterable[Path], *, rollback: bool = False) -> None:
    """Raise CommandError, before anything is done, if PostgreSQL would reject a statement of these files."""
    paths = list(paths)
    reject_dependents(connection, paths, rollback=rollback)
    files = [path.with_suffix(".rollback.sql") if rollback else path for path in paths]
    if found := sorted(
        {f"{object}: {place} drops {what}" for place, what, object in prevented_drops(connection, files)}
    ):
        raise CommandError(
            "\n  ".join(["nothing was done, because PostgreSQL would reject a DROP:", *found]),
            "drop these objects first, or keep what they need",
            ExitCode.ACTION_NEEDED,
        )
    if lacking := [f"{place}: {reason}" for place, reason in lacking_rights(connection, files)]:
        raise CommandError(
            "\n  ".join(["nothing was done, because the role of the migrator lacks rights:", *lacking]),
            OWNER_HINT,
            ExitCode.ACTION_NEEDED,
        )
    # A baseline looks itself for the objects of an earlier release, and names that release.
    files = [path for path in files if "baseline" not in directives(path)]
    if taken := [f"{object}: {place} makes another one" for place, object in taken_names(connection, files)]:
        raise CommandError(
            "\n  ".join(["nothing was done, because PostgreSQL would reject a name that is taken:", *taken]),
            "rename these objects, or drop them. If they are of this release, record them: yoyo mark -r NAME",
            ExitCode.ACTION_NEEDED,
        )


def prevented_drops(connection: Connection, files: Iterable[Path]) -> Iterator[tuple[str, str, str]]:
    """Yield each DROP that PostgreSQL would reject: its FILE:LINE, what it drops, and an object that prevents it.

    An object that an earlier statement drops or replaces prevents nothing. The search ends at a statement that may drop
    anything.
    """
    from pglast import ast

    gone: set[str] = set()
    for file in files:
        for each in split_statements(file.read_text(encoding="utf-8")):
            if not MAY_DROP.search(each.text) and not CHANGES.search(each.text):
                continue
            node = each.parse()
            if isinstance(node, ast.CallStmt) or (isinstance(node, ast.DoStmt) and MAY_DROP.search(each.text)):
                return
            for table, columns, what in _drops(node):
                named = {*gone, *gone_names(node)}
                for name, of_table, object in run(connection, "find_uses", table=table, columns=columns):
                    if named.isdisjoint({name, of_table}):
                        yield f"{file.name}:{each.line}", what, object
            gone |= set(gone_names(node))


def _drops(node: Any) -> Iterator[tuple[str, list[str] | None, str]]:
    """Yield the relation, as SQL, its columns or None for all of it, and the name in words, of each DROP."""
    from pglast import ast
    from pglast.enums import AlterTableType, DropBehavior, ObjectType

    relations = {ObjectType.OBJECT_TABLE, ObjectType.OBJECT_VIEW, ObjectType.OBJECT_MATVIEW}
    match node:
        case ast.AlterTableStmt(relation=ast.RangeVar(schemaname=schema, relname=table)):
            for command in node.cmds or ():
                if command.subtype == AlterTableType.AT_DropColumn and command.behavior == DropBehavior.DROP_RESTRICT:
                    parts = [part for part in (schema, table) if part]
                    yield Identifier(*parts).as_string(), [command.name], f"{'.'.join(parts)}.{command.name}"
        case ast.DropStmt(objects=objects, behavior=DropBehavior.DROP_RESTRICT) if node.removeType in relations:
            for each in objects or ():
                parts = [part.sval for part in each]
                yield Identifier(*parts).as_string(), None, ".".join(parts)
        case _:
            return


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
