"""Rules about rights: GRANT, REVOKE and ALTER DEFAULT PRIVILEGES, and the rights that the running release needs."""

from typing import Any

from pglast import ast
from pglast.enums import GrantTargetType, ObjectType, RoleSpecType

from app.lint.catalog import ROUTINES
from app.lint.definition_rules import rejected
from app.lint.findings import Fault, Faults
from app.lint.nodes import qualified_name, relation_name
from app.lint.parser import Statement
from app.lint.rights import PUBLIC, roles_of
from app.lint.rules import CARE
from app.lint.state import MigrationState

SHARED = {ObjectType.OBJECT_TABLE, ObjectType.OBJECT_SEQUENCE, ObjectType.OBJECT_SCHEMA, ObjectType.OBJECT_COLUMN}
SHARED |= {ObjectType.OBJECT_DATABASE}
NEEDED = {"select", "insert", "update", "delete"}  # by queries


def right_faults(state: MigrationState, statement: Statement) -> Faults:
    """Yield the faults of a statement about rights."""
    node, line = statement.node, statement.line
    match node:
        case ast.GrantStmt(is_grant=False):  # in a DO, because the role may not exist
            yield from _revoke(state, statement.block or line, node)
        case ast.GrantStmt() | ast.AlterDefaultPrivilegesStmt():
            yield from _grant(state, line, node)
        case _:
            pass
    if isinstance(node, ast.GrantStmt):
        yield from _missing_columns(state, line, node)


def _missing_columns(state: MigrationState, line: int, node: Any) -> Faults:
    columns = {name.sval for each in node.privileges or () for name in each.cols or ()}
    for each in node.objects or () if columns else ():
        known = state.catalog.tables.get(relation_name(each)) if isinstance(each, ast.RangeVar) else None
        if known and known.is_complete and (missing := sorted(columns - known.columns.keys())):
            yield rejected(line, f"{relation_name(each)} has no column {missing[0]}")


def _revoke(state: MigrationState, line: int, node: Any) -> Faults:
    if state.before is not None:
        return
    if node.objtype == ObjectType.OBJECT_DATABASE:
        yield Fault(line, "revoke-breaks", "a role that lacks CONNECT or TEMPORARY cannot use the database")
    if node.targtype == GrantTargetType.ACL_TARGET_ALL_IN_SCHEMA or node.objtype == ObjectType.OBJECT_SCHEMA:
        yield Fault(line, "revoke-breaks", "the queries need rights on the tables and functions of the schema")
    for each in node.objects or ():
        users = []
        if isinstance(each, ast.RangeVar):
            name = relation_name(each)
            users = state.users(name) if _takes(state, name, node) and state.is_busy(name) else []
        elif isinstance(each, ast.ObjectWithArgs):
            name = qualified_name(each.objname)
            known = state.catalog.routines.get(name)
            has_none = roles_of(node.grantees) == {PUBLIC} and name in state.catalog.closed
            users = [] if has_none or (known and known.created_by == state.file) else state.callers(name)
        if users:
            why = f"{', '.join(users[:3])} need it" if len(users) < 4 else f"{len(users)} queries need it"
            yield Fault(line, "revoke-breaks", f"a right on {name} ends, and {why}")


def _takes(state: MigrationState, table: str, node: Any) -> bool:
    """Return whether a REVOKE may take a right that queries need. PUBLIC has only the rights that a file grants."""
    named = {each.priv_name for each in node.privileges or ()}
    if node.grant_option or (named and not named & NEEDED):
        return False
    given = {right.role for right in state.catalog.rights.get(table, frozenset())}
    return roles_of(node.grantees) != {PUBLIC} or PUBLIC in given


def _grant(state: MigrationState, line: int, node: Any) -> Faults:
    grant: Any = node.action if isinstance(node, ast.AlterDefaultPrivilegesStmt) else node
    if not grant.is_grant and state.before is not None:
        return
    if not grant.is_grant:
        why = "objects that are created later lack rights that the programs may need"
        yield Fault(line, "revoke-breaks", why, "grant the rights in each file that creates an object", CARE)
        return
    roles = roles_of(grant.grantees)
    if grant.grant_option:
        yield Fault(line, "role-rights", f"{', '.join(sorted(roles))} may give the right to other roles")
    may_create = any(each.priv_name == "create" for each in grant.privileges or ()) or not grant.privileges
    served = sorted(roles & state.catalog.service_roles())
    if may_create and served and grant.objtype in {ObjectType.OBJECT_SCHEMA, ObjectType.OBJECT_DATABASE}:
        why = f"{served[0]} may create objects, which the queries of other roles may then find first"
        yield Fault(line, "role-rights", why, "let only the owner create objects")
    public = any(each.roletype == RoleSpecType.ROLESPEC_PUBLIC for each in grant.grantees or ())
    if public and grant.objtype in SHARED:
        yield Fault(line, "grant-public", "every role of the server gets the right, also roles that are created later")
    elif public and grant.objtype in ROUTINES:
        named = [each for each in grant.objects or () if isinstance(each, ast.ObjectWithArgs)]  # or ALL IN SCHEMA
        for name in [qualified_name(each.objname) for each in named]:
            if name in state.catalog.routines and state.catalog.routines[name].is_definer:
                yield Fault(line, "grant-public", f"every role may run {name} with the rights of its owner")
