"""Rules about the server and its other users: files, sessions, session locks, settings, roles, event triggers."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from pglast import ast
from pglast.enums import ObjectType

from app.lint.findings import Fault, Faults
from app.lint.functions import is_fixed_setting
from app.lint.nodes import constant_text, qualified_name
from app.lint.parser import Statement
from app.lint.rights import roles_of
from app.lint.rules import CARE, UNSAFE
from app.lint.state import MigrationState

OTHER_SESSIONS = {"pg_terminate_backend", "pg_cancel_backend"}
SERVER_FUNCTIONS = {
    *("pg_read_file", "pg_read_binary_file", "pg_ls_dir", "pg_stat_file", "lo_import", "lo_export"),
    *("pg_reload_conf", "pg_rotate_logfile", "pg_promote", "pg_switch_wal", "pg_wal_replay_pause"),
    *("pg_backup_start", "pg_backup_stop", "pg_start_backup", "pg_stop_backup", "pg_import_system_collations"),
}
# Functions that forget how many dead rows there are, for which autovacuum looks.
FORGETS = {"pg_stat_reset", "pg_stat_reset_single_table_counters"}
OTHER_SERVERS = {"dblink", "dblink_exec", "dblink_connect", "dblink_connect_u", "dblink_send_query"}
SESSION_LOCKS = {
    *("pg_advisory_lock", "pg_advisory_lock_shared", "pg_try_advisory_lock", "pg_try_advisory_lock_shared"),
}
UNLOCKS = {"pg_advisory_unlock", "pg_advisory_unlock_shared", "pg_advisory_unlock_all"}
POWERS = {"superuser": "it may do everything", "bypassrls": "row level security does not apply to it"}
POWERS |= {"isreplication": "it may read all data of the server", "createrole": "it may change other roles"}
SERVER_ROLES = {"pg_execute_server_program", "pg_write_server_files", "pg_read_server_files"}
# Extensions of PostgreSQL that an owner with CREATE on the database may create.
TRUSTED = {
    *("btree_gin", "btree_gist", "citext", "cube", "dict_int", "fuzzystrmatch", "hstore", "intarray", "isn", "lo"),
    *("ltree", "pg_trgm", "pgcrypto", "plpgsql", "seg", "tablefunc", "tcn", "tsm_system_rows", "tsm_system_time"),
    *("unaccent", "uuid-ossp"),
}
OFF = {"off", "false", "0", "no"}
WITH_HOLD = 32  # bit of DeclareCursorStmt.options
READ_ONLY = {"default_transaction_read_only", "transaction_read_only"}
REMOVE = "remove the statement"
ROLE_HINT = "grant the rights that it needs, by name"


def operation_faults(state: MigrationState, statement: Statement) -> Faults:
    """Yield the faults of a statement that reaches beyond the schema."""
    node, line = statement.node, statement.line
    match node:
        case ast.CopyStmt() if node.is_program or node.filename:
            what = "a program" if node.is_program else "a file"
            yield Fault(line, "server-access", f"COPY uses {what} on the server's machine, with the server's rights")
        case ast.CreateEventTrigStmt() | ast.AlterEventTrigStmt():
            yield Fault(line, "event-trigger", "each later change of a schema in this database runs it")
        case ast.AlterDatabaseSetStmt(setstmt=setting):
            yield from _setting(line, f"the database {node.dbname}", setting)
        case ast.AlterRoleSetStmt(setstmt=setting):
            role = ", ".join(roles_of([node.role])) if node.role else "each role"
            yield from _setting(line, role, setting)
        case ast.AlterDatabaseStmt(options=[*options]) if any(
            each.defname in {"allow_connections", "connection_limit"} and constant_text(each.arg) in {"false", "0"}
            for each in options
        ):
            yield Fault(line, "revoke-breaks", f"no session can connect to {node.dbname} from then on")
        case ast.AlterCollationStmt() | ast.AlterDatabaseRefreshCollStmt():
            why = "the warning ends, but indexes that were built by the former version may be out of order"
            yield Fault(line, "server-settings", why, "first REINDEX them")
        case ast.AlterDatabaseStmt():
            yield Fault(line, "server-settings", f"it changes the database {node.dbname} for all its sessions")
        case ast.CreateRoleStmt(role=str(name), options=options):
            yield from _role_options(line, name, options or ())
        case ast.AlterRoleStmt(options=options):
            yield from _role_options(line, ", ".join(roles_of([node.role])), options or ())
        case ast.GrantRoleStmt():
            yield from _membership(line, node)
        case ast.DropRoleStmt(roles=[*roles]):
            yield Fault(line, "revoke-breaks", f"{', '.join(sorted(roles_of(roles)))} cannot connect from then on")
        case ast.ReassignOwnedStmt():
            yield Fault(
                line, "revoke-breaks", "the migrator's role can no longer change the objects of the former owner"
            )
        case ast.RenameStmt(renameType=ObjectType.OBJECT_ROLE | ObjectType.OBJECT_DATABASE):
            yield Fault(line, "rename-breaks", f"the running release connects to {node.newname} as {node.subname}")
        case ast.AlterExtensionStmt(extname=str(name)):
            why = f"it runs a script of {name} that changes its objects, and the check cannot read it"
            yield Fault(line, "hidden-ddl", why, "read what the new version changes, and allow it with that reason")
        case ast.CheckPointStmt():
            why = "all changed pages are written at once, and other sessions wait for the disk"
            yield Fault(line, "server-access", why, REMOVE, CARE)
        case ast.CreateExtensionStmt(extname=str(name)) if name not in TRUSTED:
            why = f"only a superuser can create {name}, unless its control file says that it is trusted"
            yield Fault(line, "role-rights", why, "create it by hand, before the migration, or use a trusted extension")
        case (
            ast.CreateUserMappingStmt(servername=server, options=options)
            | ast.AlterUserMappingStmt(servername=server, options=options)
            | ast.CreateForeignServerStmt(servername=server, options=options)
        ):
            if any(each.defname == "password" for each in options or ()):
                yield _password(line, f"the server {server}")
        case ast.CreateSubscriptionStmt(conninfo=str(words)) | ast.AlterSubscriptionStmt(conninfo=str(words)):
            if re.search(r"\bpassword\s*=|://[^/@]*:[^/@]*@", words):
                yield _password(line, f"the subscription {node.subname}")
        case ast.CreateForeignTableStmt() | ast.ImportForeignSchemaStmt():
            why = "queries of it wait for another server, and fail if that is not there"
            yield Fault(line, "server-access", why, "copy the rows that you need, or do it by hand", CARE)
        case ast.DeclareCursorStmt(portalname=str(name), options=int(options)) if options & WITH_HOLD:
            why = f"the cursor {name} keeps its rows until the migrator's session ends, and not until the commit"
            yield Fault(line, "session-lock", why, "leave out WITH HOLD")
        case _:
            pass
    if not isinstance(node, ast.CreateFunctionStmt):
        yield from _calls(state, statement)


def _calls(state: MigrationState, statement: Statement) -> Faults:
    names = {
        qualified_name(each.funcname).removeprefix("pg_catalog.")
        for each in statement.nodes
        if isinstance(each, ast.FuncCall)
    }
    line = statement.line
    if names & OTHER_SESSIONS:
        why = "it ends queries of other sessions: their requests fail"
        yield Fault(line, "other-sessions", why)
    if found := sorted(names & SERVER_FUNCTIONS):
        yield Fault(line, "server-access", f"{found[0]}() acts on the server itself")
    if found := sorted(names & FORGETS):
        yield Fault(line, "autovacuum-off", f"after {found[0]}() it does not know of the dead rows", REMOVE)
    if found := sorted(names & OTHER_SERVERS):
        why = f"{found[0]}() changes or reads another server, which no rollback undoes"
        yield Fault(line, "server-access", why, level=CARE)
    if names & SESSION_LOCKS:
        fault = Fault(
            line, "session-lock", "the lock lasts until the migrator's session ends, and not until the commit"
        )
        state.pending.append((fault, lambda: not state.has_unlocked))
    state.has_unlocked = state.has_unlocked or bool(names & UNLOCKS)


def _setting(line: int, of: str, node: Any) -> Faults:
    name = (node.name or "all settings").lower()
    if is_fixed_setting(name):
        yield Fault(line, "rejected", f"PostgreSQL rejects it: only the configuration of the server has {name}", REMOVE)
        return
    if name in READ_ONLY and any(constant_text(each).lower() not in {"off", "false"} for each in node.args or ()):
        yield Fault(line, "revoke-breaks", f"new sessions of {of} cannot write")
    elif name == "search_path":
        yield Fault(line, "rename-breaks", f"new sessions of {of} look for the tables in other schemas", REMOVE)
    elif name == "track_counts" and any(constant_text(each).lower() in OFF for each in node.args or ()):
        why = f"sessions of {of} do not count the dead rows, for which autovacuum looks"
        yield Fault(line, "autovacuum-off", why, REMOVE)
    elif name == "session_replication_role":
        yield Fault(line, "trigger-off", f"new sessions of {of} run no trigger", REMOVE)
    else:
        yield Fault(line, "server-settings", f"{name} changes for new sessions of {of}, also for other programs")


def _role_options(line: int, role: str, options: Iterable[Any]) -> Faults:
    for each in options:
        value = constant_text(each.arg)
        if each.defname in POWERS and value not in {"false", "0"}:
            level = CARE if each.defname == "createrole" else UNSAFE
            yield Fault(line, "role-rights", f"{role}: {POWERS[each.defname]}", ROLE_HINT, level)
        elif each.defname == "password" and each.arg is not None:
            yield _password(line, role)
        elif each.defname in {"validUntil", "connectionlimit"} and value not in {"-1", "infinity"}:
            level = UNSAFE if value == "0" or _is_past(value) else CARE
            yield Fault(line, "revoke-breaks", f"{role} may no longer be able to connect", level=level)


def _password(line: int, of: str) -> Fault:
    why = f"the file and its history keep the password of {of}"
    return Fault(line, "role-rights", why, "set it outside of a migration: for a role, with \\password in psql", UNSAFE)


def _is_past(text: str) -> bool:
    """Return whether a time in ISO format is over, or is -infinity."""
    try:
        end = datetime.fromisoformat(text.strip())
    except ValueError:
        return text.strip() == "-infinity"
    return end.astimezone(UTC) < datetime.now(UTC)


def _membership(line: int, node: ast.GrantRoleStmt) -> Faults:
    granted = sorted(each.priv_name or "" for each in node.granted_roles or ())
    roles = ", ".join(sorted(roles_of(node.grantee_roles)))
    if not node.is_grant:
        yield Fault(line, "revoke-breaks", f"{roles} loses the rights of {', '.join(granted)}")
    elif SERVER_ROLES.intersection(granted):
        yield Fault(line, "role-rights", f"{roles} may use files and programs of the server", ROLE_HINT, UNSAFE)
    else:
        yield Fault(
            line,
            "role-rights",
            f"{roles} gets all rights of {', '.join(granted)}, also later ones",
            ROLE_HINT,
        )
