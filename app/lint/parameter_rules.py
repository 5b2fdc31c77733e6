"""Rules about storage parameters: values that PostgreSQL rejects, and those that hinder autovacuum or queries."""

from collections.abc import Iterable
from typing import Any

from pglast import ast
from pglast.enums import AlterTableType as Alter
from pglast.enums import ObjectType

from app.lint import costs
from app.lint.definition_rules import rejected
from app.lint.findings import Fault, Faults
from app.lint.nodes import constant_text, relation_name
from app.lint.parser import Statement
from app.lint.rules import CARE, UNSAFE
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
OFF = {"off", "false", "0", "no"}
MANY_ROWS = 10_000_000
MANY_IDS = 1_500_000_000  # transactions, of about 2,100,000,000
STARVES = {f"autovacuum_{each}_threshold" for each in ("vacuum", "vacuum_insert", "analyze")}
SHARES = {f"autovacuum_{each}_scale_factor" for each in ("vacuum", "vacuum_insert", "analyze")}
AGES = {"autovacuum_freeze_max_age", "autovacuum_multixact_freeze_max_age"}
STARVED = {name: "analyzes" for name in (*STARVES, *SHARES) if "analyze" in name} | dict.fromkeys(AGES, "freezes")
LIMIT, DELAY = 200, 2  # of PostgreSQL: cost units, and milliseconds of a pause after so many
SLOWEST = 5  # cost units in a millisecond: a twentieth of the default


def parameter_faults(state: MigrationState, statement: Statement) -> Faults:
    """Yield the faults of the storage parameters in a statement."""
    node, line = statement.node, statement.line
    match node:
        case ast.CreateStmt(options=[*options]) if node.partspec is None:
            yield from _wrong(line, options, OF_TABLES)
            yield from _starved(line, relation_name(node.relation), options)
        case ast.CreateTableAsStmt(into=ast.IntoClause(rel=relation, options=[*options])):
            yield from _starved(line, relation_name(relation), options)
        case ast.IndexStmt(options=[*options], accessMethod=method) if method in METHODS:
            yield from _wrong(line, options, OF_INDEXES)
        case ast.AlterTableStmt(cmds=[*commands], objtype=ObjectType.OBJECT_TABLE | ObjectType.OBJECT_MATVIEW):
            for each, command in zip(statement.lines, commands, strict=True):
                if command.subtype == Alter.AT_SetRelOptions:
                    yield from _wrong(each, command.def_, OF_TABLES)
                    yield from _starved(each, relation_name(node.relation), command.def_)
                elif command.subtype == Alter.AT_SetOptions and any(map(_is_fixed_count, command.def_)):
                    why = f"the planner believes this number of values of {command.name}, whatever ANALYZE finds"
                    yield Fault(each, "slower-queries", why, "let ANALYZE count, with a larger SET STATISTICS")
                elif command.subtype == Alter.AT_SetStatistics and constant_text(command.def_) == "0":
                    why = (
                        f"ANALYZE collects nothing about {command.name}, so the planner guesses how many rows it finds"
                    )
                    yield Fault(each, "slower-queries", why, "use -1, the default, or a small number")
        case ast.AlterTableStmt(cmds=[*commands], objtype=ObjectType.OBJECT_VIEW, relation=relation):
            options = [
                each for command in commands if command.subtype == Alter.AT_SetRelOptions for each in command.def_
            ]
            if any(each.defname == "security_invoker" and not _is_off(each) for each in options):
                yield from _as_reader(state, line, relation_name(relation))
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


def _starved(line: int, table: str, options: Iterable[Any]) -> Faults:
    """Yield the faults of options that switch autovacuum off, or have the same effect."""
    found = [each for each in options if each.defnamespace in {None, "toast"}]
    for each in found:
        name, number = each.defname or "", _number(each)
        if name == "autovacuum_enabled" and _is_off(each):
            why = f"the dead rows of {table} and its transaction ids are never cleaned up"
            yield Fault(line, "autovacuum-off", why)
        elif name == "vacuum_index_cleanup" and _is_off(each):
            yield Fault(line, "autovacuum-off", f"the indexes of {table} keep the entries of all dead rows")
        elif number is not None and (
            (name in STARVES and (number > MANY_ROWS or number < 0))
            or (name in SHARES and number >= 1)
            or (name in AGES and number > MANY_IDS)
        ):
            why = f"autovacuum hardly ever {STARVED.get(name, 'cleans up')} {table} with {name} = {number:,g}"
            yield Fault(line, "autovacuum-off", why)
    for namespace in (None, "toast"):
        own = {each.defname: _number(each) for each in found if each.defnamespace == namespace}
        delay, limit = own.get("autovacuum_vacuum_cost_delay"), own.get("autovacuum_vacuum_cost_limit")
        if (delay is not None or limit is not None) and (limit or LIMIT) < SLOWEST * (
            DELAY if delay is None else delay
        ):
            why = f"autovacuum of {table} is so slow that dead rows pile up meanwhile"
            yield Fault(line, "autovacuum-off", why)


def _as_reader(state: MigrationState, line: int, view: str) -> Faults:
    """Yield the fault of a view that its readers then read with their own rights on the tables below."""
    known = state.catalog.tables.get(view)
    readers = {right.role for right in state.catalog.rights.get(view, frozenset())}
    if not state.is_busy(view) or state.before is not None or not (readers or state.users(view)):
        return
    rights = state.catalog.rights
    below = sorted(costs.tables_read(known.query)) if known else []
    lacking = [
        f"{role} lacks SELECT on {table}"
        for table in below
        for role in sorted(readers)
        if (role, "select") not in rights.get(table, frozenset())
    ]
    why = f"each reader of {view} then needs rights on {', '.join(below) or 'the tables below'}"
    more = f", and {lacking[0]}" if lacking else ""
    yield Fault(line, "revoke-breaks", why + more, "first grant them", UNSAFE if lacking else CARE)


def _pending(line: int, index: str, options: Iterable[Any]) -> Faults:
    for each in options:
        if each.defname == "fastupdate" and not _is_off(each):
            why = f"new rows wait in a list that each search by {index} reads in full, until a vacuum"
            yield Fault(line, "slower-queries", why, "leave it off if searches have to be fast")


def _is_fixed_count(option: Any) -> bool:
    """Return whether an option of a column is a number of distinct values. A negative one grows with the table."""
    return (option.defname or "").startswith("n_distinct") and (_number(option) or 0) > 0


def _is_off(option: Any) -> bool:
    return constant_text(option.arg).lower() in OFF


def _number(option: Any) -> float | None:
    try:
        return float(constant_text(option.arg))
    except ValueError:
        return None
