"""Rules about foreign keys beside the running release: rows that it deletes, while others refer to them."""

from typing import Any

from pglast import ast

from app.lint.findings import Fault, Faults
from app.lint.nodes import constraint_columns, relation_name
from app.lint.routines import reached, use_of_routine
from app.lint.rules import CARE, UNSAFE
from app.lint.state import MigrationState
from app.lint.usage import Use

NO_ACTION, RESTRICT, SET_NULL, SET_DEFAULT = "a", "r", "n", "d"
BEFORE, DELETE = 2, 8  # bits of pg_trigger.tgtype
HINT = "add ON DELETE CASCADE, or first release code that deletes the other rows before"


def reference_faults(state: MigrationState, line: int, table: str, node: Any) -> Faults:
    """Yield the fault of a foreign key for which PostgreSQL rejects what the release does to the other table.

    A new table, or one that the release does not write, has no rows that refer to the other one.
    """
    target = relation_name(node.pktable)
    columns = constraint_columns(node)
    if not node.is_enforced or state.before is not None or not state.is_busy(table):
        return
    if not any(_writes(use, table, columns) for use in state.bodies()):
        return
    if node.fk_del_action in _rejecting(state, table, columns) and (
        deleters := [use for use in state.bodies() if target in use.deleted and table not in use.deleted]
    ):
        is_late = node.initdeferred and _is_cleared(state, table, target)
        if not is_late and not _is_cleared(state, table, target, before=True):
            apart = any(table in use.deleted for use in state.uses)
            why = f"{deleters[0].name} deletes from {target}, and fails while {table} has a row of it"
            yield Fault(line, "insert-breaks", why, HINT, CARE if apart else UNSAFE)
    elif node.fk_upd_action in {NO_ACTION, RESTRICT} and (changer := _changer(state, target, node)):
        why = f"{changer} changes the key of {target}, and fails while {table} has a row of it"
        yield Fault(line, "insert-breaks", why, "add ON UPDATE CASCADE", UNSAFE)


def _writes(use: Use, table: str, columns: tuple[str, ...]) -> bool:
    """Return whether a query writes columns of a table that lead to the other one."""
    return any(
        relation_name(node.relation) == table
        and {*columns} <= {each.name for each in (getattr(node, "cols", None) or node.targetList or ())}
        for node in use.writes
    )


def _rejecting(state: MigrationState, table: str, columns: tuple[str, ...]) -> set[str]:
    """Return the actions of ON DELETE with which a delete may fail."""
    known = [state.catalog.column(table, each) for each in columns]
    found = {NO_ACTION, RESTRICT}
    if any(each and each.not_null for each in known):
        found.add(SET_NULL)
    if any(each and (each.not_null or each.default is not None) for each in known):
        found.add(SET_DEFAULT)
    return found


def _is_cleared(state: MigrationState, table: str, target: str, *, before: bool = False) -> bool:
    """Return whether a trigger of the other table deletes the rows of this one, perhaps before its own row goes."""
    for trigger in state.catalog.triggers.values():
        is_in_time = trigger.timing & BEFORE or not before
        if trigger.table == target and trigger.events & DELETE and is_in_time:
            for name in reached(state.catalog, trigger.function):
                if table in use_of_routine(name, state.catalog.routines[name]).deleted:
                    return True
    return False


def _changer(state: MigrationState, target: str, node: Any) -> str:
    """Return a query that gives the key to which the foreign key leads another value, or ""."""
    key = {each.sval for each in node.pk_attrs or ()}
    for constraint in state.catalog.constraints(target) if not key else ():
        key |= {*constraint.columns} if constraint.kind == "pkey" else set()
    for use in state.bodies():
        for each in use.writes:
            is_update = isinstance(each, ast.UpdateStmt) and relation_name(each.relation) == target
            if is_update and key & {column.name for column in each.targetList or ()}:
                return use.name
    return ""
