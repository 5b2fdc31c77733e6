"""Rights: objects of other roles, which PostgreSQL would not let a migration change or use.

Without this check, the migrations before it would be done, and it would fail at each attempt.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from psycopg.sql import Identifier

from app.migrations.connection import Connection, run
from app.migrations.name_conflicts import cascades, gone_names
from app.schema.statements import split_statements

# In a DO block: what may give the role other rights. The search ends there.
GIVES = re.compile(r"\b(OWNER\s+TO|REASSIGN|SET\s+(LOCAL\s+|SESSION\s+)?ROLE)\b", re.IGNORECASE)
CHANGES_ROLE = {"role", "session_authorization", "search_path"}
VALUES = re.compile(r"INSERT\s+INTO\s+[\w.\"]+\s*(\([^()]*\))?\s*VALUES\b", re.IGNORECASE)
Changed = tuple[str, str, bool]  # the kind for find_foreign.sql, the name as SQL, and whether it is dropped
Used = tuple[str, str]  # a table as SQL, and the right of find_unusable.sql


def lacking_rights(connection: Connection, files: Iterable[Path]) -> Iterator[tuple[str, str]]:
    """Yield the FILE:LINE of each statement that this role may not run, and why. Each object is yielded once.

    The search knows the objects that exist now. It leaves out those that an earlier statement drops or makes again. It
    ends at a statement that may change the role or the rights, or that may drop anything.
    """
    from pglast import ast

    seen: set[str] = set()  # also the beginnings of INSERTs, because a file can have 20,000
    free: set[str] = set()  # names without quotes
    for file in files:
        for each in split_statements(file.read_text(encoding="utf-8")):
            if (insert := VALUES.match(each.text)) and insert[0] in seen:
                continue
            seen |= {insert[0]} if insert else set()
            node = each.parse()
            if isinstance(node, ast.DoStmt) and not GIVES.search(each.text) and not cascades(node):
                free |= set(gone_names(node))
                continue
            if _may_change_rights(node):
                return
            for reason in _reasons(connection, node, free):
                if reason not in seen:
                    seen.add(reason)
                    yield f"{file.name}:{each.line}", reason
            if cascades(node):
                return
            free |= set(gone_names(node))


def _may_change_rights(node: Any) -> bool:
    from pglast import ast

    changes = (ast.DoStmt, ast.CallStmt, ast.GrantRoleStmt, ast.AlterOwnerStmt, ast.ReassignOwnedStmt)
    return isinstance(node, changes) or (isinstance(node, ast.VariableSetStmt) and node.name in CHANGES_ROLE)


def _reasons(connection: Connection, node: Any, free: set[str]) -> Iterator[str]:
    """Yield why PostgreSQL would reject a statement."""
    for kind, name, is_drop in _changed(node):
        row = run(connection, "find_foreign", kind=kind, name=name, is_drop=is_drop).fetchone()
        if row and not _is_free(name, free):
            yield f"{row[0]} belongs to {row[1]}"
    for table, right in _used(node):
        row = run(connection, "find_unusable", name=table, right=right).fetchone()
        if row and not _is_free(table, free):
            lacks = f"{row[0]} belongs to {row[1]}, and this role lacks the right {right}"
            filters = f"row security would filter {row[0]}: first ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY"
            yield filters if row[2] else lacks

    for place in _made_in(node):
        role, schema, may_create = run(connection, "find_rights", schema=place).fetchone() or ("", "", True)
        if may_create is False:
            yield f"the role {role} may not create objects in the schema {schema}"


def _is_free(name: str, free: set[str]) -> bool:
    return not free.isdisjoint(re.findall(r"\w+", name.partition("(")[0]))


def _made_in(node: Any) -> Iterator[str | None]:
    """Yield the schema of the object that a statement makes, or None for that of new tables."""
    from pglast import ast

    match node:
        case (
            ast.CreateStmt(relation=ast.RangeVar() as relation)
            | ast.CreateTableAsStmt(into=ast.IntoClause(rel=ast.RangeVar() as relation))
            | ast.CreateSeqStmt(sequence=ast.RangeVar() as relation)
            | ast.ViewStmt(view=ast.RangeVar() as relation)
            | ast.IndexStmt(relation=ast.RangeVar() as relation)
        ) if relation.relpersistence != "t":
            yield relation.schemaname
        case ast.AlterObjectSchemaStmt(newschema=name):
            yield name
        case ast.CreateFunctionStmt(funcname=parts) | ast.CreateEnumStmt(typeName=parts):
            yield parts[0].sval if parts and len(parts) > 1 else None
        case _:
            return


def _changed(node: Any) -> Iterator[Changed]:
    """Yield what a statement changes, so that the role has to own it."""
    from pglast import ast
    from pglast.enums import AlterTableType, ObjectType

    match node:
        case ast.AlterTableStmt(relation=ast.RangeVar() as relation):
            alone = {
                AlterTableType.AT_SetRelOptions,
                AlterTableType.AT_ResetRelOptions,
                AlterTableType.AT_ReplicaIdentity,
            }
            recurses = relation.inh and not {command.subtype for command in node.cmds or ()} <= alone
            yield "tree" if recurses else "relation", _quoted(relation), False
        case ast.IndexStmt(relation=relation) | ast.CreatePolicyStmt(table=relation) | ast.RuleStmt(relation=relation):
            yield "relation", _quoted(relation), False
        case ast.AlterPolicyStmt(table=relation) | ast.RefreshMatViewStmt(relation=relation):
            yield "relation", _quoted(relation), False
        case ast.ViewStmt(replace=True, view=relation) | ast.AlterSeqStmt(sequence=relation):
            yield "relation", _quoted(relation), False
        case ast.RenameStmt(relation=ast.RangeVar() as relation):
            yield "tree" if node.renameType == ObjectType.OBJECT_COLUMN else "relation", _quoted(relation), False
        case ast.AlterObjectSchemaStmt(relation=ast.RangeVar() as relation):
            yield "relation", _quoted(relation), False
        case ast.AlterObjectSchemaStmt(objectType=kind, object=named) if named is not None:
            yield from _named(kind, named, is_drop=False)
        case ast.RenameStmt(renameType=ObjectType.OBJECT_SCHEMA, subname=str(name)):
            yield "schema", Identifier(name).as_string(), False
        case ast.RenameStmt(renameType=kind, object=named) if named is not None:
            yield from _named(kind, named, is_drop=False)
        case ast.AlterEnumStmt(typeName=parts) | ast.AlterDomainStmt(typeName=parts):
            yield "type", _identifier(parts), False
        case ast.CreateStatsStmt(relations=relations) | ast.CreateStmt(inhRelations=relations):
            tables = (each for each in relations or () if isinstance(each, ast.RangeVar))
            yield from (("relation", _quoted(each), False) for each in tables)
        case ast.CreateFunctionStmt(replace=True, funcname=parts):
            yield (
                "function",
                _signature(parts, [each.argType for each in node.parameters or () if _is_input(each)]),
                False,
            )
        case ast.AlterFunctionStmt(func=ast.ObjectWithArgs() as function):
            yield (
                "function",
                _signature(function.objname, None if function.args_unspecified else function.objargs),
                False,
            )
        case ast.DropStmt(objects=objects):
            yield from (found for each in objects or () for found in _named(node.removeType, each, is_drop=True))
        case ast.CommentStmt(objtype=kind, object=named):
            yield from _named(kind, named, is_drop=False)
        case _:
            return


def _named(kind: Any, named: Any, *, is_drop: bool) -> Iterator[Changed]:
    """Yield the object of a DROP or a COMMENT. The owner of a table also owns its triggers and columns."""
    from pglast import ast
    from pglast.enums import ObjectType

    name = ObjectType(kind).name.removeprefix("OBJECT_")
    if name in {"TABLE", "VIEW", "MATVIEW", "INDEX", "SEQUENCE", "FOREIGN_TABLE"}:
        yield "relation", _identifier(named), is_drop
    elif name in {"COLUMN", "TRIGGER", "RULE", "POLICY", "TABCONSTRAINT"}:
        yield "relation", _identifier(named[:-1]), False
    elif name in {"FUNCTION", "PROCEDURE", "ROUTINE"} and isinstance(named, ast.ObjectWithArgs):
        yield "function", _signature(named.objname, None if named.args_unspecified else named.objargs), is_drop
    elif name in {"TYPE", "DOMAIN"}:  # RENAME and SET SCHEMA have the parts of the name
        yield "type", _identifier(named.names if isinstance(named, ast.TypeName) else named), is_drop
    elif name == "SCHEMA":
        yield "schema", _identifier([named]), False


def _used(node: Any) -> Iterator[Used]:
    """Yield the tables that a statement reads or writes. A name of a WITH query is no table."""
    from pglast import ast

    match node:
        case ast.TruncateStmt(relations=relations):
            yield from ((_quoted(relation), "TRUNCATE") for relation in relations or ())
        case ast.CreateTrigStmt(relation=relation):
            yield _quoted(relation), "TRIGGER"
        case ast.CreateStmt(tableElts=parts):
            likes = (each.relation for each in parts or () if isinstance(each, ast.TableLikeClause))
            yield from ((_quoted(relation), "SELECT") for relation in likes)
        case ast.InsertStmt() | ast.UpdateStmt() | ast.DeleteStmt() | ast.MergeStmt() | ast.SelectStmt():
            yield from _rows(node)
        case ast.CreateTableAsStmt(query=query):
            yield from _rows(query)
        case _:
            return


def _rows(node: Any) -> Iterator[Used]:
    from pglast import ast
    from pglast.visitors import Visitor

    rights = {ast.InsertStmt: "INSERT", ast.UpdateStmt: "UPDATE", ast.DeleteStmt: "DELETE", ast.MergeStmt: "UPDATE"}
    written: dict[int, str] = {}
    tables: list[Any] = []
    local: set[str] = set()

    class Find(Visitor):
        def visit(self, _: Any, found: Any) -> None:
            if type(found) in rights and found.relation is not None:
                written[id(found.relation)] = rights[type(found)]
            elif isinstance(found, ast.CommonTableExpr):
                local.add(str(found.ctename))
            elif isinstance(found, ast.RangeVar):
                tables.append(found)

    Find()(node)
    for table in tables:
        if table.schemaname or table.relname not in local:
            yield _quoted(table), written.get(id(table), "SELECT")


def _is_input(parameter: Any) -> bool:
    return parameter.mode.value in {"i", "b", "v", "d"}


def _signature(parts: Any, types: Any) -> str:
    """Return a function as SQL, with its types unless they are None."""
    from pglast.stream import RawStream

    name = _identifier(parts)
    return name if types is None else f"{name}({', '.join(RawStream()(each) for each in types or ())})"


def _identifier(parts: Any) -> str:
    return Identifier(*(part.sval for part in (parts if isinstance(parts, tuple | list) else (parts,)))).as_string()


def _quoted(relation: Any) -> str:
    return Identifier(*filter(None, (relation.schemaname, relation.relname))).as_string()
