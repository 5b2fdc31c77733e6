"""Needed rights on roles and on the database itself: from the text of a statement."""

from collections.abc import Iterator
from typing import Any

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

    match node:
        case ast.CreateSchemaStmt():
            return "schemas"
        case ast.CreatePublicationStmt():
            return "publications"
        case ast.CreateRoleStmt() | ast.DropRoleStmt():
            return "roles"
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
