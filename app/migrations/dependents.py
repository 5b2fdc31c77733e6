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
from app.migrations.name_conflicts import cascades, gone_names, named_in, narrowed_tables, taken_names
from app.migrations.rights import lacking_rights
from app.schema.headers import directives
from app.schema.statements import split_statements

CHANGES = re.compile(r"\b(ALTER|CALL|CREATE|DO|DROP)\b", re.IGNORECASE)


def reject_dependents(connection: Connection, paths: Iterable[Path], *, rollback: bool = False) -> None:
    """Raise CommandError, before anything is done, if objects prevent the type changes of these files.

    The paths are those of migrations, in the order of execution. With `rollback`, the files beside them run.
    An object that the migrations themselves drop, replace or alter before counts as theirs. The search ends at a
    statement that may drop anything.
    """
    files = [path.with_suffix(".rollback.sql") if rollback else path for path in paths]
    found: dict[str, str] = {}  # the first change of the type, by object
    for stem, column, object in _prevented_changes(connection, files):
        found.setdefault(object, f"{stem} changes the type of {column}")
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
    gone: set[str] = set()
    narrowed: set[str] = set()  # tables that lose a column, and so the foreign keys on it
    for file, line, node in _changes(files):
        for table, column in _drops(node):
            if not gone.isdisjoint({*table, column}):
                continue  # another object has the name now
            named = {*gone, *gone_names(node)}
            sql, columns = Identifier(*table).as_string(), [column] if column else None
            uses = run(connection, "find_uses", table=sql, columns=columns)
            for name, of_table, object in uses:
                if named.isdisjoint({name, of_table}) and of_table not in narrowed:
                    yield f"{file.name}:{line}", ".".join(filter(None, (*table, column))), object
        gone |= set(gone_names(node))
        narrowed |= set(narrowed_tables(node))


def _prevented_changes(connection: Connection, files: Iterable[Path]) -> Iterator[tuple[str, str, str]]:
    """Yield each change of a type that PostgreSQL would reject: its file, the column, and an object in its way."""
    gone: set[str] = set()
    touched: set[str] = set()  # and the tables of triggers and policies
    for file, _, node in _changes(files):
        named = {*gone, *gone_names(node)}  # PostgreSQL drops a column before it changes another one
        for table, name, column in _type_changes(node):
            if gone.isdisjoint({name, column}):
                for of, object in run(connection, "find_dependents", table=table, columns=[column]).fetchall():
                    if of not in touched | named:
                        yield file.stem.removesuffix(".rollback"), column, object
        gone = named
        touched |= {*named_in(node), *narrowed_tables(node)}


def _changes(files: Iterable[Path]) -> Iterator[tuple[Path, int, Any]]:
    """Yield the file, the line and the tree of each change of the schema, up to one that may drop anything."""
    for file in files:
        for each in split_statements(file.read_text(encoding="utf-8")):
            if CHANGES.search(each.text):
                node = each.parse()
                yield file, each.line, node
                if cascades(node):
                    return


def _drops(node: Any) -> Iterator[tuple[list[str], str | None]]:
    """Yield the parts of the name of the relation, and its column or None for all of it, of each DROP."""
    from pglast import ast
    from pglast.enums import AlterTableType, DropBehavior, ObjectType

    relations = {ObjectType.OBJECT_TABLE, ObjectType.OBJECT_VIEW, ObjectType.OBJECT_MATVIEW}
    match node:
        case ast.AlterTableStmt(relation=ast.RangeVar(schemaname=schema, relname=table)):
            for command in node.cmds or ():
                if command.subtype == AlterTableType.AT_DropColumn and command.behavior == DropBehavior.DROP_RESTRICT:
                    yield [part for part in (schema, table) if part], command.name
        case ast.DropStmt(objects=objects, behavior=DropBehavior.DROP_RESTRICT) if node.removeType in relations:
            yield from (([part.sval for part in each], None) for each in objects or ())
        case _:
            return


def _type_changes(node: Any) -> Iterator[tuple[str, str, str]]:
    """Yield the table, as SQL and as a name without its schema, and the column of each ALTER COLUMN TYPE."""
    from pglast import ast
    from pglast.enums import AlterTableType

    if not isinstance(node, ast.AlterTableStmt) or node.relation is None:
        return
    table = Identifier(*filter(None, (node.relation.schemaname, node.relation.relname))).as_string()
    for command in node.cmds or ():
        if command.subtype == AlterTableType.AT_AlterColumnType:
            yield table, str(node.relation.relname), command.name
