"""Rules for migrations: check one file statement by statement, against the schema that the files before it make.

The rules by subject: lock_rules.py, alter_table_rules.py, write_rules.py and release_rules.py. Here are the rules about
settings and hidden changes. docs/reference/lint-rules.md gives each rule's reason, with a bad and a good example.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from pglast import ast
from pglast.enums import VariableSetKind

from app.lint import changes
from app.lint.alter_table_rules import alter_table_faults
from app.lint.batches import few_rows
from app.lint.branches import Branches
from app.lint.copy_rules import copy_faults
from app.lint.definition_rules import definition_faults, foreign_key_faults
from app.lint.dynamic import is_guess
from app.lint.existence_rules import existence_faults
from app.lint.failure_rules import failure_faults
from app.lint.findings import Fault, Faults
from app.lint.functions import is_built_in, is_fixed_setting
from app.lint.grant_rules import grant_faults
from app.lint.index_rules import index_faults
from app.lint.lock_rules import lock_faults
from app.lint.migrator_rules import migrator_faults
from app.lint.name_rules import name_faults
from app.lint.nodes import constant_text, is_temporary, qualified_name
from app.lint.object_rules import object_faults
from app.lint.objects import Trigger
from app.lint.old_row_rules import old_row_faults
from app.lint.operation_rules import operation_faults
from app.lint.outcome_rules import outcome_faults, secret_faults
from app.lint.parameter_rules import parameter_faults
from app.lint.parser import Statement
from app.lint.path_rules import path_faults
from app.lint.queue_rules import queue_faults
from app.lint.release_rules import release_faults
from app.lint.replication_rules import replication_faults
from app.lint.right_rules import right_faults
from app.lint.role_rules import role_faults
from app.lint.routine_rules import routine_faults
from app.lint.routines import called, fired, statements_of_trigger
from app.lint.server_rules import server_faults
from app.lint.state import MigrationState
from app.lint.table_rules import table_faults
from app.lint.texts import OTHER_SESSIONS, READERS, texts_run
from app.lint.transaction_rules import (
    READ_TABLE,
    calls_for_many_rows,
    lock_order_faults,
    many_rows,
    transaction_faults,
)
from app.lint.trigger_effect_rules import trigger_effect_faults
from app.lint.trigger_rules import trigger_faults
from app.lint.value_rules import value_faults
from app.lint.write_rules import note_writes, only_explains, write_faults

# Statements that a DO block may contain, because they do not change the schema.
NOT_DDL = (
    *(ast.SelectStmt, ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt, ast.CallStmt, ast.DoStmt),
    *(ast.VariableSetStmt, ast.VariableShowStmt, ast.LockStmt, ast.CopyStmt, ast.ExplainStmt, ast.NotifyStmt),
    *(ast.TransactionStmt, ast.ConstraintsSetStmt, ast.DiscardStmt, ast.CheckPointStmt, ast.VacuumStmt),
)
# Functions of extensions that other rules know. A call of any other one is hidden.
KNOWN = {*OTHER_SESSIONS, *READERS, *READ_TABLE, "dblink_connect", "dblink_connect_u", "dblink_disconnect"}
UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1, "min": 60, "h": 3600, "d": 86_400}  # seconds
MAX_LOCK_TIMEOUT = 10.0  # seconds
ELSEWHERE = "the statements after it find and create objects in another schema than the other migrations"
FIXED = "PostgreSQL rejects it: only the configuration of the server has {}"
NO_LOCK_TIMEOUT = "without a lock_timeout, requests queue behind a lock"


def migration_faults(state: MigrationState, statements: Iterable[Statement]) -> Faults:
    """Yield the faults of one migration or rollback. The catalog of the state changes as the schema would.

    Nothing is certain about an object whose name is not known.
    """
    for fault in _faults(state, statements):
        if fault.rule != "rejected" or not is_guess(fault.why):
            yield fault


def _faults(state: MigrationState, statements: Iterable[Statement]) -> Faults:
    hidden: set[int] = set()
    branches = Branches(state)
    for statement in _with_calls(state, statements):
        branches.enter(statement.arms)
        yield from _settings(statement)
        yield from server_faults(statement)
        yield from transaction_faults(state, statement)
        yield from existence_faults(state, statement)
        yield from value_faults(state, statement)
        yield from name_faults(state, statement)
        yield from parameter_faults(state, statement)
        yield from table_faults(state, statement)
        yield from migrator_faults(state, statement)
        yield from replication_faults(state, statement)
        yield from failure_faults(state, statement)
        yield from role_faults(state, statement)
        yield from secret_faults(state, statement)
        yield from path_faults(state, statement)
        yield from copy_faults(state, statement)
        yield from old_row_faults(state, statement)
        locks = len(state.locked)
        if isinstance(statement.node, ast.AlterTableStmt):
            yield from index_faults(state, statement)
            yield from definition_faults(state, statement)
            yield from foreign_key_faults(state, statement)
            yield from alter_table_faults(state, statement)
        elif not statement.unreadable:
            yield from lock_faults(state, statement)
            yield from index_faults(state, statement)
            yield from definition_faults(state, statement)
            yield from foreign_key_faults(state, statement)
            yield from operation_faults(state, statement)
            yield from object_faults(state, statement)
            yield from right_faults(state, statement)
            yield from grant_faults(state, statement)
            yield from routine_faults(state, statement)
            yield from trigger_faults(state, statement)
            yield from trigger_effect_faults(state, statement)
            yield from outcome_faults(state, statement)
            yield from queue_faults(state, statement)
            yield from release_faults(state, statement)
            note_writes(state, statement)
            changes.apply(state.catalog, statement.node, state.file)
        yield from lock_order_faults(state, statement.line, locks)
        line = statement.block or statement.line
        if line not in hidden and (why := _hidden_change(state, statement)):
            hidden.add(line)
            yield Fault(line, "hidden-ddl", why)
    branches.enter(())
    yield from write_faults(state)
    yield from (fault for fault, stays in state.pending if stays())


def _with_calls(state: MigrationState, statements: Iterable[Statement]) -> Iterator[Statement]:
    """Yield the statements, and after each one those that it runs by calling routines, and by firing triggers."""
    for statement in statements:
        yield statement
        yield from _fired(state, statement)
        for each in _called(state, statement):
            yield each
            yield from _fired(state, each)


def _called(state: MigrationState, statement: Statement) -> Iterator[Statement]:
    if _calls(statement.node) and not statement.unreadable and not only_explains(statement.node):
        yield from (replace(each, arms=statement.arms) for each in texts_run(state.catalog, statement))
        for_each_row = not statement.in_batches and calls_for_many_rows(state, statement)
        for each in called(state.catalog, statement):
            yield replace(each, in_loop=True) if for_each_row else each
            yield from (replace(text, arms=each.arms) for text in texts_run(state.catalog, each))


def _fired(state: MigrationState, statement: Statement) -> Iterator[Statement]:
    """Yield the statements of the triggers that a statement fires, at any depth.

    The running release fires those of its own tables, too, so only new ones count there.
    """
    seen: set[Trigger] = set()
    waiting = [statement] if _calls(statement.node) and not only_explains(statement.node) else []
    while waiting:
        each = waiting.pop()
        for write, trigger in fired(state.catalog, each):
            if trigger in seen or (state.users(trigger.table) and trigger.created_by != state.file):
                continue
            seen.add(trigger)
            for_each_row = trigger.for_each_row and not each.in_batches and _writes_many(state, trigger.table, write)
            for below in statements_of_trigger(state.catalog, each, trigger):
                state.transitions = trigger.transition_tables
                if _only_sets(below.node):  # the function's own SET ends with it
                    continue
                own = replace(below, in_loop=True) if for_each_row else below
                yield own
                waiting.append(own)
            state.transitions = ()


def _only_sets(node: Any) -> bool:
    """Return whether a statement is SET, or a SELECT of set_config()."""
    calls = [each.val for each in getattr(node, "targetList", None) or ()] if isinstance(node, ast.SelectStmt) else []
    return isinstance(node, ast.VariableSetStmt) or any(
        isinstance(each, ast.FuncCall) and qualified_name(each.funcname) in {"set_config", "pg_catalog.set_config"}
        for each in calls
    )


def _writes_many(state: MigrationState, table: str, write: Any) -> bool:
    """Return whether a write may be of many rows."""
    if isinstance(write, ast.InsertStmt):
        select = write.selectStmt
        return isinstance(select, ast.SelectStmt) and not select.valuesLists and many_rows(state, select)
    return not few_rows(state.catalog, table, write, getattr(write, "whereClause", None))


def _calls(node: Any) -> bool:
    """Return whether a statement calls the functions in it. PREPARE and DECLARE stand for their later use."""
    if isinstance(node, ast.CreateTableAsStmt):
        return node.into is None or not node.into.skipData
    return isinstance(node, (*NOT_DDL, ast.PrepareStmt, ast.DeclareCursorStmt, ast.RefreshMatViewStmt))


def _settings(statement: Statement) -> Faults:
    for node in statement.nodes if not statement.unreadable else ():
        match node:
            case ast.FuncCall(funcname=[*_, ast.String(sval="set_config")], args=[name, value, is_local]):
                setting = constant_text(name)
                if is_fixed_setting(setting):
                    yield Fault(statement.line, "rejected", FIXED.format(setting))
                if constant_text(is_local) in {"f", "false", "off", "no", "0"}:
                    why = f"{setting or 'the setting'} would also apply to the migrations after this one"
                    yield Fault(statement.line, "session-setting", why)
                elif setting.lower() == "search_path":
                    yield Fault(statement.line, "search-path", ELSEWHERE)
                if setting.lower() == "lock_timeout" and (why := _too_long(constant_text(value))):
                    yield Fault(statement.line, "lock-timeout-off", why)
            case ast.VariableSetStmt(name=str(setting)) if node is statement.node and is_fixed_setting(setting):
                yield Fault(statement.line, "rejected", FIXED.format(setting))
            case ast.VariableSetStmt(name="search_path", is_local=True) if node is statement.node:
                yield Fault(statement.line, "search-path", ELSEWHERE)
            case ast.VariableSetStmt(name="lock_timeout"):
                is_reset = node.kind in {VariableSetKind.VAR_SET_DEFAULT, VariableSetKind.VAR_RESET}
                why = next(filter(None, (_too_long(constant_text(each)) for each in node.args or ())), "")
                if why or (is_reset and (node.is_local or node is not statement.node)):
                    yield Fault(statement.line, "lock-timeout-off", why or NO_LOCK_TIMEOUT)
            case _:
                pass


def _too_long(text: str) -> str:
    """Return why a lock_timeout is too long, or "". A number without a unit is in milliseconds."""
    match = re.fullmatch(r"([+-]?[0-9.]+)\s*(us|ms|s|min|h|d)?", text.strip())
    if match is None:
        return ""
    seconds = float(match[1]) * UNITS[match[2] or "ms"]
    if seconds <= 0:
        return NO_LOCK_TIMEOUT
    return f"requests queue behind the lock for up to {text.strip()}" if seconds > MAX_LOCK_TIMEOUT else ""


def _hidden_change(state: MigrationState, statement: Statement) -> str:
    """Return why the check cannot see what the statement changes, or ""."""
    node = statement.node
    if statement.unreadable or statement.guessed:
        return "it runs a statement that is put together at run time, so the check cannot read it"
    if statement.block and not isinstance(node, (*NOT_DDL, ast.ReturnStmt)) and not _is_temporary_table(node):
        return "it changes the schema inside DO or a routine, so the check cannot tell which of the statements run"
    if unknown := _unknown_call(state, node):
        return f"it calls {unknown}, which no file creates, so the check cannot read it"
    call = node.funccall if isinstance(node, ast.CallStmt) else None
    if call is not None and qualified_name(call.funcname) not in state.catalog.routines:
        return "it calls a procedure that no file creates, so the check cannot read it"
    return ""


def _unknown_call(state: MigrationState, node: Any) -> str:
    """Return a function that a SELECT without FROM calls for its effect, and that nothing here describes; or ""."""
    targets = (node.targetList or ()) if isinstance(node, ast.SelectStmt) and not node.fromClause else ()
    for call in [each.val for each in targets if isinstance(each.val, ast.FuncCall)]:
        name = qualified_name(call.funcname)
        is_known = name in state.catalog.routines or is_built_in(name) or name.rpartition(".")[2] in KNOWN
        if not is_known and not any(key.startswith(f"{name}(") for key in state.catalog.routines):
            return f"{name}()"
    return ""


def _is_temporary_table(node: Any) -> bool:
    return isinstance(node, ast.CreateStmt) and is_temporary(node.relation)
