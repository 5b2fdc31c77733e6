"""Rights on tables, and policies of row level security, as GRANT, REVOKE and CREATE POLICY spell them."""

from typing import Any, NamedTuple

from pglast.enums import RoleSpecType

from app.lint.nodes import constant_text
from app.lint.objects import Policy

TABLE_RIGHTS = frozenset({"select", "insert", "update", "delete", "truncate", "references", "trigger"})
PUBLIC = "PUBLIC"


class Right(NamedTuple):
    """Right of a role on a table."""

    role: str
    name: str  # select, insert, ...


def roles_of(specifications: Any) -> frozenset[str]:
    """Return the names of roles: PUBLIC, a name, or CURRENT_ROLE and the like."""
    return frozenset(
        PUBLIC
        if each.roletype == RoleSpecType.ROLESPEC_PUBLIC
        else each.rolename or RoleSpecType(each.roletype).name.removeprefix("ROLESPEC_")
        for each in specifications or ()
    )


def rights_of(node: Any) -> frozenset[Right]:
    """Return the rights that a GRANT or REVOKE on tables names. Those on single columns count as none."""
    named = node.privileges
    names = {each.priv_name for each in named if not each.cols} if named else TABLE_RIGHTS
    return frozenset(Right(role, name or "") for role in roles_of(node.grantees) for name in names)


def policy_of(node: Any) -> Policy:
    """Return the policy of a CREATE POLICY. It is open if each of its expressions is the constant true."""
    expressions = [each for each in (node.qual, node.with_check) if each is not None]
    is_open = bool(expressions) and all(constant_text(each).lower() in {"true", "t"} for each in expressions)
    roles = roles_of(node.roles)
    return Policy(node.cmd_name or "all", bool(node.permissive) and is_open, roles - {PUBLIC})
