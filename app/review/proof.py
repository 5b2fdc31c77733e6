"""Proof of a rollback: snapshots of schema and rows before and after, and the losses between two snapshots."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg

from app.migrations.connection import Connection, explained, run
from app.migrations.dump import inspect
from app.review.measure import execute_file
from app.schema.headers import transactional
from app.text import count, one_line

FAILS = "it fails: "
States = dict[str, tuple[Any, ...]]


@dataclass(frozen=True)
class ColumnDigest:
    """Digest of the values of a column. Each value counts with the primary key of its row."""

    type: str
    values: int  # not NULL
    digest: int
    lost: int | None = None  # values of an earlier snapshot that are gone, if they were counted


@dataclass(frozen=True)
class TableDigest:
    """Digest of the rows of a table."""

    is_view: bool  # materialized: only PostgreSQL writes to it
    query: str = field(compare=False)  # the SELECT that returned it
    rows: int
    columns: dict[str, ColumnDigest]


@dataclass(frozen=True)
class Snapshot:
    """Schema and rows of a database at one moment."""

    schema: list[str]  # read_schema()
    tables: dict[str, TableDigest]


def read_states(connection: Connection) -> States:
    """Return what changes if a row of a table may have changed, by table. Between two equal ones, no row has."""
    run(connection, "flush_counters", "review")
    return {name: tuple(state) for name, *state in run(connection, "read_table_states", "review")}


def unchanged(snapshot: Snapshot, before: States, after: States) -> dict[str, TableDigest]:
    """Return the digests of a snapshot that hold after a run, by the states before and after it."""
    return {name: each for name, each in snapshot.tables.items() if name in before and before[name] == after.get(name)}


def take_snapshot(
    connection: Connection, since: Snapshot | None = None, known: Mapping[str, TableDigest] | None = None
) -> Snapshot:
    """Read every row of every table that is not in `known`, and return the snapshot. Raises psycopg.Error.

    Columns in which some rows have a value and others NULL may be filled by a backfill. Their values are kept in a
    temporary table, so that a later snapshot `since` this one can count those that are gone.
    """
    tables = {}
    with connection.transaction():
        run(connection, "prepare_reading")
        connection.execute("SET LOCAL max_parallel_workers_per_gather = 4")
        if since is None:
            run(connection, "create_kept_values", "review")
        for name, is_view, digest, *columns in run(connection, "write_digests", "review").fetchall():
            if known and name in known and known[name].query == digest:
                tables[name] = known[name]
                continue
            rows, *figures = connection.execute(digest.encode()).fetchone() or [0]
            pairs: list[Any] = [figures[i : i + 2] for i in range(0, len(figures), 2)]
            tables[name] = TableDigest(is_view, digest, rows, {})
            for (column, type, keep, count_lost), (values, total) in zip(
                zip(*(each or [] for each in columns), strict=True), pairs, strict=True
            ):
                found = ColumnDigest(type, values, int(total or 0))
                if since is None and 0 < values < rows:
                    connection.execute(keep.encode())
                elif since is not None and _was_filled(since.tables.get(name), column, found):
                    [lost] = connection.execute(count_lost.encode()).fetchone() or [None]
                    found = replace(found, lost=lost)
                tables[name].columns[column] = found
    return Snapshot(read_schema(connection), tables)


def _was_filled(before: TableDigest | None, name: str, now: ColumnDigest) -> bool:
    """Return whether a column of both snapshots had some values, and has others now."""
    column = before.columns.get(name) if before else None
    if before is None or column is None:
        return False
    return 0 < column.values < before.rows and now.type == column.type and now.digest != column.digest


def read_schema(connection: Connection) -> list[str]:
    """Return a line for each object of the current schema and each comment: sql/inspect/schema.sql."""
    with connection.transaction():
        run(connection, "prepare_reading")
        return inspect(connection, comments=True)


def apply_again(connection: Connection, migration: Path, schema: list[str]) -> list[str]:
    """Apply a migration after its rollback, and return how the schema differs from that of the first time.

    If it fails, the only line begins with FAILS.
    """
    try:
        execute_file(connection, migration, transactional(migration))
    except psycopg.Error as error:
        return [FAILS + one_line(explained(error))]
    return schema_changes(schema, read_schema(connection))


def schema_changes(before: list[str], after: list[str], renamed: Mapping[str, str] | None = None) -> list[str]:
    """Return the removed lines with "- ", and the added lines with "+ ".

    A line that differs only by the new name of a table or an index is left out. `renamed` has their old and new names.
    """
    removed, added = set(before) - set(after), set(after) - set(before)
    names = ""
    if renamed:
        words = "|".join(re.escape(name) for name in sorted(renamed, key=len, reverse=True))
        pattern = re.compile(rf"(?<![\w.])({words})(?!\w)")
        moved = {line: pattern.sub(lambda match: renamed[match[1]], line) for line in removed}
        same = {line: new for line, new in moved.items() if new in added}
        removed, added = removed - same.keys(), added - {*same.values()}
        names = ", ".join(f"{old} is {new}" for old, new in sorted(renamed.items()))
    lines = (
        [("", f"~ {names} from now on: {count(len(same), 'line')} of the schema differ only by the name")]
        if names
        else []
    )
    lines += [(line, f"- {line}") for line in removed] + [(line, f"+ {line}") for line in added]
    return [text for _, text in sorted(lines, key=lambda pair: (pair[0].partition(": ")[0], pair[1][0] == "+"))]


UNCHECKED = re.compile(r"(?: NOT VALID|(?<=not null) not valid)(?=$|,)")


def still_valid(before: list[str], after: list[str]) -> list[str]:
    """Return the schema before, with those constraints valid that a migration has validated: they may stay so."""
    now = set(after)
    return [valid if line not in now and (valid := UNCHECKED.sub("", line)) in now else line for line in before]


STATISTICS = re.compile(
    r"[+-] (?:(?:statistics target|options) of (?P<table>.+)\.[^.:]+:|statistics .* FROM (?P<of>\S+))"
)


def with_other_statistics(changes: list[str]) -> set[str]:
    """Return the tables for which ANALYZE will find other statistics, by the difference of the schema."""
    found = [match for line in changes if (match := STATISTICS.match(line))]
    return {(match["table"] or match["of"]).removeprefix("public.") for match in found}


NOT_VALID = re.compile(r"\+ constraint .+?\.(?P<name>[^:]+): .* NOT VALID$")


def violated(connection: Connection, changes: list[str]) -> dict[str, str]:
    """Return the new constraints that are not valid and that rows violate, each with the error of such a row."""
    new = {match["name"].strip('"') for match in map(NOT_VALID.match, changes) if match}
    found = {}
    for name, statement in run(connection, "write_validations", "review").fetchall() if new else ():
        try:
            with connection.transaction(force_rollback=True):
                connection.execute(statement.encode())
        except psycopg.Error as error:
            if name in new:
                found[name] = one_line(error.diag.message_primary or str(error))
    return found


def losses(before: Snapshot, after: Snapshot) -> list[str]:
    """Return in words which rows and values of `before` are not in `after`.

    A table or column that is missing is lost, unless a new one has the same digest: then it was renamed. If the type of
    a column changed, only the number of its values is compared.
    """
    lost = []
    new_tables = [table for name, table in after.tables.items() if name not in before.tables]
    for name, table in before.tables.items():
        now = after.tables.get(name)
        if now is None and table in new_tables:
            continue
        if now is None or now.rows < table.rows:
            gone = table.rows - (now.rows if now else 0)
            lost += [f"{name}: {gone:,} of {table.rows:,} rows"] if gone else []
            continue
        new_columns = [column for column_name, column in now.columns.items() if column_name not in table.columns]
        for column_name, column in table.columns.items():
            there = now.columns.get(column_name)
            values = there.values if there else column.values if column in new_columns else 0
            if values < column.values:
                lost.append(f"{name}.{column_name}: {column.values - values:,} of {column.values:,} values")
            elif there and there.lost is not None:
                lost += [f"{name}.{column_name}: {there.lost:,} of {column.values:,} values"] if there.lost else []
            elif column.values == 0:
                continue
            elif there and there.type == column.type and there.digest != column.digest and now.rows == table.rows:
                lost.append(f"{name}.{column_name}: its former values")
    return lost


def filled(before: Snapshot, after: Snapshot) -> list[str]:
    """Return in words the columns that have more values than before, in as many rows."""
    found = []
    for name, table in before.tables.items():
        now = after.tables.get(name)
        for column_name, column in table.columns.items() if now and now.rows == table.rows else ():
            there = now.columns.get(column_name) if now else None
            if there and there.values > column.values:
                found.append(f"{there.values - column.values:,} values of {name}.{column_name}")
    return found


def later_data_lost(before: Snapshot, above: Snapshot, below: Snapshot) -> list[str]:
    """Return in words the data that a rollback deletes if applications have written it since the migration.

    That is each table and column that the migration adds, except generated columns and renamed ones.
    """
    generated = {line.partition(": ")[0] for line in above.schema if ", generated " in line}
    lost = []
    gone_tables = [table for name, table in before.tables.items() if name not in above.tables]
    for name, table in above.tables.items():
        known, left = before.tables.get(name), below.tables.get(name)
        if table.is_view or (known is None and table in gone_tables):
            continue
        if known is None and left is None:
            lost.append(f"{name}: every row written since")
        elif known and left:
            gone_columns = [column for column_name, column in known.columns.items() if column_name not in table.columns]
            lost += [
                f"{name}.{column_name}: every value written since"
                for column_name, column in sorted(table.columns.items())
                if column_name not in known.columns | left.columns
                and column not in gone_columns
                and f"column {name}.{column_name}" not in generated
            ]
    return lost
