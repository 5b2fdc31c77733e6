"""Name conflicts: objects that exist, so that PostgreSQL would reject a CREATE, an ADD or a RENAME of a migration.

Without this check, the migrations before it would be done, and it would fail at each attempt.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from psycopg.sql import Identifier

from app.migrations.connection import Connection, find
from app.migrations.needed_rights import signature
from app.schema.statements import split_statements

RELEVANT = re.compile(r"\b(ALTER|CALL|CREATE|DO|DROP|SET)\b", re.IGNORECASE)
# In a DO block without its comments and strings. The first may drop what the block mentions, and the second anything.
DROPS = re.compile(r"\b(ALTER|DROP)\b", re.IGNORECASE)
UNKNOWN = re.compile(r"\b(CALL|PERFORM|EXECUTE\s+(?!(ON|FUNCTION|PROCEDURE)\b))", re.IGNORECASE)
CASCADES = re.compile(r"\bDROP\b.*\bCASCADE\b", re.IGNORECASE | re.DOTALL)
NO_CODE = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", re.DOTALL)
INPUTS = {"i", "b", "v", "d"}  # modes of the parameters that are part of a signature
BUILD = "index CONCURRENTLY"
Made = tuple[str, Any, Any]  # the kind for find_name_conflict.sql, its schema or its table as a RangeVar, and the name


def taken_names(
    connection: Connection, files: Iterable[Path], *, with_builds: bool = False
) -> Iterator[tuple[str, str]]:
    """Yield the FILE:LINE of each statement that makes an object whose name is taken, and the object that has it.

    A name is free if an earlier statement drops, replaces or renames its object, or if a DO block mentions it. The
    search ends at a statement that may drop anything, or that changes the search_path.

    A build CONCURRENTLY counts `with_builds`: the migrator looks at its index when it comes to it.
    """
    from pglast import ast

    free: set[str | None] = set()
    altered: set[str] = set()  # tables that lose indexes, constraints or sequences that are not named
    for file in files:
        for each in split_statements(file.read_text(encoding="utf-8")):
            if not RELEVANT.search(each.text):
                continue
            node = each.parse()
            if isinstance(node, ast.VariableSetStmt) or cascades(node):
                return
            if isinstance(node, ast.AlterTableStmt):  # PostgreSQL drops before it adds
                free |= set(gone_names(node))
            for kind, place, name in _made(node):
                if place and place.relpersistence == "t":
                    free.add(place.relname)
                    continue
                of, short = _place(kind, place)
                if kind == BUILD:
                    found = find(connection, "find_index", name=name, table=of, copy="") if with_builds else []
                    if not with_builds or any(index[1] for index in found):
                        continue  # the migrator repairs it, or says why it cannot
                    kind = "index"
                row = next(iter(find(connection, "find_name_conflict", kind=kind, of=of, name=name)), None)
                is_free = (
                    not free.isdisjoint({name, short, getattr(place, "schemaname", None), *row[1]}) if row else True
                )
                if row and not is_free and (kind == "column" or altered.isdisjoint(row[1])):
                    yield f"{file.name}:{each.line}", row[0]
                    free.add(name)
            free |= set(gone_names(node))
            altered |= set(narrowed_tables(node))


def cascades(node: Any) -> bool:
    """Return whether a statement may also drop objects that it does not name."""
    from pglast import ast
    from pglast.enums import DropBehavior, ObjectType

    commands = [node, *(getattr(node, "cmds", None) or ())]
    return (
        isinstance(node, ast.CallStmt | ast.DropOwnedStmt | ast.AlterExtensionStmt)
        or (isinstance(node, ast.DoStmt) and bool(UNKNOWN.search(body := _code(node)) or CASCADES.search(body)))
        or (isinstance(node, ast.DropStmt) and node.removeType == ObjectType.OBJECT_EXTENSION)
        or any(getattr(each, "behavior", None) == DropBehavior.DROP_CASCADE for each in commands)
    )


def _code(block: Any) -> str:
    """Return the statements of a DO block without comments and strings."""
    return NO_CODE.sub(" ", " ".join(each.arg.sval for each in block.args or () if each.defname == "as"))


def narrowed_tables(node: Any) -> Iterator[str]:
    """Yield the name of a table that loses an index, a constraint or a sequence that the statement does not name."""
    from pglast import ast
    from pglast.enums import AlterTableType

    kinds = {AlterTableType.AT_DropColumn, AlterTableType.AT_DropIdentity, AlterTableType.AT_DropNotNull}
    if isinstance(node, ast.AlterTableStmt) and not kinds.isdisjoint(each.subtype for each in node.cmds or ()):
        yield str(getattr(node.relation, "relname", ""))


def _place(kind: str, place: Any) -> tuple[str | None, str]:
    """Return the place as SQL, which is None for the schema of new tables, and the name of the table without quotes."""
    if place is None:
        return None, ""
    if kind in {"relation", "statistics"}:
        return (Identifier(place.schemaname).as_string() if place.schemaname else None), ""
    return Identifier(*filter(None, (place.schemaname, place.relname))).as_string(), place.relname


def _made(node: Any) -> Iterator[Made]:
    """Yield what a statement makes. A build CONCURRENTLY is apart, because it repairs its own index."""
    from pglast import ast

    match node:
        case (
            ast.CreateStmt(if_not_exists=False, relation=relation)
            | ast.CreateTableAsStmt(if_not_exists=False, into=ast.IntoClause(rel=relation))
            | ast.CreateSeqStmt(if_not_exists=False, sequence=relation)
            | ast.ViewStmt(replace=False, view=relation)
            | ast.CompositeTypeStmt(typevar=relation)
        ):
            yield "relation", relation, getattr(relation, "relname", None)
            for each in getattr(node, "tableElts", None) or ():
                yield from (("index", relation, name) for name in _named_keys(each))
        case (
            ast.CreateEnumStmt(typeName=parts)
            | ast.CreateDomainStmt(domainname=parts)
            | ast.CreateRangeStmt(typeName=parts)
        ):
            *schema, name = (part.sval for part in parts or ())
            yield "relation", ast.RangeVar(schemaname=schema[0] if schema else None, relpersistence="p"), name
        case ast.IndexStmt(if_not_exists=False, idxname=str(name), relation=relation):
            yield (BUILD if node.concurrent else "index"), relation, name
        case ast.CreateStatsStmt(if_not_exists=False, defnames=[*schema, ast.String(sval=name)]):
            where = schema[0].sval if schema else None
            yield "statistics", ast.RangeVar(schemaname=where, relpersistence="p"), name
        case ast.CreateFunctionStmt(replace=False, funcname=parts):
            types = [each.argType for each in node.parameters or () if each.mode.value in INPUTS]
            place = ast.RangeVar(relname=(parts or ())[-1].sval, relpersistence="p")
            yield "function", place, signature(parts, types)
        case ast.CreateSchemaStmt(if_not_exists=False, schemaname=str(name)):
            yield "schema", None, name
        case ast.CreateExtensionStmt(if_not_exists=False, extname=name):
            yield "extension", None, name
        case ast.CreateTrigStmt(replace=False, relation=relation, trigname=name):
            yield "trigger", relation, name
        case ast.CreatePolicyStmt(table=relation, policy_name=name):
            yield "policy", relation, name
        case ast.AlterTableStmt(relation=ast.RangeVar() as relation):
            for command in node.cmds or ():
                yield from _added(relation, command)
        case ast.RenameStmt(relation=ast.RangeVar() as relation):
            if kind := _kind_of_renamed(node):
                yield kind, relation, node.newname
        case _:
            return


def _added(relation: Any, command: Any) -> Iterator[Made]:
    from pglast.enums import AlterTableType

    added = command.def_
    if command.subtype == AlterTableType.AT_AddColumn and not command.missing_ok:
        yield "column", relation, added.colname
        yield from (("index", relation, name) for name in _named_keys(added))
    elif command.subtype == AlterTableType.AT_AddConstraint and added.conname:
        yield "constraint", relation, added.conname
        yield from (("index", relation, name) for name in _named_keys(added))


def _named_keys(part: Any) -> Iterator[str]:
    """Yield the names of the keys of a constraint or of a column, which are names of indexes too."""
    from pglast import ast
    from pglast.enums import ConstrType

    kinds = {ConstrType.CONSTR_PRIMARY, ConstrType.CONSTR_UNIQUE, ConstrType.CONSTR_EXCLUSION}
    for each in (part,) if isinstance(part, ast.Constraint) else getattr(part, "constraints", None) or ():
        if each.contype in kinds and each.conname and not each.indexname:
            yield each.conname


def _kind_of_renamed(node: Any) -> str | None:
    from pglast.enums import ObjectType

    shared = {"TABLE", "VIEW", "MATVIEW", "INDEX", "SEQUENCE", "FOREIGN_TABLE"}
    kinds = {"COLUMN": "column", "TABCONSTRAINT": "constraint", "TRIGGER": "trigger", "POLICY": "policy"}
    return (kinds | dict.fromkeys(shared, "index")).get(ObjectType(node.renameType).name.removeprefix("OBJECT_"))


def gone_names(node: Any) -> Iterator[str]:
    """Yield the names of the objects that a statement drops, replaces, renames, moves, or takes out of another one."""
    from pglast import ast

    match node:
        case ast.DropStmt(objects=objects):
            yield from (names[-1] for names in map(list, map(parts_of, objects or ())) if names)
        case ast.DoStmt():
            yield from re.findall(r"\w+", body) if DROPS.search(body := _code(node)) else ()
        case ast.ViewStmt():
            yield from named_in(node)
        case ast.CreateFunctionStmt(funcname=[*_, ast.String(sval=str(name))]):
            yield name
        case ast.RenameStmt(subname=str(name)) | ast.AlterPublicationStmt(pubname=str(name)):
            yield name
        case ast.RenameStmt(relation=None, object=named) | ast.AlterObjectSchemaStmt(relation=None, object=named):
            yield from list(parts_of(named))[-1:]
        case ast.RenameStmt(relation=relation) | ast.AlterObjectSchemaStmt(relation=relation):
            yield str(getattr(relation, "relname", ""))
        case ast.AlterTableStmt(relation=ast.RangeVar(relname=table)):
            yield from (name for command in node.cmds or () for name in _taken_out(str(table), command))
        case _:
            return


def _taken_out(table: str, command: Any) -> Iterator[str]:
    """Yield the names of the objects that a command of ALTER TABLE drops, or separates from each other."""
    from pglast.enums import AlterTableType

    match command.subtype:
        case AlterTableType.AT_DropConstraint | AlterTableType.AT_DropColumn:
            yield command.name
        case AlterTableType.AT_AddConstraint if command.def_.indexname:  # the index gets the constraint's name
            yield command.def_.indexname
        case AlterTableType.AT_DropInherit:
            yield from (table, str(command.def_.relname))
        case AlterTableType.AT_DetachPartition | AlterTableType.AT_DetachPartitionFinalize:
            yield from (table, str(command.def_.name.relname))
        case _:
            return


def named_in(node: Any) -> Iterator[str]:
    """Yield the names of the objects that a DROP or a CREATE OR REPLACE names."""
    from pglast import ast

    match node:
        case ast.DropStmt(objects=objects):
            yield from (name for each in objects or () for name in parts_of(each))
        case ast.ViewStmt(view=ast.RangeVar(relname=name)):
            yield str(name)
        case _:
            return


def parts_of(named: Any) -> Iterator[str]:
    """Yield the parts of a name in a DROP."""
    from pglast import ast

    parts = named.objname if isinstance(named, ast.ObjectWithArgs) else named
    parts = parts.names if isinstance(parts, ast.TypeName) else parts
    yield from (part.sval for part in (parts if isinstance(parts, tuple) else (parts,)))
