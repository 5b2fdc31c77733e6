"""Rules about storage parameters: values that PostgreSQL rejects, and those that hinder autovacuum or queries."""

from collections.abc import Iterable
from typing import Any

from pglast import ast
from pglast.enums import AlterTableType as Alter
from pglast.enums import ObjectType

from app.lint.definition_rules import rejected
from app.lint.findings import Fault, Faults
from app.lint.nodes import constant_text, relation_name
from app.lint.parser import Statement
from app.lint.state import MigrationState

INTEGER = 2**31 - 1  # the largest number of a parameter
OF_AUTOVACUUM = {
    "vacuum_threshold": (0, INTEGER),
    "vacuum_max_threshold": (-1, INTEGER),
    "vacuum_insert_threshold": (-1, INTEGER),
    "analyze_threshold": (0, INTEGER),
    "vacuum_scale_factor": (0, 100),
    "vacuum_insert_scale_factor": (0, 100),
    "analyze_scale_factor": (0, 100),
    "vacuum_cost_delay": (0, 100),
    "vacuum_cost_limit": (1, 10000),
    "freeze_min_age": (0, 1_000_000_000),
    "freeze_max_age": (100_000, 2_000_000_000),
    "freeze_table_age": (0, 2_000_000_000),
    "multixact_freeze_min_age": (0, 1_000_000_000),
    "multixact_freeze_max_age": (10_000, 2_000_000_000),
    "multixact_freeze_table_age": (0, 2_000_000_000),
}
ANY = (-float("inf"), float("inf"))
# Parameters, each with its smallest and its largest number.
OF_TABLES = {
    **{f"autovacuum_{name}": limits for name, limits in OF_AUTOVACUUM.items()},
    **dict.fromkeys(("autovacuum_enabled", "user_catalog_table", "vacuum_index_cleanup", "vacuum_truncate"), ANY),
    "log_autovacuum_min_duration": (-1, INTEGER),
    "vacuum_max_eager_freeze_failure_rate": (0, 1),
    "oids": ANY,  # only false
    "fillfactor": (10, 100),
    "parallel_workers": (0, 1024),
    "toast_tuple_target": (128, 8160),
}
OF_INDEXES = {
    "fillfactor": (10, 100),
    "deduplicate_items": ANY,
    "fastupdate": ANY,
    "gin_pending_list_limit": (64, INTEGER),
    "buffering": ANY,
    "pages_per_range": (1, 131_072),
    "autosummarize": ANY,
}
METHODS = {"btree", "hash", "gin", "gist", "spgist", "brin"}  # an extension's method has parameters of its own
NEWER = {"autovacuum_vacuum_max_threshold", "vacuum_max_eager_freeze_failure_rate"}  # of PostgreSQL 18
MANY_ROWS = 10_000_000
STARVES = {"autovacuum_vacuum_threshold", "autovacuum_vacuum_insert_threshold"}


def parameter_faults(state: MigrationState, statement: Statement) -> Faults:
    """Yield the faults of the storage parameters in a statement."""
    node, line = statement.node, statement.line
    match node:
        case ast.CreateStmt(options=[*options]) if node.partspec is None:
            yield from _wrong(line, options, OF_TABLES)
        case ast.IndexStmt(options=[*options], accessMethod=method) if method in METHODS:
            yield from _wrong(line, options, OF_INDEXES)
        case ast.AlterTableStmt(cmds=[*commands], objtype=ObjectType.OBJECT_TABLE | ObjectType.OBJECT_MATVIEW):
            for each, command in zip(statement.lines, commands, strict=True):
                if command.subtype == Alter.AT_SetRelOptions:
                    yield from _wrong(each, command.def_, OF_TABLES)
                    yield from _starved(state, each, relation_name(node.relation), command.def_)
                elif command.subtype == Alter.AT_SetStatistics and constant_text(command.def_) == "0":
                    why = (
                        f"ANALYZE collects nothing about {command.name}, so the planner guesses how many rows it finds"
                    )
                    yield Fault(each, "slower-queries", why, "use -1, the default, or a small number")
        case ast.AlterTableStmt(cmds=[*commands], objtype=ObjectType.OBJECT_INDEX, relation=relation):
            for command in commands:
                if command.subtype == Alter.AT_SetRelOptions and relation_name(relation) in state.catalog.indexes:
                    yield from _pending(line, relation_name(relation), command.def_)
        case _:
            pass


def _wrong(line: int, options: Iterable[Any], known: dict[str, tuple[float, float]]) -> Faults:
    for each in options:
        name, number = each.defname or "", _number(each)
        if each.defnamespace not in {None, "toast"}:
            continue
        if name not in known:
            yield rejected(line, f"there is no parameter {name}")
        elif number is not None and not known[name][0] <= number <= known[name][1]:
            yield rejected(line, f"{name} is between {known[name][0]:,} and {known[name][1]:,}")
        elif name in NEWER:
            yield Fault(line, "newer-server", f"{name} needs PostgreSQL 18")


def _starved(state: MigrationState, line: int, table: str, options: Iterable[Any]) -> Faults:
    """Yield the fault of a threshold that a table in use hardly ever reaches."""
    for each in options if state.is_busy(table) else ():
        number = _number(each)
        if number is not None and (
            (each.defname in STARVES and (number > MANY_ROWS or number < 0))
            or (each.defname == "autovacuum_vacuum_scale_factor" and number >= 1)
        ):
            why = f"autovacuum hardly ever cleans up {table} with {each.defname} = {number:,g}"
            yield Fault(line, "autovacuum-off", why)


def _pending(line: int, index: str, options: Iterable[Any]) -> Faults:
    for each in options:
        if each.defname == "fastupdate" and constant_text(each.arg).lower() not in {"off", "false", "0", "no"}:
            why = f"new rows wait in a list that each search by {index} reads in full, until a vacuum"
            yield Fault(line, "slower-queries", why, "leave it off if searches have to be fast")


def _number(option: Any) -> float | None:
    try:
        return float(constant_text(option.arg))
    except ValueError:
        return None
