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
from app.migrations.connection import Connection, find, run
from app.migrations.made_dependents import MadeDependents
from app.migrations.name_conflicts import cascades, gone_names, named_in, narrowed_tables, parts_of, taken_names
from app.migrations.needed_rights import signature
from app.migrations.replacements import rejected_statements
from app.migrations.rights import hint_for_lacking, lacking_rights
from app.schema.headers import directives
from app.schema.statements import split_statements

Dropped = tuple[str, str, str | None, tuple[str, ...]]  # as find_uses.sql takes it, and the parts of its name
# By the kind of a DROP: that of find_uses.sql.
KINDS = dict.fromkeys(("TABLE", "VIEW", "MATVIEW", "SEQUENCE", "FOREIGN_TABLE", "INDEX"), "relation")
KINDS |= dict.fromkeys(("FUNCTION", "PROCEDURE", "ROUTINE", "AGGREGATE"), "function")
KINDS |= {"TYPE": "type", "DOMAIN": "type", "SCHEMA": "schema", "EXTENSION": "extension"}
KINDS |= {"COLLATION": "collation", "TSCONFIGURATION": "text search configuration"}
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
    if not paths:  # the import of pglast takes 65 ms
        return
    files = [path.with_suffix(".rollback.sql") if rollback else path for path in paths]
    if lacking := [f"{place}: {reason}" for place, reason in lacking_rights(connection, files)]:
        raise CommandError(
            "\n  ".join(["nothing was done, because the role of the migrator lacks rights:", *lacking]),
            hint_for_lacking(lacking),
            ExitCode.ACTION_NEEDED,
        )
    reject_dependents(connection, paths, rollback=rollback)
    if found := sorted(
        {f"{object}: {place} drops {what}" for place, what, object in prevented_drops(connection, files)}
    ):
        raise CommandError(
            "\n  ".join(["nothing was done, because PostgreSQL would reject a DROP:", *found]),
            "drop these objects first, or keep what they need",
            ExitCode.ACTION_NEEDED,
        )
    if rejected := [f"{place}: {reason}" for place, reason in rejected_statements(connection, files)]:
        raise CommandError(
            "\n  ".join(["nothing was done, because PostgreSQL would reject a statement:", *rejected]),
            "change the migration as the reason says, or the object that it names",
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
    files = list(files)
    # With another search_path, the same name may be that of another table.
    is_one_path = not any("search_path" in file.read_text(encoding="utf-8") for file in files)
    made = MadeDependents()
    gone: set[str] = set()
    loosened: set[str] = set()  # tables whose columns and defaults may no longer need what they needed
    for file, line, node in _changes(files):
        for kind, sql, part, names in _drops(node):
            if not gone.isdisjoint(names):
                continue  # another object has the name now
            for object in dict.fromkeys(made.needing(kind, names, node) if is_one_path else ()):
                yield f"{file.name}:{line}", ".".join(names), object
            named = {*gone, *gone_names(node)}
            others = loosened | set(_loosened_tables(node) if len(getattr(node, "cmds", None) or ()) > 1 else ())
            for name, of_table, object in find(connection, "find_uses", kind=kind, name=sql, part=part):
                if named.isdisjoint({name, of_table}) and of_table not in others:
                    yield f"{file.name}:{line}", ".".join(names), object
        made.follow(node)
        gone |= set(gone_names(node))
        loosened |= set(_loosened_tables(node))


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


def _drops(node: Any) -> Iterator[Dropped]:
    """Yield each object that a statement drops without CASCADE."""
    from pglast import ast
    from pglast.enums import AlterTableType, DropBehavior, ObjectType

    match node:
        case ast.AlterTableStmt(relation=ast.RangeVar(schemaname=schema, relname=table)):
            names = tuple(filter(None, (schema, table)))
            kinds = {AlterTableType.AT_DropColumn: "column", AlterTableType.AT_DropConstraint: "constraint"}
            for command in node.cmds or ():
                if command.subtype in kinds and command.behavior == DropBehavior.DROP_RESTRICT:
                    sql = Identifier(*names).as_string()
                    yield kinds[command.subtype], sql, command.name, (*names, command.name)
        case ast.DropStmt(objects=objects, behavior=DropBehavior.DROP_RESTRICT):
            kind = KINDS.get(ObjectType(node.removeType or 0).name.removeprefix("OBJECT_"))
            for each in objects or () if kind else ():
                names = tuple(parts_of(each))
                types = None if not isinstance(each, ast.ObjectWithArgs) or each.args_unspecified else each.objargs
                yield str(kind), signature(names, types), None, names
        case _:
            return


def _loosened_tables(node: Any) -> Iterator[str]:
    """Yield the name of a table that loses a column, or of whose column the type, default or expression changes."""
    from pglast import ast
    from pglast.enums import AlterTableType

    kinds = {
        *(AlterTableType.AT_DropColumn, AlterTableType.AT_DropIdentity, AlterTableType.AT_AlterColumnType),
        *(AlterTableType.AT_ColumnDefault, AlterTableType.AT_DropExpression, AlterTableType.AT_SetExpression),
    }
    if isinstance(node, ast.AlterTableStmt) and not kinds.isdisjoint(each.subtype for each in node.cmds or ()):
        yield str(getattr(node.relation, "relname", ""))


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
