"""Rules about the effects of a new trigger on the writes of the service: rights that it lacks, and other values."""

import re
from typing import Any

from pglast import ast

from app.lint import routines
from app.lint.catalog import Catalog
from app.lint.findings import Fault, Faults
from app.lint.nodes import relation_name
from app.lint.objects import Trigger, trigger_of
from app.lint.parser import Statement
from app.lint.rights import Right
from app.lint.state import MigrationState
from app.lint.usage import NEW_VALUES
from app.lint.written_rows import updates

BEFORE, UPDATE = 2, 16  # bits of pg_trigger.tgtype
WRITES = {ast.InsertStmt: "insert", ast.UpdateStmt: "update", ast.DeleteStmt: "delete"}
EVENTS = {"insert": 4, "delete": 8, "update": 16}
ASSIGNMENT = re.compile(r"(?i)\bnew\.(\w+)\s*:?=\s*(?:pg_catalog\.)?(\w+)\s*\(")


def trigger_effect_faults(state: MigrationState, statement: Statement) -> Faults:
    """Yield the faults of a CREATE TRIGGER. Call it before the catalog has the change."""
    node, line = statement.node, statement.line
    if not isinstance(node, ast.CreateTrigStmt) or state.before is not None:
        return
    trigger = trigger_of(node, state.file)
    if not state.is_busy(trigger.table) or trigger.function not in state.catalog.routines:
        return
    if lacking := _lacking_right(state.catalog, trigger):
        why = f"each such write of {trigger.table} fails: {lacking}"
        hint = "first grant the right, or make the function SECURITY DEFINER with a fixed search_path"
        yield Fault(line, "trigger-off", why, hint)
    if trigger.for_each_row and trigger.timing & BEFORE and trigger.events & UPDATE:
        yield from _replaces(state, line, trigger)


def _lacking_right(catalog: Catalog, trigger: Trigger) -> str:
    """Return which right a role that fires a trigger lacks on a table that the function writes, or ""."""
    writers = {
        right.role
        for right in catalog.rights.get(trigger.table, frozenset())
        if trigger.events & EVENTS.get(right.name, 0) and right.role in catalog.service_roles()
    }
    for name in sorted(_with_rights_of_caller(catalog, trigger.function)):
        for each in routines.statements_of(catalog.routines[name]):
            for node in each.nodes if not each.unreadable else ():
                right = WRITES.get(type(node))
                table = _table(catalog, node) if right else ""
                for role in sorted(writers) if table else ():
                    if right and Right(role, right) not in catalog.rights.get(table, frozenset()):
                        return f"{name} writes {table}, and {role} has no right to {right.upper()} there"
    return ""


def _with_rights_of_caller(catalog: Catalog, function: str) -> set[str]:
    """Return a function and those that it calls, without SECURITY DEFINER and what runs below it."""
    found: set[str] = set()
    waiting = [function]
    while waiting:
        name = waiting.pop()
        routine = catalog.routines.get(name)
        if routine and not routine.is_definer and name not in found:
            found.add(name)
            waiting += routines.use_of_routine(name, routine).functions
    return found


def _table(catalog: Catalog, node: Any) -> str:
    """Return the table of a write, if the files create it: by its name, whatever schema an EXECUTE puts in front."""
    names = [relation_name(node.relation), str(node.relation.relname)]
    return next((each for each in names if each in catalog.tables and each not in catalog.temporary), "")


def _replaces(state: MigrationState, line: int, trigger: Trigger) -> Faults:
    """Yield the fault of a trigger that changes a column with each UPDATE, if the release does so with some of them."""
    body = re.sub(r"--[^\n]*", "", state.catalog.routines[trigger.function].body or "")
    for column, function in ASSIGNMENT.findall(body):
        written = updates(state, trigger.table)
        apart = [name for name, columns in written if column.lower() not in columns]
        if function.lower() in NEW_VALUES and apart and len(apart) < len(written):
            why = f"each UPDATE of {trigger.table} then changes {column.lower()}, and {apart[0]} must not"
            hint = f"let the queries set {column.lower()}, or use a new column"
            yield Fault(line, "trigger-off", why, hint)
            return
