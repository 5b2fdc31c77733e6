"""Query plans: run a query of sql/queries/ with EXPLAIN, and return the shape of its plan and the work that it did."""

import re
from dataclasses import dataclass, field
from typing import Any

from psycopg.sql import SQL, Literal

from app.migrations.connection import Connection

RANDOM = re.compile(r"\b(gen_random_uuid|uuidv[47]|random|random_normal)\s*\(", re.IGNORECASE)
RANDOM_TRIES = 3  # executions of a query that chooses rows by chance
DONE = re.compile(
    "Cost|Rows|Width|Actual|Time|Loops|Blocks|Usage|Method|Workers|Fetches|Batches|Buckets|Space|Searches|Groups|Hits"
    "|Misses|Evictions|Overflows|Tuples|Storage"
)  # keys of a node that the estimate does not have, or that differ without a change of the plan
MAX_TIME = 5  # seconds of one query, as DATABASE_STATEMENT_TIMEOUT is by default
MAX_LATE = 3  # queries that may take longer than MAX_TIME. The others get SHORT_TIME, for a review of a few minutes
SHORT_TIME = 1  # seconds
WORSE_FACTOR = 4  # times the buffers that a query needed before
NOISE = 1000  # buffers that a query may need more than before
AT_COMMIT = "SET CONSTRAINTS ALL IMMEDIATE"  # runs the deferred triggers and constraints before a rollback
SLOWER_FACTOR = 10  # times the time that a query needed before
SLOWER_NOISE = 100.0  # milliseconds that a query may need more than before
SLOW_PLAN = 20.0  # milliseconds from which a plan is not measured again if its estimate is the same


Estimate = tuple[str, float]  # the work of a node, and its cost


@dataclass
class Plan:
    """One execution of a query. The figures are of the whole plan."""

    shape: tuple[str, ...]  # a line for each node, indented by its depth
    cost: float  # the planner's
    rows: int  # returned
    buffers: int  # pages of 8 kB, found in the cache or not
    milliseconds: float
    read: int = 0  # rows fetched from tables, including those that a filter dropped
    indexes: set[str] = field(default_factory=set)
    sequential: set[str] = field(default_factory=set)  # tables with a sequential scan
    estimate: tuple[Estimate, ...] = ()  # of each node

    @property
    def writes(self) -> bool:
        """Return whether it writes rows, so that triggers and constraints may make it fail."""
        return any("ModifyTable" in line for line in self.shape)


def explain(
    connection: Connection,
    sql: str,
    arguments: str,
    mode: str = "force_custom_plan",
    known: Plan | None = None,
    late: int = 0,
) -> Plan:
    """Run a query under a plan_cache_mode, roll it back, and return its plan.

    `arguments` are SQL expressions. If the query needs some and gets none, it is only parsed. If `known` was slow and
    the planner estimates the same plan, return `known`. Raises psycopg.Error if the query does not fit the schema, or
    takes longer than MAX_TIME, as it may without an index of a later migration. `late` such queries were there before.
    A query that chooses rows by chance is run RANDOM_TRIES times, and the plan is that of the largest execution.
    """
    limit = time_limit(late)
    connection.execute(f"PREPARE query AS {sql}".encode())
    try:
        if not arguments and "$1" in sql:
            return Plan((), 0.0, 0, 0, 0.0)
        call = f"EXECUTE query ({arguments})" if arguments else "EXECUTE query"
        with connection.transaction(force_rollback=True):
            connection.execute(SQL("SET LOCAL plan_cache_mode = {}").format(Literal(mode)))
            connection.execute("SET LOCAL jit = off")
            connection.execute(SQL("SET LOCAL statement_timeout = {}").format(Literal(limit)))
            if known and known.milliseconds > SLOW_PLAN and not known.writes:
                [[plan]] = connection.execute(f"EXPLAIN (FORMAT JSON) {call}".encode()).fetchone() or [[]]
                if _alike(_estimate(plan["Plan"]), known.estimate):
                    return known
            tries = RANDOM_TRIES if RANDOM.search(sql) else 1
            plan = max((_run(connection, call) for _ in range(tries)), key=_buffers)
    finally:
        connection.execute("DEALLOCATE query")
    top = plan["Plan"]
    explained = Plan(
        shape=(),
        cost=top["Total Cost"],
        rows=round(top["Actual Rows"] * top["Actual Loops"]),
        buffers=_buffers(plan),
        milliseconds=plan["Execution Time"],
        estimate=_estimate(top),
    )
    explained.shape = tuple(_lines(top, 0, explained))
    return explained


def _run(connection: Connection, call: str) -> dict[str, Any]:
    """Run a prepared query, and roll it back."""
    with connection.transaction(force_rollback=True):
        [[plan]] = connection.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {call}".encode()).fetchone() or [[]]
        connection.execute(AT_COMMIT)
    found: dict[str, Any] = plan
    return found


def _buffers(plan: dict[str, Any]) -> int:
    """Return the pages that an execution used."""
    return int(plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"])


def is_worse(before: Plan, after: Plan, *, noise: int = NOISE) -> bool:
    """Return whether a plan reads so much more than another one that it is not by chance."""
    return after.buffers > WORSE_FACTOR * before.buffers + noise


def is_slower(before: Plan, after: Plan) -> bool:
    """Return whether a plan takes so much longer than another one that it is not by chance."""
    return after.milliseconds > SLOWER_FACTOR * before.milliseconds + SLOWER_NOISE


def time_limit(late: int) -> str:
    """Return the time of a query after so many others have run into it, as PostgreSQL reads it."""
    return f"{(MAX_TIME if late < MAX_LATE else SHORT_TIME) * 1000:.0f}ms"


def _estimate(node: dict[str, Any]) -> tuple[Estimate, ...]:
    """Return what each node of a plan is to do, without what EXPLAIN ANALYZE adds, and the planner's cost."""
    own = ", ".join(f"{key}: {value}" for key, value in sorted(node.items()) if key != "Plans" and not DONE.search(key))
    below = (each for under in node.get("Plans", []) for each in _estimate(under))
    return (own, node["Total Cost"]), *below


def _alike(one: tuple[Estimate, ...], other: tuple[Estimate, ...]) -> bool:
    """Return whether two estimates have the same plan, and their costs differ by less than 1 %."""
    if [what for what, _ in one] != [what for what, _ in other]:
        return False
    first, second = one[0][1], other[0][1]
    return abs(first - second) < 0.01 * first


def _lines(node: dict[str, Any], depth: int, plan: Plan) -> list[str]:
    """Return the lines of a node and of the executed nodes under it. Add their tables and indexes to the plan."""
    if node["Actual Loops"] == 0:
        return []
    words = [node["Node Type"]]
    if index := node.get("Index Name"):
        plan.indexes.add(index)
        words.append(f"using {index}")
    plan.indexes.update(node.get("Conflict Arbiter Indexes", []))
    if table := node.get("Relation Name"):
        words.append(f"on {table}")
        if node["Node Type"] != "ModifyTable":
            dropped = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
            plan.read += round((node["Actual Rows"] + dropped) * node["Actual Loops"])
        if node["Node Type"] == "Seq Scan":
            plan.sequential.add(table)
    if condition := node.get("One-Time Filter"):
        words.append(f"if {condition}")
    lines = [f"{'  ' * depth}{' '.join(words)}"]
    for under in node.get("Plans", []):
        lines += _lines(under, depth + 1, plan)
    return lines
