"""Rules about triggers, functions, policies, rights, types and the system catalog, which the running release needs."""

import re
from dataclasses import replace
from typing import Any

from pglast import ast
from pglast.enums import AlterTableType as Alter
from pglast.enums import CmdType, ObjectType

from app.lint import costs, routines
from app.lint.findings import Fault, Faults
from app.lint.nodes import constant_text, dropped_names, qualified_name, relation_name, split_name, walk
from app.lint.objects import Routine, Trigger, routine_of, takes, trigger_of
from app.lint.parser import Statement
from app.lint.rules import CARE, UNSAFE
from app.lint.state import MigrationState
from app.lint.stricter_rules import domain_faults

DISABLED = {
    Alter.AT_DisableTrig: "it",
    Alter.AT_DisableTrigAll: "every trigger",
    Alter.AT_DisableTrigUser: "every trigger",
    Alter.AT_EnableReplicaTrig: "it",
}
BEFORE, UPDATE, TRUNCATE = 2, 16, 32  # bits of pg_trigger.tgtype
REMOVE = "remove the statement"
PLANNED = {"cost", "rows", "parallel", "support"}  # the planner reads these, and the results stay
RULED = {CmdType.CMD_INSERT: "InsertStmt", CmdType.CMD_UPDATE: "UpdateStmt", CmdType.CMD_DELETE: "DeleteStmt"}
WRITES = ast.InsertStmt | ast.UpdateStmt | ast.DeleteStmt | ast.MergeStmt


def object_faults(state: MigrationState, statement: Statement) -> Faults:
    """Yield the faults of a statement other than ALTER TABLE. Call it before the catalog has the change."""
    node, line = statement.node, statement.line
    match node:
        case ast.CreateFunctionStmt():
            yield from _replace_function(state, line, node)
        case ast.CreateTrigStmt():
            yield from _create_trigger(state, line, node)
        case ast.DropStmt(removeType=ObjectType.OBJECT_TRIGGER):
            for name in dropped_names(node):
                _drop_trigger(state, line, *split_name(name))
        case ast.DropStmt(removeType=ObjectType.OBJECT_POLICY):
            for table, _ in map(split_name, dropped_names(node)):
                if table in state.catalog.row_security:
                    require_policy(state, line, table)
        case ast.AlterPolicyStmt(table=relation) if state.is_busy(relation_name(relation)) and state.before is None:
            why = f"the queries of the running release find other rows of {relation_name(relation)} from then on"
            yield Fault(line, "row-security", why)
        case ast.CreatePolicyStmt(table=relation) if not node.permissive and state.is_busy(relation_name(relation)):
            yield Fault(line, "row-security", f"it hides rows of {relation_name(relation)} from the running release")
        case ast.RuleStmt(relation=relation, instead=True, actions=None) if state.is_busy(relation_name(relation)):
            yield Fault(line, "trigger-off", f"writes to {relation_name(relation)} do nothing from then on", REMOVE)
        case ast.RuleStmt(relation=relation, instead=True, actions=[*actions]) if _goes_elsewhere(
            state, relation_name(relation), actions
        ):
            table = relation_name(relation)
            yield Fault(line, "trigger-off", f"writes to {table} go elsewhere from then on", REMOVE)
        case ast.RuleStmt(relation=relation, actions=[*actions]) if state.is_busy(relation_name(relation)):
            yield from _rejected_by_rule(state, line, node)
            if emptied := _written_whole(state, actions):
                yield _each_write(line, relation_name(relation), emptied)
        case ast.AlterFunctionStmt(func=ast.ObjectWithArgs(objname=name)):
            yield from _alter_function(state, line, qualified_name(name), node.actions or ())
        case ast.AlterOwnerStmt(object=ast.ObjectWithArgs(objname=name)):
            if users := _users_of(state, qualified_name(name)):
                why = f"{qualified_name(name)} then runs with the rights of another role, and {users[0]} needs it"
                yield Fault(line, "revoke-breaks", why)
        case ast.DropOwnedStmt():
            yield Fault(line, "revoke-breaks", "each right of the role ends, and each of its tables is dropped")
        case (
            ast.RenameStmt(object=ast.ObjectWithArgs(objname=name))
            | ast.AlterObjectSchemaStmt(object=ast.ObjectWithArgs(objname=name))
        ):
            if users := _users_of(state, qualified_name(name)):
                yield Fault(line, "rename-breaks", f"{', '.join(users)} knows it as {qualified_name(name)}")
        case ast.AlterRoleStmt(options=[*options]) if any(
            each.defname == "canlogin" and constant_text(each.arg) == "false" for each in options
        ):
            yield Fault(line, "revoke-breaks", "the role cannot connect from then on")
        case ast.AlterEnumStmt(oldVal=str(old)):
            if state.catalog.types.get(qualified_name(node.typeName)) != state.file and state.before is None:
                yield Fault(line, "rename-breaks", f"the running release knows the value {node.newVal} as {old}")
        case ast.AlterDomainStmt(subtype="V"):
            domain = qualified_name(node.typeName)
            for table in sorted(state.tables_with(domain)):
                why = f"writes to {table} wait until its column of {domain} is checked"
                yield Fault(line, "domain-scan", why, "put the CHECK on the table, NOT VALID, and VALIDATE it there")
        case ast.AlterDomainStmt(subtype="X") if not state.is_own_type(qualified_name(node.typeName)):
            name = qualified_name(node.typeName)
            yield Fault(line, "constraint-drop", f"values that break {node.name} can be written as {name} from now on")
        case ast.AlterTSConfigurationStmt(cfgname=[*name]) | ast.AlterTSDictionaryStmt(dictname=[*name]):
            if qualified_name(name) not in state.searches:
                why = f"words that are stored by {qualified_name(name)} are no longer those that a search asks for"
                yield Fault(line, "function-results", why, "create another configuration, and store the words again")
        case ast.DefineStmt(kind=ObjectType.OBJECT_TSCONFIGURATION | ObjectType.OBJECT_TSDICTIONARY, defnames=[*name]):
            state.searches.add(qualified_name(name))
        case ast.DoStmt(args=[*options]) if begins_with_error(_text(options)):
            yield Fault(line, "rejected", "it always ends with an error", "remove it, or give the error a condition")
        case ast.AlterDomainStmt(subtype="C", def_=ast.Constraint(skip_validation=True, raw_expr=check)):
            yield from domain_faults(state, line, qualified_name(node.typeName), check)
        case ast.AlterDomainStmt(subtype="O" | "C") if not getattr(node.def_, "skip_validation", False):
            name = qualified_name(node.typeName)
            if state.catalog.types.get(name) != state.file:
                yield Fault(line, "domain-scan", f"each table with a column of {name} is scanned, and its writes wait")
        case ast.VariableSetStmt(name="role" | "session_authorization", args=[role, *_]):
            name = constant_text(role)
            why = f"the statements after it run as {name}, which may not be the owner of the tables"
            level = UNSAFE if name in state.catalog.service_roles() else CARE
            yield Fault(line, "role-rights", why, REMOVE, level)
        case ast.VariableSetStmt(name="session_replication_role"):
            yield Fault(line, "trigger-off", "no trigger runs for the writes after it", REMOVE)
        case _:
            pass
    if not isinstance(node, ast.CreateFunctionStmt):
        for each in statement.nodes:
            if isinstance(each, WRITES) and relation_name(each.relation).removeprefix("pg_catalog.").startswith("pg_"):
                why = f"it writes {relation_name(each.relation)}, and PostgreSQL does not check what it finds there"
                yield Fault(line, "system-catalog", why)


def _rejected_by_rule(state: MigrationState, line: int, node: Any) -> Faults:
    """Yield the fault of a rule beside which PostgreSQL rejects a query: ON CONFLICT, or a write in WITH."""
    table, event = relation_name(node.relation), RULED.get(node.event)
    for use in {each.name: each for each in (*state.bodies(), *state.written_by_queries())}.values():
        upserts = table in use.upserted and event in {"InsertStmt", "UpdateStmt"}
        if upserts or (table, event) in use.written_within:
            what = "ON CONFLICT" if upserts else "a write in WITH"
            why = f"PostgreSQL rejects {what} on a table with such a rule, and {use.name} has it"
            yield Fault(line, "insert-breaks", why, "use a trigger")
            return


def _goes_elsewhere(state: MigrationState, table: str, actions: Any) -> bool:
    """Return whether the statements of a rule do not write its table in use. Those of a view write another one."""
    known = state.catalog.tables.get(table)
    if not state.is_busy(table) or (known and known.kind == "view"):
        return False
    return not any(isinstance(each, WRITES) and relation_name(each.relation) == table for each in walk(actions))


def _users_of(state: MigrationState, name: str) -> list[str]:
    """Return the triggers and queries that run a function which the file itself does not create."""
    known = state.catalog.routines.get(name)
    if known is None or known.created_by == state.file or state.before is not None:
        return []
    users = {f"the trigger {each.name}" for each in routines.triggers_of(state.catalog, name)}
    return sorted(users | set(state.callers(name)))


def _alter_function(state: MigrationState, line: int, name: str, actions: Any) -> Faults:
    stored = sorted(set(routines.stored_results(state.catalog, name))) if state.before is None else []
    if users := _users_of(state, name) or stored:
        kinds = {each.defname for each in actions}
        if "security" in kinds or any(_changes_names(each) for each in actions):
            why = f"{name} then has other rights or another search_path, and {users[0]} needs it"
            yield Fault(line, "revoke-breaks", why)
        elif any(each.defname == "strict" and constant_text(each.arg) == "true" for each in actions):
            why = f"{name} then returns NULL if one of its arguments is NULL, and {users[0]} needs it"
            yield Fault(line, "function-replaced", why, level=UNSAFE)
        elif (callers := state.callers(name)) and any(_becomes_volatile(state, name, each) for each in actions):
            why = f"{name} is then called for each row, and chooses no rows of an index, and {callers[0]} needs it"
            yield Fault(line, "function-replaced", why, level=UNSAFE)
        elif kinds - PLANNED:
            yield Fault(line, "function-replaced", f"it changes at once for {', '.join(users)}")


def _becomes_volatile(state: MigrationState, name: str, action: Any) -> bool:
    known = state.catalog.routines.get(name)
    is_volatile = action.defname == "volatility" and action.arg.sval == "volatile"
    return known is not None and known.volatility != "volatile" and is_volatile


def _changes_names(action: Any) -> bool:
    """Return whether ALTER FUNCTION sets or resets what decides the tables and triggers that the function finds."""
    return action.defname == "set" and action.arg.name in {None, "search_path", "role", "session_replication_role"}


def _replace_function(state: MigrationState, line: int, node: Any) -> Faults:
    name = qualified_name(node.funcname)
    known = state.catalog.routines.get(name)
    dropped = state.dropped.get(name)
    if state.before is not None or (known is None and dropped is None) or (known and known.created_by == state.file):
        return  # a rollback brings back what was there
    new = routine_of(node, state.file)
    if dropped is None and known is not None and known.arguments != new.arguments:
        if users := sorted(_callers_of_both(state, name, known, new)):
            why = f"two functions have the name {name} and fit as many arguments: calls of {users[0]} may be ambiguous"
            yield Fault(line, "ambiguous-name", why, "choose another name", CARE)
        return
    stored = dropped.stored if dropped else sorted(set(routines.stored_results(state.catalog, name)))
    if stored:
        yield Fault(line, "function-results", f"{', '.join(stored)} keep the results of the former {name}")
        return
    former = dropped.routine if dropped else state.catalog.routines[name]
    if users := dropped.users if dropped else _users_of(state, name):
        lost = _written(state, name, former) - _written(state, name, new)
        why = f"it changes at once for {', '.join(users)}"
        more = f", and no longer writes {', '.join(sorted(lost))}" if lost else ""
        if former.is_definer and not new.is_definer:
            more += ", and no longer has the rights of its owner"
        yield Fault(line, "function-replaced", why + more, level=UNSAFE if more else "")


def _callers_of_both(state: MigrationState, name: str, known: Routine, new: Routine) -> set[str]:
    """Return the queries and functions with a call that fits both of two functions by the number of arguments."""
    return {
        use.name
        for use in state.bodies(texts_only=True)
        for called, arguments in use.untyped
        if called == name and takes(known, len(arguments)) and takes(new, len(arguments))
    }


def _written(state: MigrationState, name: str, routine: Routine) -> set[str]:
    """Return the tables that a routine writes, also through the routines that it calls."""
    use = routines.use_of_routine(name, routine)
    below = set().union(*(routines.reached(state.catalog, each) for each in use.functions)) - {name}
    every = [use, *(routines.use_of_routine(each, state.catalog.routines[each]) for each in sorted(below))]
    return {table for each in every for table in each.written}


def _create_trigger(state: MigrationState, line: int, node: Any) -> Faults:
    table, name = relation_name(node.relation), node.trigname or ""
    function = state.catalog.routines.get(qualified_name(node.funcname))
    if not state.is_busy(table):
        return
    if node.row and (node.timing or 0) & BEFORE and function and (lost := discards(function.body, node.events or 0)):
        yield Fault(
            line, "trigger-off", f"{lost}, because {qualified_name(node.funcname)} returns nothing else", REMOVE
        )
    if function and not node.whenClause and (node.events or 0) & ~TRUNCATE and always_fails(function):
        why = f"each such write of {table} fails, because {qualified_name(node.funcname)} always raises an error"
        yield Fault(line, "trigger-off", why, REMOVE)
    function_name = qualified_name(node.funcname)
    if function and node.row and (missing := _missing_fields(state, table, function)):
        why = f"each such write of {table} fails, because {function_name} uses {missing}, which {table} lacks"
        yield Fault(line, "trigger-off", why, "correct the function")
    if lacking := _missing_transitions(state, node, function_name):
        why = f"each such write of {table} fails, because {function_name} reads {lacking}: add REFERENCING"
        yield Fault(line, "trigger-off", why, "name the transition table as the former trigger does")
    run = [each for name in routines.reached(state.catalog, function_name) for each in _nodes(state, name)]
    if not (node.events or 0) & TRUNCATE and (emptied := _written_whole(state, run)):
        yield _each_write(line, table, emptied)
    known = state.catalog.triggers.get((table, name))
    new = trigger_of(node, state.file)
    if state.before is not None and _is_same(state.before.triggers.get((table, name)), new):
        return
    if known and node.replace and (less := _does_less(state, known, new)):
        yield Fault(line, "trigger-off", less, REMOVE)


def _is_same(one: Trigger | None, other: Trigger) -> bool:
    return one is not None and replace(one, created_by="") == replace(other, created_by="")


def _does_less(state: MigrationState, former: Trigger, new: Trigger) -> str:
    """Return what a trigger no longer does that the former one of its name did, or ""."""
    fewer_events = bool(former.events & ~new.events)
    fewer_columns = bool(new.update_of) and (not former.update_of or bool(former.update_of - new.update_of))
    if fewer_events or fewer_columns or (new.has_condition and not former.has_condition):
        return f"{new.name} no longer runs for each write of {new.table} for which it ran"
    known = state.catalog.routines
    is_restored = state.before is not None
    if is_restored or former.function == new.function or not {former.function, new.function} <= known.keys():
        return ""
    written = [_written(state, each, known[each]) for each in (former.function, new.function)]
    lost = written[0] - written[1]
    return f"{new.name} no longer writes {', '.join(sorted(lost))}" if lost else ""


def _missing_transitions(state: MigrationState, node: Any, function: str) -> str:
    """Return a transition table that a function reads, as its other triggers name it, and that a new trigger lacks."""
    named = {each.name for each in node.transitionRels or ()}
    if function not in state.catalog.routines:
        return ""
    read = routines.use_of_routine(function, state.catalog.routines[function]).relations
    others = [each.transition_tables for each in state.catalog.triggers.values() if each.function == function]
    return min((each for tables in others for each in tables if each in read - named), default="")


def _each_write(line: int, table: str, emptied: str) -> Fault:
    return Fault(line, "whole-table-write", f"each write of {table} then writes every row of {emptied}", REMOVE)


def _nodes(state: MigrationState, function: str) -> list[Any]:
    return [each.node for each in routines.statements_of(state.catalog.routines[function])]


def _written_whole(state: MigrationState, nodes: Any) -> str:
    """Return a table in use of which one of the statements writes every row, or ""."""
    tables: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.TruncateStmt):
            tables |= {relation_name(each) for each in node.relations or ()}
        elif isinstance(node, ast.UpdateStmt | ast.DeleteStmt) and costs.without_where(node.whereClause):
            joined = getattr(node, "fromClause", None) or getattr(node, "usingClause", None)
            tables |= set() if joined else {relation_name(node.relation)}
    return min((each for each in tables if each in state.catalog.tables and state.is_busy(each)), default="")


def discards(body: str | None, events: int) -> str:
    """Return what a BEFORE trigger does to each row if its function returns only NULL, or only OLD; or ""."""
    returned = {each.lower() for each in re.findall(r"(?i)\breturn\s+(\w+)\s*;", re.sub(r"--[^\n]*", "", body or ""))}
    if returned == {"null"}:
        return "each row is discarded"
    return "each change is undone" if returned == {"old"} and events & UPDATE else ""


def _missing_fields(state: MigrationState, table: str, function: Routine) -> str:
    """Return a field of NEW or OLD in a PL/pgSQL function that is no column of the table, or ""."""
    known = state.catalog.tables.get(table)
    if known is None or not known.is_complete or function.language != "plpgsql":
        return ""
    used = re.findall(r"\b(new|old)\.([a-z_]\w*)", _code(function.body))
    return next((f"{row.upper()}.{field}" for row, field in used if field not in known.columns), "")


def _code(body: str | None) -> str:
    """Return a body in lower case, without comments and the text of strings."""
    body = re.sub(r"--[^\n]*|/\*.*?\*/", " ", (body or "").lower(), flags=re.DOTALL)
    return re.sub(r"'(?:[^']|'')*'", "''", body)


def always_fails(function: Routine) -> bool:
    """Return whether a PL/pgSQL function begins with an error, or has no RETURN, which is an error too."""
    body = _code(function.body)
    if function.language != "plpgsql" or not body:
        return False
    return begins_with_error(body) or not re.search(r"\breturn\b", body)


def begins_with_error(body: str) -> bool:
    """Return whether a PL/pgSQL body begins with RAISE EXCEPTION, and does not handle it."""
    code = _code(body)
    begins = re.match(r"\s*(declare\b.*?)?\bbegin\s+raise\s+(exception|'')", code, re.DOTALL)
    return begins is not None and not re.search(r"\bexception\s+when\b", code)


def _text(options: Any) -> str:
    """Return the body of a DO in PL/pgSQL, or ""."""
    by_name = {each.defname: getattr(each.arg, "sval", "") for each in options}
    return by_name.get("as", "") if by_name.get("language", "plpgsql") == "plpgsql" else ""


def _drop_trigger(state: MigrationState, line: int, table: str, name: str) -> None:
    known = state.catalog.triggers.get((table, name))
    was_there = state.before is not None and (table, name) in state.before.triggers
    if not state.is_busy(table) or (known and state.is_own(known.created_by, was_there=was_there)):
        return
    if known is None and state.before is not None and not was_there:
        return
    fault = Fault(line, "trigger-off", f"writes to {table} no longer run {name}")

    def is_less() -> bool:
        new = state.catalog.triggers.get((table, name))
        return new is None or (known is not None and state.before is None and bool(_does_less(state, known, new)))

    state.pending.append((fault, is_less))


def alter_table_object_faults(state: MigrationState, line: int, table: str, command: Any) -> Faults:
    """Yield the faults of a subcommand of ALTER TABLE about triggers, row level security and settings."""
    kind, name = command.subtype, command.name
    if kind in DISABLED:
        yield Fault(line, "trigger-off", f"writes to {table} no longer run {name or DISABLED[kind]}")
    elif kind in {Alter.AT_EnableRowSecurity, Alter.AT_ForceRowSecurity}:
        require_policy(state, line, table, is_forced=kind == Alter.AT_ForceRowSecurity)
    elif kind == Alter.AT_ChangeOwner and state.users(table):
        yield Fault(line, "revoke-breaks", f"the migrator's role can no longer change {table}, unless it is a member")
    elif kind == Alter.AT_ReplicaIdentity and command.def_.identity_type == "n":
        yield Fault(
            line, "replica-identity", f"if {table} is published, its rows cannot be changed from then on", "", UNSAFE
        )
    elif kind == Alter.AT_ReplicaIdentity and command.def_.identity_type == "f":
        why = f"the WAL of each UPDATE and DELETE contains the whole old row of {table}"
        yield Fault(line, "replica-identity", why, "use the primary key, which is the default")
    elif kind in {Alter.AT_AddInherit, Alter.AT_DropInherit}:
        yield Fault(line, "partition-locks", "queries of the parent find other rows from then on", REMOVE)


def require_policy(state: MigrationState, line: int, table: str, *, is_forced: bool = False) -> None:
    """Note the fault that a table has row level security and no policy at the end of the file.

    `is_forced`: something else may have enabled it.
    """
    why = f"{table} has no policy that lets each role read and write, so other roles than the owner find no rows"

    def is_closed() -> bool:
        if not is_forced and table in state.catalog.tables and table not in state.catalog.row_security:
            return False
        roles = state.catalog.service_roles()
        policies = [each for (name, _), each in state.catalog.policies.items() if name == table]
        commands = {each.command for each in policies if each.is_open and (not each.roles or roles <= each.roles)}
        return "all" not in commands and not commands >= {"select", "insert", "update", "delete"}

    state.pending.append((Fault(line, "row-security", why), is_closed))
