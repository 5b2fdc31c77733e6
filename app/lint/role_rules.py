"""Rules about roles: those that no file creates, and what only some roles may create."""

import re
from collections.abc import Iterator
from typing import Any

from pglast import ast

from app.lint.findings import Fault, Faults
from app.lint.operation_rules import TRUSTED
from app.lint.parser import Statement
from app.lint.rules import CARE
from app.lint.state import MigrationState
from app.migrations.needed_role_rights import roles
from app.project import current

SUPERUSER = "postgres"  # initdb creates it, by default
MAY_CREATE = re.compile(r"\bGRANT\b[^;]*\b(CREATE|ALL)\b[^;]*\bON\s+DATABASE\b", re.IGNORECASE)
NAME_ROLE = "create it in an earlier migration, or by hand before, and add it to `roles` of [tool.schema]"
BY_HAND = "create it by hand, before the migration, as a superuser or as the owner of the database"


def role_faults(state: MigrationState, statement: Statement) -> Faults:
    """Yield the faults of the roles in a statement. In a DO, it may be under the condition that the role exists."""
    node, line = statement.node, statement.line
    if state.before is not None or statement.block or statement.unreadable:
        return
    known = {*current().roles, *state.catalog.roles}
    for name in sorted(set(_named(node))) if known else ():
        if name not in known and name != SUPERUSER and not name.startswith("pg_"):
            why = f"no file creates the role {name}: if nothing else does, PostgreSQL rejects it"
            yield Fault(line, "rejected", why, NAME_ROLE, CARE)
    if isinstance(node, ast.CreateExtensionStmt) and node.extname in TRUSTED and not _may_create():
        why = f"sql/roles.sql gives no role CREATE on the database, which {node.extname} needs"
        yield Fault(line, "role-rights", why, BY_HAND, CARE)


def _named(node: Any) -> Iterator[str]:
    """Yield the names of the roles that must exist."""
    if not isinstance(node, ast.DropRoleStmt):  # with IF EXISTS, its roles need not exist
        yield from (name for name, _ in roles(node))
    specifications: list[Any] = []
    match node:
        case ast.GrantStmt(grantees=found) | ast.AlterDefaultPrivilegesStmt(action=ast.GrantStmt(grantees=found)):
            specifications = [*(found or ())]
        case (
            ast.GrantRoleStmt(grantee_roles=found)
            | ast.CreatePolicyStmt(roles=found)
            | ast.AlterPolicyStmt(roles=found)
        ):
            specifications = [*(found or ())]
        case ast.AlterRoleStmt(role=found) | ast.AlterRoleSetStmt(role=found) | ast.CreateUserMappingStmt(user=found):
            specifications = [found]
        case ast.DropRoleStmt(missing_ok=False, roles=found):
            specifications = [*(found or ())]
        case ast.VariableSetStmt(name="session_authorization", args=[ast.A_Const(val=ast.String(sval=str(name)))]):
            yield name
        case _:
            pass
    yield from (each.rolename for each in specifications if each is not None and each.rolename)


def _may_create() -> bool:
    """Return whether the project's script for roles lets one create schemas and trusted extensions, or is not there."""
    try:
        text = (current().sql / "roles.sql").read_text()
    except OSError:
        return True
    return bool(MAY_CREATE.search(re.sub(r"--[^\n]*", "", text)))
