"""Needed rights: what a statement of a migration changes, reads, grants, calls and names, from its text.

needed_column_rights.py has those on single columns, and needed_role_rights.py those on roles and on the database.
"""

from collections.abc import Iterator
from typing import Any

from psycopg.sql import Identifier

Changed = tuple[str, str, bool]  # the kind for find_foreign.sql, the name as SQL, and whether it is dropped
Used = tuple[str, str]  # a table or sequence as SQL, and the right of find_unusable.sql, or several: one is enough
Granted = tuple[str, str, bool]  # the kind for find_ungrantable.sql, the name as SQL, and whether only of columns
ROW_EXCLUSIVE = 3  # the strongest mode in which a role may lock with the right INSERT
OF_SEQUENCES = {"nextval": "USAGE, UPDATE", "setval": "UPDATE", "currval": "USAGE, SELECT"}


def made_in(node: Any) -> Iterator[str | None]:
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


def changed(node: Any) -> Iterator[Changed]:
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
            yield "tree" if recurses else "relation", quoted(relation), False
        case ast.IndexStmt(relation=relation) | ast.CreatePolicyStmt(table=relation) | ast.RuleStmt(relation=relation):
            yield "relation", quoted(relation), False
        case ast.AlterPolicyStmt(table=relation) | ast.RefreshMatViewStmt(relation=relation):
            yield "relation", quoted(relation), False
        case (
            ast.ReindexStmt(relation=ast.RangeVar() as relation) | ast.ClusterStmt(relation=ast.RangeVar() as relation)
        ):
            yield "relation", quoted(relation), False
        case ast.ViewStmt(replace=True, view=relation) | ast.AlterSeqStmt(sequence=relation):
            yield "relation", quoted(relation), False
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
            yield "type", _identifier(parts), False
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


def _named(kind: Any, named: Any, *, is_drop: bool) -> Iterator[Changed]:
    """Yield the object of a DROP or a COMMENT. The owner of a table also owns its triggers and columns."""
    for of, parts, types in _named_parts(kind, named):
        may_schema_drop = is_drop and of not in {"part", "schema", "extension"}  # the owner of its schema
        yield ("relation" if of == "part" else of), signature(parts, types), may_schema_drop


def _named_parts(kind: Any, named: Any) -> Iterator[tuple[str, tuple[Any, ...], Any]]:
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
    elif name in {"SCHEMA", "EXTENSION"}:
        yield name.lower(), (named,), None


def used(node: Any) -> Iterator[Used]:
    """Yield the tables that a statement reads or writes. A name of a WITH query is no table."""
    from pglast import ast

    match node:
        case ast.TruncateStmt(relations=relations):
            yield from ((quoted(relation), "TRUNCATE") for relation in relations or ())
        case ast.LockStmt(relations=relations, mode=int(mode)):
            rights = "UPDATE, DELETE, TRUNCATE"
            rights += f", {'SELECT' if mode == 1 else 'INSERT'}" if mode <= ROW_EXCLUSIVE else ""
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


def runs(node: Any) -> bool:
    """Return whether a statement reads or writes rows. The query of a view, and the body of a function, run later."""
    from pglast import ast

    rows = ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt, ast.SelectStmt, ast.CreateTableAsStmt
    return isinstance(node, (*rows, ast.CallStmt))


def _referenced(node: Any) -> Iterator[Used]:
    """Yield the tables that new foreign keys refer to."""
    from pglast import ast

    for each in _nodes(node):
        if isinstance(each, ast.Constraint) and isinstance(each.pktable, ast.RangeVar):
            yield quoted(each.pktable), "REFERENCES"


def _rows(node: Any) -> Iterator[Used]:
    from pglast import ast
    from pglast.enums import OnConflictAction

    rights = {ast.InsertStmt: "INSERT", ast.UpdateStmt: "UPDATE", ast.DeleteStmt: "DELETE", ast.MergeStmt: "UPDATE"}
    nodes = _nodes(node)
    local = {each.ctename for each in nodes if isinstance(each, ast.CommonTableExpr)}
    own = {id(each.rel) for each in nodes if isinstance(each, ast.IntoClause)}
    written: dict[int, str] = {}
    for each in nodes:
        match each:
            case ast.SelectStmt(lockingClause=[_, *_]):
                locked = [table for table in each.fromClause or () if isinstance(table, ast.RangeVar)]
                yield from ((quoted(table), "UPDATE") for table in locked if table.relname not in local)
            case ast.FuncCall(funcname=[*_, ast.String(sval=name)], args=[first, *_]) if name in OF_SEQUENCES:
                constant = first.arg if isinstance(first, ast.TypeCast) else first
                if isinstance(constant, ast.A_Const) and isinstance(constant.val, ast.String):
                    yield str(constant.val.sval), OF_SEQUENCES[name]
            case _ if type(each) in rights and each.relation is not None:
                written[id(each.relation)] = rights[type(each)]
                if getattr(each, "returningClause", None) or getattr(each, "returningList", None):
                    yield quoted(each.relation), "SELECT"
                conflict = getattr(each, "onConflictClause", None)
                if conflict and conflict.action == OnConflictAction.ONCONFLICT_UPDATE:
                    yield quoted(each.relation), "UPDATE"
            case _:
                pass
    for table in nodes:
        if (
            isinstance(table, ast.RangeVar)
            and id(table) not in own
            and (table.schemaname or table.relname not in local)
        ):
            yield quoted(table), written.get(id(table), "SELECT")


def granted(node: Any) -> Iterator[Granted]:
    """Yield the objects of a GRANT or a REVOKE."""
    from pglast import ast
    from pglast.enums import GrantTargetType, ObjectType

    if not isinstance(node, ast.GrantStmt):
        return
    kind = ObjectType(node.objtype or 0).name.removeprefix("OBJECT_")
    if node.targtype == GrantTargetType.ACL_TARGET_ALL_IN_SCHEMA:
        plural = "function" if kind in {"FUNCTION", "PROCEDURE", "ROUTINE"} else kind.lower()
        yield from ((f"{plural}s in schema", _identifier(each), False) for each in node.objects or ())
    for each in node.objects or () if node.targtype == GrantTargetType.ACL_TARGET_OBJECT else ():
        if kind in {"TABLE", "SEQUENCE"}:
            yield "relation", quoted(each), any(right.cols for right in node.privileges or ())
        elif kind in {"FUNCTION", "PROCEDURE", "ROUTINE"}:
            yield "function", signature(each.objname, None if each.args_unspecified else each.objargs), False
        elif kind in {"TYPE", "DOMAIN", "SCHEMA"}:
            yield ("type" if kind == "DOMAIN" else kind.lower()), _identifier(each), False


def called(node: Any) -> Iterator[tuple[str | None, str]]:
    """Yield the schema, or None, and the name of each function that a statement calls or that a trigger will call."""
    from pglast import ast

    calls: list[Any] = [each.funcname for each in _nodes(node) if isinstance(each, ast.FuncCall)] if runs(node) else []
    calls += [node.funcname] if isinstance(node, ast.CreateTrigStmt) else []
    for parts in calls:
        *schema, name = (part.sval for part in parts)
        yield (schema[-1] if schema else None), name


def schemas(node: Any) -> Iterator[str]:
    """Yield the schemas of the tables, functions and types that a statement names."""
    from pglast import ast

    for each in _nodes(node):
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
        for _, parts, _ in _named_parts(kind, named):
            yield from (part.sval for part in parts[-2:-1])


def _nodes(node: Any) -> list[Any]:
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

    name = _identifier(parts)
    return name if types is None else f"{name}({', '.join(RawStream()(each) for each in types or ())})"


def _identifier(parts: Any) -> str:
    names = parts if isinstance(parts, tuple | list) else (parts,)
    return Identifier(*(part if isinstance(part, str) else part.sval for part in names)).as_string()


def quoted(relation: Any) -> str:
    """Return the name of a table as SQL, with its schema if it has one."""
    return Identifier(*filter(None, (relation.schemaname, relation.relname))).as_string()
