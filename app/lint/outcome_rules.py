"""Rules about triggers that reject or lose what the running release writes, and that copy what they must not copy."""

import re
from collections.abc import Iterator
from typing import Any

from pglast import ast
from pglast.enums import AlterTableType as Alter

from app.lint import routines
from app.lint.evaluation import Row
from app.lint.findings import Fault, Faults
from app.lint.nodes import qualified_name, relation_name
from app.lint.object_rules import always_fails, discards
from app.lint.objects import Routine, Trigger, routine_of, trigger_of
from app.lint.parser import Statement
from app.lint.rules import CARE, UNSAFE
from app.lint.state import MigrationState
from app.lint.trigger_outcomes import DISCARDED, ERROR, Outcome, outcomes_of
from app.lint.values import SOMETHING, UNKNOWN
from app.lint.written_rows import Written, rows

BEFORE, INSERT, DELETE, UPDATE = 2, 4, 8, 16  # bits of pg_trigger.tgtype
NAMES = {INSERT: "INSERT", UPDATE: "UPDATE", DELETE: "DELETE"}
HINT = "first release code that keeps to it, and create the trigger in a later release"
SECRET = re.compile(r"sha\d|hash|digest|secret|passw|salt|private|api_?key|credential|(^|_)(otp|pin|hmac)(_|$)")
WHOLE_ROW = r"\b(?:to_jsonb?|row_to_json|hstore)\s*\(\s*(?:new|old)\s*\)|\b(?:new|old)\.\*"
WHOLE_TABLE = r"\bselect\s+\*\s+from\s+{}\b"


def outcome_faults(state: MigrationState, statement: Statement) -> Faults:
    """Yield the faults of a new trigger, or of a new body of its function. Call it before the catalog has it."""
    node, line = statement.node, statement.line
    if state.before is not None:
        return
    match node:
        case ast.CreateTrigStmt():
            trigger, function = trigger_of(node, state.file), state.catalog.routines.get(qualified_name(node.funcname))
            if function and not always_fails(function) and not _discards_all(trigger, function):
                yield from _rejects(state, line, trigger, outcomes_of(function), node.whenClause)
        case ast.CreateFunctionStmt(replace=True):
            name = qualified_name(node.funcname)
            former, new = state.catalog.routines.get(name), routine_of(node, state.file)
            added = [each for each in outcomes_of(new) if former and each not in outcomes_of(former)]
            for trigger in state.catalog.triggers.values():
                if trigger.function == name and added:
                    yield from _rejects(state, line, trigger, added, None)
        case _:
            pass


def _discards_all(trigger: Trigger, function: Routine) -> bool:
    return trigger.for_each_row and bool(trigger.timing & BEFORE) and bool(discards(function.body, trigger.events))


def _rejects(state: MigrationState, line: int, trigger: Trigger, outcomes: Any, condition: Any) -> Faults:
    """Yield the fault of a trigger that raises an error, or discards a row, for a write of the release."""
    if not state.is_busy(trigger.table):
        return
    is_before_row = trigger.for_each_row and trigger.timing & BEFORE
    kinds = {ERROR, DISCARDED} if is_before_row else {ERROR}
    for each, event in _writes(state, trigger):
        row = _row(state, each, event)
        if condition is not None and row.value(condition) in (False, None):
            continue
        found: list[Outcome] = [one for one in outcomes if one.kind in kinds and one.may_happen(row)]
        if found:
            verb = "rejects" if found[0].kind == ERROR else "discards"
            why = f"{trigger.function} {verb} what {each.writer} may write into {trigger.table}"
            yield Fault(line, "insert-breaks", why, HINT, UNSAFE)
            return


def _writes(state: MigrationState, trigger: Trigger) -> Iterator[tuple[Written, int]]:
    """Yield the writes of the release that fire a trigger."""
    for each in rows(state, trigger.table):
        is_named = each.event == INSERT or not trigger.update_of or trigger.update_of & each.named
        if trigger.events & each.event and is_named:
            yield each, each.event
    for use in state.bodies() if trigger.events & DELETE else ():
        if trigger.table in use.deleted:
            yield Written(use.name, {}, frozenset(), DELETE), DELETE


def _row(state: MigrationState, written: Written, event: int) -> Row:
    """Return a row as a trigger sees it. A parameter may have another value than in the examples, but not NULL."""
    values = {
        f"new.{name}": SOMETHING if name in written.free and value not in (None, UNKNOWN) else value
        for name, value in written.values.items()
    }
    return Row(values | {"tg_op": NAMES[event]})


def copied_secret(state: MigrationState, line: int, table: str, command: Any) -> Faults:
    """Yield the fault of a new column with a secret, if a trigger copies whole rows into another table."""
    name = str(command.def_.colname)
    if command.subtype != Alter.AT_AddColumn or state.before is not None or not SECRET.search(name.lower()):
        return
    for trigger in state.catalog.triggers.values():
        function = state.catalog.routines.get(trigger.function)
        written = sorted(routines.written_by_triggers(state.catalog, table)) if trigger.table == table else []
        if function and written and _copies(function, trigger) and f"'{name}'" not in (function.body or ""):
            why = f"{trigger.function} copies whole rows of {table} into {written[0]}, and {name} with them"
            hint = f"first leave {name} out in {trigger.function}"
            yield Fault(line, "role-rights", why, hint, CARE)
            return


def _copies(function: Routine, trigger: Trigger) -> bool:
    body = re.sub(r"--[^\n]*", " ", (function.body or "").lower())
    tables = [WHOLE_TABLE.format(re.escape(each)) for each in trigger.transition_tables]
    return any(re.search(each, body) for each in (WHOLE_ROW, *tables))


def secret_faults(state: MigrationState, statement: Statement) -> Faults:
    """Yield the faults of the new columns of an ALTER TABLE."""
    node = statement.node
    if isinstance(node, ast.AlterTableStmt):
        for line, command in zip(statement.lines, node.cmds or (), strict=True):
            if command.subtype == Alter.AT_AddColumn:
                yield from copied_secret(state, line, relation_name(node.relation), command)
