"""Batches of a backfill: the ranges of its key, which PostgreSQL finds, and its statement for one of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from app.errors import CommandError, ExitCode
from app.migrations.backfill_statement import SETTING, key_columns
from app.migrations.connection import Connection, run
from app.schema.headers import directives
from app.schema.statements import split_statements


@dataclass(frozen=True)
class Plan:
    """A backfill's statement, and the queries that find the ranges of its batches: see plan_backfill.sql."""

    sql: str
    reads_settings: bool  # in place of parameters
    table: str
    rows_expected: int
    key_order: list[str]  # types and collations of the key's columns
    first_key: str
    last_key: str
    batch: str


def execute(connection: Connection, sql: str, values: Sequence[object] = ()) -> psycopg.Cursor[Any]:
    """Execute a statement whose parameters are `$1`, `$2`. PostgreSQL reads the texts as the types of the columns."""
    return psycopg.RawCursor(connection).execute(sql.encode(), values, prepare=False)


def run_batch(connection: Connection, plan: Plan, ends: Sequence[str]) -> None:
    """Run the statement of a backfill for a range, inside a transaction: it may read the ends as settings."""
    run(connection, "prepare_batch")
    if plan.reads_settings:
        names = [f"{SETTING}{number}" for number in range(1, len(ends) + 1)]
        run(connection, "set_range", names=names, ends=list(ends))
        ends = ()
    execute(connection, plan.sql, ends)


def find_range(
    connection: Connection, plan: Plan, position: list[str], ends_at: list[str], rows: int
) -> tuple[int, list[str], list[str] | None]:
    """Return the rows of the next batch, its last key, and the first key after it. A batch without rows has no keys."""
    found = execute(connection, plan.batch, [*position, *ends_at, rows + 1]).fetchall()
    following = found.pop(0)[1] if found and found[0][0] > rows else None
    return (*found[0], following) if found else (0, [], None)


def batches(connection: Connection, path: Path, rows: int, first_rows: int | None = None) -> Iterator[int]:
    """Run a backfill's file without a record, and yield the rows of each batch.

    Raises CommandError, or psycopg.Error.
    """
    plan = make_plan(connection, path)
    first, last = (execute(connection, query).fetchone() for query in (plan.first_key, plan.last_key))
    position = first and first[0]
    size = first_rows or rows
    while position and last:
        count, end, following = find_range(connection, plan, position, last[0], size)
        if count:
            with connection.transaction():
                run_batch(connection, plan, [*position, *end])
        yield count
        position, size = following, rows


def make_plan(connection: Connection, path: Path) -> Plan:
    """Return the plan of a backfill's file. Raises CommandError if the table has no such key."""
    header = directives(path)
    [parsed] = split_statements(path.read_text(encoding="utf-8"))
    plan = plan_of(connection, path, header["backfill"], parsed.text, key_columns(parsed.parse()))
    if plan is None:
        raise CommandError(
            f"{path.stem}: there is no table {header['backfill']}.",
            "correct `-- backfill: TABLE`",
            ExitCode.ACTION_NEEDED,
        )
    return plan


def plan_of(connection: Connection, path: Path, table: str, sql: str, columns: Sequence[str]) -> Plan | None:
    """Return the plan of a statement that takes ranges of a table's key. Return None if there is no such table.

    Raises CommandError if the table has no such key.
    """
    row = run(connection, "plan_backfill", table=table, columns=list(columns)).fetchone()
    if row is None:
        return None
    name, rows_expected, has_key, key_order, *queries = row
    if not has_key:
        raise CommandError(
            f"{path.stem}: {name} has no key ({', '.join(columns)}).",
            "use the range of the primary key, or of NOT NULL columns that contain a unique key and have an index",
            ExitCode.ACTION_NEEDED,
        )
    return Plan(sql.strip(), f"'{SETTING}1'" in sql, name, rows_expected, key_order, *queries)
