"""How PostgreSQL answers a query of sql/queries/: the shape of its plan, and what that touched."""

import re
from dataclasses import dataclass, field
from typing import Any

from psycopg.sql import SQL, Literal

from app.migrations.connection import Connection

COSTS = re.compile(r"\(cost=[\d.]+\.\.([\d.]+) rows=\d+ width=\d+\)")
SLOW = 20.0  # milliseconds


@dataclass
class Plan:
    """One execution. Figures are of the whole plan."""

    shape: tuple[str, ...]  # a line for each node, indented by its depth
    cost: float  # as the planner has it
    rows: int  # returned
    buffers: int  # pages of 8 kB, found in the cache or not
    milliseconds: float
    read: int = 0  # rows that were fetched from tables, those included that a filter then dropped
    indexes: set[str] = field(default_factory=set)
    sequential: set[str] = field(default_factory=set)  # tables read from end to end
    estimate: str = ""  # the whole plan as the planner sees it beforehand


def explain(
    connection: Connection, sql: str, arguments: str, mode: str = "force_custom_plan", known: Plan | None = None
) -> Plan:
    """Execute a query with arguments, as SQL has them, under a plan_cache_mode; nothing of what it does stays.

    Where that takes long, and the planner sees what it saw for `known`, at a like cost, that is returned instead.
    Without arguments that it needs, a query is only parsed. Raises psycopg.Error where it does not fit the schema.
    """
    connection.execute(f"PREPARE query AS {sql}".encode())
    try:
        if not arguments and "$1" in sql:
            return Plan((), 0.0, 0, 0, 0.0)
        call = f"EXECUTE query ({arguments})" if arguments else "EXECUTE query"
        with connection.transaction(force_rollback=True):
            connection.execute(SQL("SET LOCAL plan_cache_mode = {}").format(Literal(mode)))
            connection.execute("SET LOCAL jit = off")
            estimate = "\n".join(line for (line,) in connection.execute(f"EXPLAIN {call}".encode()))
            if known and known.milliseconds > SLOW and _alike(estimate, known.estimate):
                return known
            [[plan]] = connection.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {call}".encode()).fetchone() or [[]]
    finally:
        connection.execute("DEALLOCATE query")
    top = plan["Plan"]
    explained = Plan(
        shape=(),
        cost=top["Total Cost"],
        rows=round(top["Actual Rows"] * top["Actual Loops"]),
        buffers=top["Shared Hit Blocks"] + top["Shared Read Blocks"],
        milliseconds=plan["Execution Time"],
        estimate=estimate,
    )
    explained.shape = tuple(_lines(top, 0, explained))
    return explained


def _alike(one: str, other: str) -> bool:
    """Whether two estimates are the same plan, at costs that differ by less than a hundredth."""
    if COSTS.sub("", one) != COSTS.sub("", other):
        return False
    first, second = (float(match[1]) for match in map(COSTS.search, (one, other)) if match)
    return abs(first - second) < 0.01 * first


def _lines(node: dict[str, Any], depth: int, plan: Plan) -> list[str]:
    """The lines of a node and of those under it that were executed; their tables and indexes go into the plan."""
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
