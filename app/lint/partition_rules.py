"""Rules about partitions: which rows ATTACH scans, and which tables wait."""

from typing import Any

from pglast import ast
from pglast.enums import BoolExprType

from app.lint import costs
from app.lint.findings import Fault, Faults
from app.lint.nodes import ands, columns_in, constant_text, relation_name
from app.lint.rules import UNSAFE
from app.lint.state import MigrationState

DEFAULT_HINT = "give the DEFAULT partition a valid CHECK without these rows, or move its rows first"

DETACH_HINT = "use DETACH PARTITION ... CONCURRENTLY, as the only statement of a file with `-- transactional: false`"
GONE_HINT = "make sure that the running release does not need the rows, and allow it with that reason"
COPY_HINT = "create a partitioned table, copy the rows in batches, and switch the code over"


def attach_faults(state: MigrationState, line: int, table: str, command: Any) -> Faults:
    """Yield the faults of ATTACH PARTITION."""
    partition = relation_name(command.name)
    if _is_plain(state, table):
        yield _not_partitioned(line, table)
        return
    if state.is_busy(partition):
        state.locked.append(partition)
    if has_default(state, table) and state.is_busy(table) and not excluded(state, table, command.bound):
        yield _default(line, table)
    if state.is_busy(partition) and not _matches(state, table, partition, command.bound):
        why = f"{partition} is scanned under ACCESS EXCLUSIVE, because no valid CHECK matches its bounds"
        yield Fault(line, "partition-locks", why, level=UNSAFE if state.users(partition) else "")


def detach_faults(state: MigrationState, line: int, table: str, *, concurrent: bool) -> Faults:
    """Yield the faults of DETACH PARTITION."""
    if concurrent and has_default(state, table):
        why = f"PostgreSQL rejects CONCURRENTLY: {table} has a DEFAULT partition"
        yield Fault(line, "rejected", why, "first detach the DEFAULT partition")
    elif concurrent and (users := state.users(table)):
        yield Fault(line, "partition-locks", f"{users[0]} no longer finds the rows of the partition", GONE_HINT)
    elif not concurrent:
        why = f"DETACH blocks reads and writes of {table}, which then lacks the rows"
        yield Fault(line, "partition-locks", why, DETACH_HINT, UNSAFE if state.users(table) else "")


def partition_faults(state: MigrationState, line: int, parent: str, bound: Any) -> Faults:
    """Yield the faults of CREATE TABLE ... PARTITION OF."""
    if _is_plain(state, parent):
        yield _not_partitioned(line, parent)
        return
    if not state.is_busy(parent):
        return
    state.locked.append(parent)
    if has_default(state, parent) and not excluded(state, parent, bound):
        yield _default(line, parent)
    else:
        why = f"reads and writes of {parent} wait until the migration ends"
        yield Fault(line, "partition-locks", why)


def has_default(state: MigrationState, table: str) -> bool:
    """Return whether a partitioned table has a DEFAULT partition, as far as the files tell."""
    return table in state.catalog.tables and state.catalog.tables[table].has_default


def _is_plain(state: MigrationState, table: str) -> bool:
    known = state.catalog.tables.get(table)
    return known is not None and known.kind == "table" and known.is_complete


def _not_partitioned(line: int, table: str) -> Fault:
    return Fault(line, "rejected", f"PostgreSQL rejects it: {table} is not partitioned", COPY_HINT)


def default_partition(state: MigrationState, table: str) -> str:
    """Return the DEFAULT partition of a table, or "" if the files create none."""
    tables = state.catalog.tables
    is_default = (
        name for name, each in tables.items() if each.bound and each.bound.is_default and table in each.parents
    )
    return next(is_default, "")


def excluded(state: MigrationState, table: str, bound: Any) -> bool:
    """Return whether a valid CHECK of the DEFAULT partition excludes the rows of a range of one column."""
    key, rest = state.catalog.tables[table].partition_key, default_partition(state, table)
    if len(key) != 1 or not key[0] or not rest or bound.strategy != "r":
        return False
    lower, upper = [[constant_text(each) for each in side or ()] for side in (bound.lowerdatums, bound.upperdatums)]
    outside = {("<", *lower), (">=", *upper)}
    return any(
        all(_bounds(part, key[0]) and _bounds(part, key[0]) <= outside for part in _choices(condition))
        for each in state.catalog.constraints(rest)
        if each.kind == "check" and each.valid
        for condition in ands(each.expression)
    )


def _choices(node: Any) -> list[Any]:
    """Return the parts that OR joins."""
    is_or = isinstance(node, ast.BoolExpr) and node.boolop == BoolExprType.OR_EXPR
    return [part for each in node.args for part in _choices(each)] if is_or else [node]


def _default(line: int, table: str) -> Fault:
    why = f"the DEFAULT partition of {table} is scanned while its reads and writes wait"
    return Fault(line, "partition-locks", why, DEFAULT_HINT, UNSAFE)


def _matches(state: MigrationState, table: str, partition: str, bound: Any) -> bool:
    """Return whether valid CHECKs of a table imply the bounds of a range or a list of one column."""
    known = state.catalog.tables.get(table)
    if known is None or len(known.partition_key) != 1 or not known.partition_key[0]:
        return False
    key = known.partition_key[0]
    checks = [each for each in state.catalog.constraints(partition) if each.kind == "check" and each.valid]
    stated = {part for check in checks for each in ands(check.expression) for part in _bounds(each, key)}
    if not costs.never_null(state.catalog, partition, key):
        return False
    if bound.strategy == "r":
        lower = {(">=", constant_text(each)) for each in bound.lowerdatums or ()}
        upper = {("<", constant_text(each)) for each in bound.upperdatums or ()}
        return all(("", "") not in each and each <= stated for each in (lower, upper)) and bool(lower and upper)
    listed = frozenset(constant_text(each) for each in bound.listdatums or ())
    return bound.strategy == "l" and any(op == "=" and {*value.split(SEPARATOR)} <= listed for op, value in stated)


SEPARATOR = "\0"


def _bounds(part: Any, key: str) -> set[tuple[str, str]]:
    """Return the operator and the constants of a comparison with the key. Those of a list are in one text."""
    match part:
        case ast.A_Expr(lexpr=left, rexpr=tuple(values), name=[ast.String(sval="=")]) if columns_in(left) == {key}:
            return {("=", SEPARATOR.join(map(constant_text, values)))}
        case ast.A_Expr(lexpr=left, rexpr=right, name=[ast.String(sval=str(operator))]) if columns_in(left) == {key}:
            text = constant_text(right)
            return {(operator, text)} if text else set()
        case _:
            return set()
