"""Rules about GRANT to the role of the service: rights that it does not need, or that were taken from it on purpose."""

from typing import Any

from pglast import ast
from pglast.enums import GrantTargetType, ObjectType

from app.lint import routines
from app.lint.catalog import Catalog
from app.lint.costs import tables_read
from app.lint.findings import Fault, Faults
from app.lint.nodes import qualified_name, relation_name
from app.lint.objects import routine_of
from app.lint.parser import Statement
from app.lint.rights import PUBLIC, TABLE_RIGHTS, Right, roles_of
from app.lint.rules import CARE
from app.lint.state import MigrationState

CHANGES = {"insert", "update", "delete"}
POWERFUL = {
    "truncate": "may empty {}, and no trigger of its rows runs",
    "trigger": "may run a function with each write of {}",
}
MEMBERS = {"addroleto", "rolemembers", "adminmembers"}  # options of CREATE ROLE and ALTER GROUP
BY_NAME = "grant the rights that it needs, on each table by name"


def grant_faults(state: MigrationState, statement: Statement) -> Faults:
    """Yield the faults of a GRANT to roles of the service, or to all. Call it before the catalog has the change."""
    node, line = statement.node, statement.line
    if state.before is not None:
        return
    match node:
        case ast.GrantStmt(is_grant=True, objtype=ObjectType.OBJECT_TABLE):
            for role in sorted(_served(state, node)):
                if node.targtype == GrantTargetType.ACL_TARGET_ALL_IN_SCHEMA:
                    yield from _on_all(state, line, role)
                else:
                    for each in node.objects or ():
                        yield from _on_table(state, line, role, relation_name(each), node)
        case ast.GrantStmt(is_grant=True, objtype=ObjectType.OBJECT_FUNCTION) if (
            node.targtype == GrantTargetType.ACL_TARGET_ALL_IN_SCHEMA and PUBLIC in roles_of(node.grantees)
        ):
            if definer := next((name for name, each in state.catalog.routines.items() if each.is_definer), ""):
                why = f"every role may run {definer} with the rights of its owner"
                yield Fault(line, "grant-public", why, BY_NAME)
        case ast.GrantStmt(is_grant=False, objtype=ObjectType.OBJECT_FUNCTION | ObjectType.OBJECT_ROUTINE):
            if PUBLIC in roles_of(node.grantees):
                named = [each for each in node.objects or () if isinstance(each, ast.ObjectWithArgs)]
                state.closed_functions |= {qualified_name(each.objname) for each in named}
        case ast.CreateFunctionStmt():
            _open_function(state, line, node)
        case ast.GrantStmt(is_grant=True, objtype=ObjectType.OBJECT_PARAMETER_ACL):
            roles = ", ".join(sorted(roles_of(node.grantees)))
            yield Fault(line, "role-rights", f"{roles} may change a setting that only a superuser may change", BY_NAME)
        case ast.AlterDefaultPrivilegesStmt(
            action=ast.GrantStmt(is_grant=True, objtype=ObjectType.OBJECT_TABLE) as grant
        ):
            for role in sorted(_served(state, grant) - {PUBLIC}):
                why = f"{role} gets rights on each table that is created later, also on those that it must not read"
                yield Fault(line, "role-rights", why, "grant the rights in each file that creates a table")
        case ast.CreateRoleStmt(options=[*options]) | ast.AlterRoleStmt(options=[*options]):
            if any(each.defname in MEMBERS for each in options):
                why = "a member of a role has all rights of it, also later ones"
                yield Fault(line, "role-rights", why, "grant the rights that it needs, by name", CARE)
        case _:
            pass


def _served(state: MigrationState, node: Any) -> set[str]:
    return {*roles_of(node.grantees)} & {*state.catalog.service_roles(), PUBLIC}


def _open_function(state: MigrationState, line: int, node: Any) -> None:
    """Note the fault of a function that reads what a role must not read, with the owner's rights, for every role."""
    name, new = qualified_name(node.funcname), routine_of(node, state.file)
    if not new.is_definer or new.returns == "trigger" or name in state.catalog.routines:
        return
    taken = {table: file for (table, _), file in state.catalog.revoked.items()}
    read = sorted(routines.use_of_routine(name, new).relations & taken.keys())
    if read:
        why = f"every role may run {name}, and so read {read[0]}, which {taken[read[0]].removesuffix('.sql')} closes"
        hint = "REVOKE ALL ON FUNCTION ... FROM PUBLIC in the same file, and grant it to a role by name"
        state.pending.append((Fault(line, "grant-public", why, hint), lambda: name not in state.closed_functions))


def _on_all(state: MigrationState, line: int, role: str) -> Faults:
    """Yield the fault of rights on all tables, if the role has none on some of them."""
    if role == PUBLIC:  # another rule reports it
        return
    closed = sorted(
        name
        for name in state.catalog.tables
        if state.is_busy(name) and not any(each.role == role for each in state.catalog.rights.get(name, ()))
    )
    if closed:
        why = f"{role} gets rights on each table, and has none on {', '.join(closed[:4])} until now"
        yield Fault(line, "role-rights", why, BY_NAME)


def _on_table(state: MigrationState, line: int, role: str, table: str, node: Any) -> Faults:
    wanted = {str(each.priv_name) for each in node.privileges or () if each.priv_name} or {*TABLE_RIGHTS}
    for name in [table, *_read_by_view(state.catalog, table)]:
        taken = [state.catalog.revoked.get((name, Right(role, each))) for each in sorted(wanted)]
        if file := next((each for each in taken if each and each != state.file), ""):
            what = table if name == table else f"{name} through {table}"
            why = f"{role} gets a right on {what}, which {file.removesuffix('.sql')} takes away on purpose"
            yield Fault(line, "role-rights", why, BY_NAME)
            return
    if not state.is_busy(table) or role == PUBLIC:
        return
    has = {each.name for each in state.catalog.rights.get(table, ()) if each.role == role}
    if powers := sorted(wanted & POWERFUL.keys() - has):
        yield Fault(line, "role-rights", f"{role} {POWERFUL[powers[0]].format(table)}", BY_NAME)
    elif wanted & CHANGES and (trigger := _only_writer(state, role, table)):
        why = f"only the trigger {trigger} writes {table}, and {role} could change what it has recorded"
        yield Fault(line, "role-rights", why, BY_NAME)


def _read_by_view(catalog: Catalog, name: str) -> list[str]:
    """Return the tables and views that a view reads with the rights of its owner, at any depth."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        view = catalog.tables.get(waiting.pop())
        below = tables_read(view.query) - found if view and view.query is not None else set()
        found |= below
        waiting += below
    return sorted(found)


def _only_writer(state: MigrationState, role: str, table: str) -> str:
    """Return the only trigger that writes a table, if the role cannot write the table of the trigger; or ""."""
    if any(table in use.written for use in state.uses):
        return ""
    for trigger in state.catalog.triggers.values():
        rights = {each.name for each in state.catalog.rights.get(trigger.table, ()) if each.role == role}
        if table in routines.written_by_triggers(state.catalog, trigger.table) and not rights & CHANGES:
            return trigger.name
    return ""
