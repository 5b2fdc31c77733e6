"""Needed rights: what a statement of a migration changes, reads, grants, calls and names, from its text.

needed_column_rights.py has those on single columns, needed_create_rights.py those to create, and needed_role_rights.py
those on roles and on the database.
"""

from collections.abc import Iterator
from typing import Any

from psycopg.sql import Identifier

Changed = tuple[str, str, bool]  # the kind for find_foreign.sql, the name as SQL, and whether it is dropped
Used = tuple[str, str]  # a table or sequence as SQL, and the right of find_unusable.sql, or several: one is enough
ROW_EXCLUSIVE = 3  # the strongest mode in which a role may lock with the right INSERT
OUTSIDE_SCHEMAS = {"schema", "extension", "publication", "database"}
RIGHTS_OF_MERGE = {"CMD_INSERT": "INSERT", "CMD_UPDATE": "UPDATE", "CMD_DELETE": "DELETE"}
OF_SEQUENCES = {"nextval": "USAGE, UPDATE", "setval": "UPDATE", "currval": "USAGE, SELECT"}


def changed(node: Any) -> Iterator[Changed]:
    """Yield what a statement changes, so that the role has to own it."""
    from pglast import ast
    from pglast.enums import AlterPublicationAction, AlterTableType, ObjectType

    match node:
        case ast.AlterTableStmt(relation=ast.RangeVar() as relation):
            alone = {
                AlterTableType.AT_SetRelOptions,
                AlterTableType.AT_ResetRelOptions,
                AlterTableType.AT_ReplicaIdentity,
            }
            recurses = relation.inh and not {command.subtype for command in node.cmds or ()} <= alone
            yield "tree" if recurses else "relation", quoted(relation), False
            yield from (("relation", quoted(each), False) for each in _joined(node))
        case ast.IndexStmt(relation=relation) | ast.CreatePolicyStmt(table=relation) | ast.RuleStmt(relation=relation):
            yield "relation", quoted(relation), False
        case ast.AlterPolicyStmt(table=relation) | ast.ViewStmt(replace=True, view=relation):
            yield "relation", quoted(relation), False
        case (
            ast.ReindexStmt(relation=ast.RangeVar() as relation)
            | ast.ClusterStmt(relation=ast.RangeVar() as relation)
            | ast.RefreshMatViewStmt(relation=ast.RangeVar() as relation)
        ):
            yield "maintained", quoted(relation), False
        case ast.CreateSeqStmt(options=options) | ast.AlterSeqStmt(options=options):
            if isinstance(node, ast.AlterSeqStmt):
                yield "relation", quoted(node.sequence), False
            owners = [each.arg for each in options or () if each.defname == "owned_by"]  # has to have the same owner
            yield from (("relation", identifier(parts[:-1]), False) for parts in owners if len(parts) > 1)
        case ast.TruncateStmt(restart_seqs=True, relations=relations):
            yield from (("sequences", quoted(each), False) for each in relations or ())
        case ast.CreatePublicationStmt(pubobjects=objects) | ast.AlterPublicationStmt(pubobjects=objects):
            if isinstance(node, ast.AlterPublicationStmt) and node.pubname:
                yield "publication", Identifier(node.pubname).as_string(), False
            is_drop = getattr(node, "action", None) == AlterPublicationAction.AP_DropObjects
            members = [] if is_drop else [each.pubtable.relation for each in objects or () if each.pubtable]
            yield from (("relation", quoted(each), False) for each in members)
        case (
            ast.AlterDatabaseSetStmt(dbname=str(name))
            | ast.AlterDatabaseStmt(dbname=str(name))
            | ast.RenameStmt(renameType=ObjectType.OBJECT_DATABASE, subname=str(name))
        ):
            yield "database", Identifier(name).as_string(), False
        case ast.RenameStmt(relation=ast.RangeVar() as relation):
            yield "tree" if node.renameType == ObjectType.OBJECT_COLUMN else "relation", quoted(relation), False
        case ast.AlterObjectSchemaStmt(relation=ast.RangeVar() as relation):
            yield "relation", quoted(relation), False
        case ast.AlterObjectSchemaStmt(objectType=kind, object=named) if named is not None:
            yield from _named(kind, named, is_drop=False)
        case ast.RenameStmt(renameType=ObjectType.OBJECT_SCHEMA, subname=str(name)):
            yield "schema", Identifier(name).as_string(), False
        case ast.RenameStmt(renameType=kind, object=named) if named is not None:
            yield from _named(kind, named, is_drop=False)
        case ast.AlterExtensionStmt(extname=str(name)) | ast.AlterExtensionContentsStmt(extname=str(name)):
            yield "extension", Identifier(name).as_string(), False
        case ast.AlterEnumStmt(typeName=parts) | ast.AlterDomainStmt(typeName=parts):
            yield "type", identifier(parts), False
        case ast.CreateStatsStmt(relations=relations) | ast.CreateStmt(inhRelations=relations):
            tables = (each for each in relations or () if isinstance(each, ast.RangeVar))
            yield from (("relation", quoted(each), False) for each in tables)
        case ast.CreateFunctionStmt(replace=True, funcname=parts):
            yield (
                "function",
                signature(parts, [each.argType for each in node.parameters or () if _is_input(each)]),
                False,
            )
        case ast.AlterFunctionStmt(func=ast.ObjectWithArgs() as function):
            yield (
                "function",
                signature(function.objname, None if function.args_unspecified else function.objargs),
                False,
            )
        case ast.DropStmt(objects=objects):
            yield from (found for each in objects or () for found in _named(node.removeType, each, is_drop=True))
        case ast.CommentStmt(objtype=kind, object=named) | ast.AlterOwnerStmt(objectType=kind, object=named):
            yield from _named(kind, named, is_drop=False)
        case _:
            return


def _joined(node: Any) -> Iterator[Any]:
    """Yield the tables that ALTER TABLE makes a partition or a parent of its table."""
    from pglast.enums import AlterTableType, ObjectType

    for command in node.cmds or () if node.objtype == ObjectType.OBJECT_TABLE else ():
        if command.subtype == AlterTableType.AT_AttachPartition:
            yield command.def_.name
        elif command.subtype == AlterTableType.AT_AddInherit:
            yield command.def_


def _named(kind: Any, named: Any, *, is_drop: bool) -> Iterator[Changed]:
    """Yield the object of a DROP or a COMMENT. The owner of a table also owns its triggers and columns."""
    for of, parts, types in named_parts(kind, named):
        may_schema_drop = is_drop and of not in {
            "part",
            "schema",
            "extension",
            "publication",
            "database",
        }  # the owner of its schema
        yield ("relation" if of == "part" else of), signature(parts, types), may_schema_drop


def named_parts(kind: Any, named: Any) -> Iterator[tuple[str, tuple[Any, ...], Any]]:
    """Yield the kind of an object, "part" for that of a table, the parts of its name, and the types of a function."""
    from pglast import ast
    from pglast.enums import ObjectType

    name = ObjectType(kind).name.removeprefix("OBJECT_")
    if name in {"TABLE", "VIEW", "MATVIEW", "INDEX", "SEQUENCE", "FOREIGN_TABLE"}:
        yield "relation", tuple(named), None
    elif name in {"COLUMN", "TRIGGER", "RULE", "POLICY", "TABCONSTRAINT"}:
        yield "part", tuple(named[:-1]), None
    elif name in {"FUNCTION", "PROCEDURE", "ROUTINE", "AGGREGATE"} and isinstance(named, ast.ObjectWithArgs):
        yield "function", tuple(named.objname or ()), None if named.args_unspecified else named.objargs
    elif name in {"TYPE", "DOMAIN"}:  # RENAME and SET SCHEMA have the parts of the name
        yield "type", tuple((named.names or ()) if isinstance(named, ast.TypeName) else named), None
    elif name.lower() in OUTSIDE_SCHEMAS:
        yield name.lower(), (named,), None


def used(node: Any) -> Iterator[Used]:
    """Yield the tables that a statement reads or writes. A name of a WITH query is no table."""
    from pglast import ast

    match node:
        case ast.TruncateStmt(relations=relations):
            yield from ((quoted(relation), "TRUNCATE") for relation in relations or ())
        case ast.LockStmt(relations=relations, mode=int(mode)):
            rights = "UPDATE, DELETE, TRUNCATE, MAINTAIN"
            rights += f", {'SELECT, INSERT' if mode == 1 else 'INSERT'}" if mode <= ROW_EXCLUSIVE else ""
            yield from ((quoted(relation), rights) for relation in relations or ())
        case ast.CreateTrigStmt(relation=relation):
            yield quoted(relation), "TRIGGER"
        case ast.CreateStmt(tableElts=parts):
            likes = (each.relation for each in parts or () if isinstance(each, ast.TableLikeClause))
            yield from ((quoted(relation), "SELECT") for relation in likes)
            yield from _referenced(node)
        case ast.AlterTableStmt():
            yield from _referenced(node)
        case _ if runs(node):
            yield from _rows(node)
        case _:
            return


def truncated(node: Any, *, is_cascade: bool = False) -> Iterator[str]:
    """Yield the tables of a TRUNCATE, or only those of one with CASCADE."""
    from pglast import ast
    from pglast.enums import DropBehavior

    if isinstance(node, ast.TruncateStmt) and not (is_cascade and node.behavior != DropBehavior.DROP_CASCADE):
        yield from (quoted(relation) for relation in node.relations or ())


def runs(node: Any) -> bool:
    """Return whether a statement reads or writes rows. The query of a view, and the body of a function, run later."""
    from pglast import ast

    if isinstance(node, ast.CreateTableAsStmt) and node.into and node.into.skipData:
        return False
    rows = ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt, ast.SelectStmt, ast.CreateTableAsStmt
    return isinstance(node, (*rows, ast.CallStmt))


def _referenced(node: Any) -> Iterator[Used]:
    """Yield the tables that new foreign keys refer to."""
    from pglast import ast

    for each in nodes(node):
        if isinstance(each, ast.Constraint) and isinstance(each.pktable, ast.RangeVar):
            yield quoted(each.pktable), "REFERENCES"


def _rows(node: Any) -> Iterator[Used]:
    from pglast import ast
    from pglast.enums import OnConflictAction

    rights = {ast.InsertStmt: "INSERT", ast.UpdateStmt: "UPDATE", ast.DeleteStmt: "DELETE"}
    parts = nodes(node)
    local = {each.ctename for each in parts if isinstance(each, ast.CommonTableExpr)}
    own = {id(each.rel) for each in parts if isinstance(each, ast.IntoClause)}
    written: dict[int, str] = {}
    for each in parts:
        match each:
            case ast.SelectStmt(lockingClause=[_, *_]):
                locked = [table for table in each.fromClause or () if isinstance(table, ast.RangeVar)]
                yield from ((quoted(table), "UPDATE") for table in locked if table.relname not in local)
            case ast.FuncCall(funcname=[*_, ast.String(sval=name)], args=[first, *_]) if name in OF_SEQUENCES:
                constant = first.arg if isinstance(first, ast.TypeCast) else first
                if isinstance(constant, ast.A_Const) and isinstance(constant.val, ast.String):
                    yield str(constant.val.sval), OF_SEQUENCES[name]
            case ast.MergeStmt(relation=ast.RangeVar() as target):
                local_rights = {RIGHTS_OF_MERGE.get(when.commandType.name) for when in each.mergeWhenClauses or ()}
                yield from ((quoted(target), right) for right in sorted(filter(None, local_rights)))
                own.add(id(target))
            case _ if type(each) in rights and each.relation is not None:
                written[id(each.relation)] = rights[type(each)]
                if getattr(each, "returningClause", None) or getattr(each, "returningList", None):
                    yield quoted(each.relation), "SELECT"
                conflict = getattr(each, "onConflictClause", None)
                if conflict and conflict.action == OnConflictAction.ONCONFLICT_UPDATE:
                    yield quoted(each.relation), "UPDATE"
            case _:
                pass
    for table in parts:
        if (
            isinstance(table, ast.RangeVar)
            and id(table) not in own
            and (table.schemaname or table.relname not in local)
        ):
            yield quoted(table), written.get(id(table), "SELECT")


def schemas(node: Any) -> Iterator[str]:
    """Yield the schemas of the tables, functions and types that a statement names."""
    from pglast import ast

    for each in nodes(node):
        match each:
            case ast.RangeVar(schemaname=str(schema)):
                yield schema
            case (
                ast.FuncCall(funcname=[*_, ast.String(sval=schema), _])
                | ast.CreateTrigStmt(funcname=[*_, ast.String(sval=schema), _])
                | ast.ObjectWithArgs(objname=[*_, ast.String(sval=schema), _])
                | ast.TypeName(names=[*_, ast.String(sval=schema), _])
            ) if schema != "pg_catalog":
                yield str(schema)
            case _:
                pass
    objects: list[tuple[Any, Any]] = []
    if isinstance(node, ast.DropStmt):
        objects = [(node.removeType, each) for each in node.objects or ()]
    elif isinstance(node, ast.CommentStmt):
        objects = [(node.objtype, node.object)]
    for kind, named in objects:
        for _, parts, _ in named_parts(kind, named):
            yield from (part.sval for part in parts[-2:-1])


def nodes(node: Any) -> list[Any]:
    """Return a tree and all nodes in it."""
    from pglast.visitors import Visitor

    found: list[Any] = []

    class Find(Visitor):
        def visit(self, _: Any, each: Any) -> None:
            found.append(each)

    Find()(node)
    return found


def _is_input(parameter: Any) -> bool:
    return parameter.mode.value in {"i", "b", "v", "d"}


def signature(parts: Any, types: Any) -> str:
    """Return a function as SQL, with its types unless they are None."""
    from pglast.stream import RawStream

    name = identifier(parts)
    if types is None:
        return name
    # The type of a column, written with %TYPE, cannot be looked up. No function has a type with this name.
    known = (identifier([RawStream()(each)]) if each.pct_type else RawStream()(each) for each in types)
    return f"{name}({', '.join(known)})"


def identifier(parts: Any) -> str:
    """Return the parts of a name as SQL."""
    names = parts if isinstance(parts, tuple | list) else (parts,)
    return Identifier(*(part if isinstance(part, str) else part.sval for part in names)).as_string()


def quoted(relation: Any) -> str:
    """Return the name of a table as SQL, with its schema if it has one."""
    return Identifier(*filter(None, (relation.schemaname, relation.relname))).as_string()
