"""Needed rights on roles and on the database itself, and those to grant: from the text of a statement."""

from collections.abc import Iterator
from typing import Any

from app.migrations.needed_rights import identifier, quoted, signature

Granted = tuple[str, str, bool]  # the kind for find_ungrantable.sql, the name as SQL, and whether only of columns
Role = tuple[str, str]  # the name, and the right on it for find_foreign_role.sql


def roles(node: Any) -> Iterator[Role]:
    """Yield the roles that a statement acts for, gives objects to, grants, or changes."""
    from pglast import ast
    from pglast.enums import AlterTableType, ObjectType

    specs: list[tuple[Any, str]] = []
    match node:
        case ast.AlterTableStmt(cmds=commands):
            owners = (each.newowner for each in commands or () if each.subtype == AlterTableType.AT_ChangeOwner)
            specs = [(owner, "SET") for owner in owners]
        case ast.AlterOwnerStmt(newowner=owner) | ast.CreateSchemaStmt(authrole=owner):
            specs = [(owner, "SET")]
        case ast.VariableSetStmt(name="role", args=[ast.A_Const(val=ast.String(sval=str(name)))]):
            yield name, "SET"
        case ast.AlterDefaultPrivilegesStmt(options=options):
            named = (option.arg for option in options or () if option.defname == "roles")
            specs = [(each, "USAGE") for several in named for each in several]
        case ast.GrantRoleStmt(granted_roles=granted_roles):
            yield from ((each.priv_name, "ADMIN") for each in granted_roles or ())
        case ast.ReassignOwnedStmt(roles=before, newrole=after):
            specs = [(each, "USAGE") for each in (*(before or ()), after)]
        case ast.DropOwnedStmt(roles=of):
            specs = [(each, "USAGE") for each in of or ()]
        case ast.DropRoleStmt(roles=dropped):
            specs = [(each, "ALTER") for each in dropped or ()]
        case ast.AlterRoleStmt(role=role, options=options):
            names = {option.defname for option in options or ()}
            specs = [(role, "OWN" if names <= {"password"} else "ALTER")]
        case ast.AlterRoleSetStmt(role=role):
            specs = [(role, "OWN")]
        case ast.RenameStmt(renameType=ObjectType.OBJECT_ROLE, subname=str(name)):
            yield name, "ALTER"
        case _:
            pass
    yield from ((spec.rolename, right) for spec, right in specs if spec is not None and spec.rolename)


def of_database(node: Any) -> str:
    """Return what a statement makes in the database or, of roles, drops there, in the plural. Return "" for nothing."""
    from pglast import ast
    from pglast.enums import ObjectType

    match node:
        case (
            ast.CreateSchemaStmt()
            | ast.RenameStmt(renameType=ObjectType.OBJECT_SCHEMA)
            | ast.AlterOwnerStmt(objectType=ObjectType.OBJECT_SCHEMA)
        ):
            return "schemas"
        case ast.CreatePublicationStmt():
            return "publications"
        case ast.CreateRoleStmt() | ast.DropRoleStmt():
            return "roles"
        case (
            ast.CreateStmt(relation=ast.RangeVar() as relation)
            | ast.CreateTableAsStmt(into=ast.IntoClause(rel=ast.RangeVar() as relation))
            | ast.SelectStmt(intoClause=ast.IntoClause(rel=ast.RangeVar() as relation))
            | ast.CreateSeqStmt(sequence=ast.RangeVar() as relation)
            | ast.ViewStmt(view=ast.RangeVar() as relation)
        ) if relation.relpersistence == "t":
            return "temporary tables"
        case _:
            return ""


def extension_of(node: Any) -> tuple[str, str | None] | None:
    """Return the name and the version of an extension that a statement creates. None: the default version."""
    from pglast import ast

    if not isinstance(node, ast.CreateExtensionStmt) or node.extname is None:
        return None
    options: dict[str | None, Any] = {option.defname: option.arg for option in node.options or ()}
    version = options.get("new_version")
    return node.extname, version.sval if version else None


def granted(node: Any) -> Iterator[Granted]:
    """Yield the objects of a GRANT or a REVOKE."""
    from pglast import ast
    from pglast.enums import GrantTargetType, ObjectType

    if not isinstance(node, ast.GrantStmt):
        return
    kind = ObjectType(node.objtype or 0).name.removeprefix("OBJECT_")
    if node.targtype == GrantTargetType.ACL_TARGET_ALL_IN_SCHEMA:
        plural = "function" if kind in {"FUNCTION", "PROCEDURE", "ROUTINE"} else kind.lower()
        yield from ((f"{plural}s in schema", identifier(each), False) for each in node.objects or ())
    for each in node.objects or () if node.targtype == GrantTargetType.ACL_TARGET_OBJECT else ():
        if kind in {"TABLE", "SEQUENCE"}:
            yield "relation", quoted(each), any(right.cols for right in node.privileges or ())
        elif kind in {"FUNCTION", "PROCEDURE", "ROUTINE"}:
            yield "function", signature(each.objname, None if each.args_unspecified else each.objargs), False
        elif kind in {"TYPE", "DOMAIN", "SCHEMA"}:
            yield ("type" if kind == "DOMAIN" else kind.lower()), identifier(each), False
