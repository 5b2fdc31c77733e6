"""Rules about CREATE TRIGGER: combinations and functions that PostgreSQL rejects."""

from typing import Any

from pglast import ast

from app.lint.definition_rules import rejected
from app.lint.findings import Fault, Faults
from app.lint.functions import is_built_in
from app.lint.nodes import columns_in, qualified_name, relation_name, walk
from app.lint.parser import Statement
from app.lint.state import MigrationState

BEFORE, INSERT, DELETE, UPDATE, TRUNCATE, INSTEAD = 2, 4, 8, 16, 32, 64  # bits of pg_trigger.tgtype
SUPPRESS = "suppress_redundant_updates_trigger"
# Trigger functions of PostgreSQL.
TRIGGER_FUNCTIONS = {
    SUPPRESS,
    "tsvector_update_trigger",
    "tsvector_update_trigger_column",
}


def trigger_faults(state: MigrationState, statement: Statement) -> Faults:
    """Yield the faults of a CREATE TRIGGER. Call it before the catalog has the change."""
    node, line = statement.node, statement.line
    if not isinstance(node, ast.CreateTrigStmt):
        return
    known = state.catalog.tables.get(relation_name(node.relation))
    is_view = known is not None and known.query is not None and known.kind == "view"
    timing, events = node.timing or 0, node.events or 0
    if known and timing & INSTEAD and not is_view:
        yield rejected(line, f"{relation_name(node.relation)} is no view, and INSTEAD OF is for views")
    elif is_view and node.row and not timing & INSTEAD:
        yield rejected(line, f"{relation_name(node.relation)} is a view: a trigger of its rows is INSTEAD OF")
    elif node.row and events & TRUNCATE:
        yield rejected(line, "TRUNCATE has no rows, so its trigger is FOR EACH STATEMENT")
    if node.transitionRels and (why := _without_transitions(node, timing, events)):
        yield rejected(line, why)
    elif node.transitionRels and node.row and known and (known.kind == "partitioned" or known.parents):
        yield rejected(line, f"a row trigger of {relation_name(node.relation)}, in a tree, has no transition tables")
    if why := _wrong_condition(node, events):
        yield rejected(line, why)
    name = qualified_name(node.funcname)
    if why := _unfit(name.removeprefix("pg_catalog."), node):
        why = f"each such write of {relation_name(node.relation)} fails: {why}"
        yield Fault(line, "trigger-off", why, "correct the trigger")
    routine = state.catalog.routines.get(name)
    is_for_triggers = name.removeprefix("pg_catalog.") in TRIGGER_FUNCTIONS
    if routine.returns != "trigger" if routine else is_built_in(name) and not is_for_triggers:
        yield rejected(line, f"{name} does not return trigger")


def _unfit(name: str, node: Any) -> str:
    """Return why a trigger function of PostgreSQL raises an error, or ""."""
    if name not in TRIGGER_FUNCTIONS or (node.row and (node.timing or 0) & BEFORE and not _other_events(name, node)):
        return ""
    events = "UPDATE" if name == SUPPRESS else "INSERT or UPDATE"
    return f"{name}() is for BEFORE {events} FOR EACH ROW"


def _other_events(name: str, node: Any) -> int:
    return int((node.events or 0) & ~(UPDATE if name == SUPPRESS else INSERT | UPDATE))


def _without_transitions(node: Any, timing: int, events: int) -> str:
    """Return why a trigger cannot have transition tables, or ""."""
    if timing & (BEFORE | INSTEAD):
        return "only an AFTER trigger has transition tables"
    if node.columns:
        return "a trigger with a list of columns cannot have transition tables"
    if events.bit_count() > 1:
        return "a trigger of several events cannot have transition tables"
    for each in node.transitionRels:
        if events & TRUNCATE or events == (DELETE if each.isNew else INSERT):
            return f"the event has no {'NEW' if each.isNew else 'OLD'} TABLE"
    return ""


def _wrong_condition(node: Any, events: int) -> str:
    """Return the row that a WHEN names although an event does not have it, or ""."""
    names = [[*each.fields] for each in walk(node.whenClause) if isinstance(each, ast.ColumnRef) and each.fields]
    rows = {fields[0].sval for fields in names if len(fields) > 1 and isinstance(fields[0], ast.String)} & {
        "new",
        "old",
    }
    if rows and not node.row:
        return "WHEN of a trigger of statements cannot name NEW or OLD"
    if "new" in rows and events & DELETE:
        return "a DELETE has no NEW"
    if "old" in rows and events & INSERT:
        return "an INSERT has no OLD"
    if columns_in(node.whenClause) and any(isinstance(each, ast.SubLink) for each in walk(node.whenClause)):
        return "a subquery cannot be in WHEN"
    return ""
