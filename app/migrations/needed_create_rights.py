"""Needed rights to create: the schemas, types and languages that new objects need, from the text of a statement."""

from collections.abc import Iterator
from typing import Any

from app.migrations.needed_rights import identifier, named_parts, quoted, signature

Place = tuple[str, str | None]  # the kind for find_uncreatable.sql, and the name. None: the schema of new tables
SERIALS = {"serial", "bigserial", "smallserial", "serial2", "serial4", "serial8"}
RELATIONS = {"TABLE", "VIEW", "MATVIEW", "INDEX", "SEQUENCE", "FOREIGN_TABLE"}


def made_in(node: Any) -> Iterator[Place]:
    """Yield the place of an object or a name that a statement makes: a schema, or that of another object."""
    from pglast import ast
    from pglast.enums import ObjectType

    match node:
        case (
            ast.CreateStmt(relation=ast.RangeVar() as relation)
            | ast.CreateTableAsStmt(into=ast.IntoClause(rel=ast.RangeVar() as relation))
            | ast.CreateSeqStmt(sequence=ast.RangeVar() as relation)
            | ast.ViewStmt(view=ast.RangeVar() as relation)
            | ast.CompositeTypeStmt(typevar=ast.RangeVar() as relation)
        ):
            if relation.relpersistence != "t" and relation.schemaname != "pg_temp":
                yield "schema", relation.schemaname
        case ast.IndexStmt(relation=relation):
            yield "relation", quoted(relation)
        case ast.AlterTableStmt(relation=ast.RangeVar() as relation) if any(map(_makes_relation, node.cmds or ())):
            yield "relation", quoted(relation)
        case ast.AlterObjectSchemaStmt(newschema=name):
            yield "schema", name
        case (
            ast.CreateFunctionStmt(funcname=parts)
            | ast.CreateEnumStmt(typeName=parts)
            | ast.CreateDomainStmt(domainname=parts)
            | ast.CreateRangeStmt(typeName=parts)
        ):
            yield "schema", parts[0].sval if parts and len(parts) > 1 else None
        case ast.CreateStatsStmt(defnames=[*_, ast.String()] as parts):
            yield "schema of statistics", parts[0].sval if len(parts) > 1 else None
        case ast.CreateStatsStmt(relations=[ast.RangeVar() as relation, *_]):
            yield "relation of statistics", quoted(relation)
        case ast.RenameStmt(renameType=kind):
            name = ObjectType(kind or 0).name.removeprefix("OBJECT_")
            if name in RELATIONS and isinstance(node.relation, ast.RangeVar):
                yield "relation", quoted(node.relation)
            elif isinstance(node.object, ast.ObjectWithArgs) and name != "OPERATOR":
                yield from ((of, signature(parts, types)) for of, parts, types in named_parts(kind, node.object))
        case _:
            return


def _makes_relation(command: Any) -> bool:
    """Return whether a command of ALTER TABLE makes an index or a sequence."""
    from pglast import ast
    from pglast.enums import AlterTableType, ConstrType

    added = command.def_
    keys = {ConstrType.CONSTR_PRIMARY, ConstrType.CONSTR_UNIQUE, ConstrType.CONSTR_EXCLUSION}
    match command.subtype:
        case AlterTableType.AT_AddIdentity:
            return True
        case AlterTableType.AT_AddConstraint:
            return added.contype in keys and not added.indexname
        case AlterTableType.AT_AddColumn if isinstance(added, ast.ColumnDef) and not command.missing_ok:
            kinds = {each.contype for each in added.constraints or ()}
            names = added.typeName.names if added.typeName else None
            return bool(names and names[-1].sval in SERIALS) or not kinds.isdisjoint(
                {*keys, ConstrType.CONSTR_IDENTITY}
            )
        case _:
            return False


def given_to(node: Any) -> Iterator[tuple[str, str, str]]:
    """Yield the kind and the name of an object that gets another owner, and that owner, who needs CREATE as well."""
    from pglast import ast
    from pglast.enums import AlterTableType

    match node:
        case ast.AlterTableStmt(relation=ast.RangeVar() as relation):
            for command in node.cmds or ():
                if command.subtype == AlterTableType.AT_ChangeOwner and command.newowner.rolename:
                    yield "relation", quoted(relation), command.newowner.rolename
        case ast.AlterOwnerStmt(objectType=kind, object=named, newowner=ast.RoleSpec(rolename=str(owner))):
            for of, parts, types in named_parts(kind, named):
                yield of, signature(parts, types), owner
        case _:
            return


def types(node: Any) -> Iterator[str]:
    """Yield the types of the columns, parameters and domains that a statement makes. Of an array, it is the element."""
    from pglast import ast
    from pglast.enums import AlterTableType

    found: list[Any] = []
    match node:
        case ast.CreateStmt(tableElts=columns):
            found = [each.typeName for each in columns or () if isinstance(each, ast.ColumnDef)]
            found.append(node.ofTypename)
        case ast.CompositeTypeStmt(coldeflist=columns):
            found = [each.typeName for each in columns or ()]
        case ast.AlterTableStmt(cmds=commands):
            kinds = {AlterTableType.AT_AddColumn, AlterTableType.AT_AlterColumnType}
            changes = [each for each in commands or () if each.subtype in kinds and not each.missing_ok]
            found = [each.def_.typeName for each in changes if isinstance(each.def_, ast.ColumnDef)]
        case ast.CreateFunctionStmt(parameters=parameters):
            found = [node.returnType, *(each.argType for each in parameters or ())]
        case ast.CreateDomainStmt(typeName=base):
            found = [base]
        case _:
            pass
    for each in found:
        if each is not None and not each.pct_type and each.names[0].sval != "pg_catalog":
            yield identifier(each.names)


def language_of(node: Any) -> str | None:
    """Return the language of a new function or of a DO block."""
    from pglast import ast

    if isinstance(node, ast.DoStmt):
        options, default = node.args, "plpgsql"
    elif isinstance(node, ast.CreateFunctionStmt):
        options, default = node.options, "sql"
    else:
        return None
    return next((str(each.arg.sval) for each in options or () if each.defname == "language"), default)


def needs_superuser(node: Any) -> str:
    """Return what a statement makes, in the plural, if only a superuser may. Return "" otherwise."""
    from pglast import ast
    from pglast.enums import PublicationObjSpecType

    tables = {PublicationObjSpecType.PUBLICATIONOBJ_TABLE, PublicationObjSpecType.PUBLICATIONOBJ_CONTINUATION}
    match node:
        case ast.CreateEventTrigStmt():
            return "event triggers"
        case ast.CreateFdwStmt():
            return "foreign-data wrappers"
        case ast.CreateOpClassStmt() | ast.CreateOpFamilyStmt():
            return "operator classes and families"
        case ast.CreatePublicationStmt(for_all_tables=True):
            return "publications of all tables"
        case ast.CreatePublicationStmt(pubobjects=objects) | ast.AlterPublicationStmt(pubobjects=objects):
            return "publications of a schema" if any(each.pubobjtype not in tables for each in objects or ()) else ""
        case _:
            return ""
