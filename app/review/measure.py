"""Measurement of a migration: run each statement on a scratch database, and read its locks and work from PostgreSQL."""

import re
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from app.errors import CommandError
from app.lint.alter_table import MODES
from app.migrations.backfill_batches import batches as batches_of
from app.migrations.connection import Connection, explained, run
from app.review.lock_watcher import Watcher, locks_of
from app.review.work_clock import WorkClock, measure_speed
from app.schema.headers import directives
from app.schema.statements import statements
from app.text import count, one_line

# The requests that each mode blocks, from the table of conflicts in PostgreSQL's manual ("Explicit Locking").
BLOCKED_BY_MODE = {
    "AccessShareLock": "",
    "RowShareLock": "",
    "RowExclusiveLock": "",
    "ShareUpdateExclusiveLock": "other DDL",
    "ShareLock": "writes, other DDL",
    "ShareRowExclusiveLock": "writes, other DDL",
    "ExclusiveLock": "writes, other DDL",
    "AccessExclusiveLock": "reads, writes, other DDL",
}
MODE_NAMES = dict(zip(BLOCKED_BY_MODE, MODES, strict=True))
BATCH = 100  # rows of a backfill's measured batch: enough to see its locks
MAX_BATCH = 10_000  # rows of the others
MAX_NAMES = 3  # indexes that the words name
COMMITS = re.compile(r"\bCOMMIT\b", re.IGNORECASE)


@dataclass
class Lock:
    """Lock on an existing table or index, from its statement to the end of the transaction."""

    relation: str
    table: str  # the relation itself if it is not an index
    mode: str  # as in the manual: ACCESS EXCLUSIVE
    blocks: str  # "reads", "writes", "other DDL", with commas, or ""
    milliseconds: float

    @property
    def waiting(self) -> str:
        """Return which requests wait: "reads", "writes", "reads and writes", or ""."""
        return " and ".join(what for what in ("reads", "writes") if what in self.blocks)


@dataclass
class Step:
    """One statement of a migration, with its time, locks and work on existing tables, by their names of before."""

    line: int
    sql: str
    milliseconds: float = 0.0
    whole_milliseconds: float = 0.0  # of all batches of a backfill. Its rows and locks are those of the first
    wal: int = 0  # bytes
    disk: int = 0  # bytes that the database grew by, including old files that the commit removes
    locks: list[Lock] = field(default_factory=list)  # without those that earlier statements took
    rewritten: list[str] = field(default_factory=list)  # existing tables and indexes
    built: list[str] = field(default_factory=list)  # new indexes of existing tables
    table_of: dict[str, str] = field(default_factory=dict)  # of the tables and indexes that it rewrites or builds
    read: dict[str, int] = field(default_factory=dict)  # rows read by full scans, by existing table
    changed: dict[str, int] = field(default_factory=dict)  # rows changed, by existing table
    added: dict[str, int] = field(default_factory=dict)  # rows, by existing table. They block no session
    waits: bool = False  # for earlier transactions, without blocking others
    transactions: int = 1  # in which it changed rows: more than one if the statement commits its batches

    @property
    def work(self) -> list[str]:
        """Return in words what it did to existing tables."""
        words = [f"rewrites {', '.join(_folded(self.rewritten, self.table_of))}"] if self.rewritten else []
        words += [f"builds {', '.join(self.built)}"] if self.built else []
        # A rewrite reads the table once for itself, and once or more for each index.
        rewritten = {self.table_of.get(each, each) for each in self.rewritten}
        words += [
            f"reads {count(rows, 'row')} of {table}" for table, rows in self.read.items() if table not in rewritten
        ]
        words += [f"changes {count(rows, 'row')} of {table}" for table, rows in self.changed.items()]
        return words + (["waits for earlier transactions"] if self.waits else [])

    @property
    def is_notable(self) -> bool:
        """Return whether the statement did work on existing tables, or blocked reads or writes."""
        return bool(self.work or any(lock.waiting for lock in self.locks))

    @property
    def grouped(self) -> list[tuple[Lock, list[str]]]:
        """Return the strongest lock on each relation, grouped by mode, with the names of the relations.

        A lock on an index counts only if it blocks.
        """
        strongest = {lock.relation: lock for lock in sorted(self.locks, key=lambda lock: MODES.index(lock.mode))}
        groups: dict[str, tuple[Lock, list[str]]] = {}
        for lock in sorted(strongest.values(), key=lambda lock: (lock.relation != lock.table, lock.relation)):
            if lock.relation == lock.table or lock.blocks:
                groups.setdefault(lock.mode, (lock, []))[1].append(lock.relation)
        table_of = {lock.relation: lock.table for lock in self.locks}
        return [(lock, _folded(names, table_of)) for lock, names in groups.values()]


def _folded(names: list[str], table_of: dict[str, str]) -> list[str]:
    """Return relations, with the number of indexes after their table instead of their names."""
    folded = []
    for name in names:
        table = table_of.get(name, name)
        indexes = [each for each in names if table_of.get(each) == table != each]
        if table == name:
            folded.append(f"{name} and its {len(indexes)} index{'es' * (len(indexes) > 1)}" if indexes else name)
        elif table not in names and len(indexes) <= MAX_NAMES:
            folded.append(name)
        elif table not in names and name == indexes[0]:
            folded.append(f"{len(indexes)} indexes of {table}")
    return folded


@dataclass
class MeasuredRun:
    """Run of a migration or of its rollback. If a statement failed, it is the last step."""

    transactional: bool
    steps: list[Step] = field(default_factory=list)
    milliseconds: float = 0.0
    error: str = ""  # the place (a line, or the commit) and PostgreSQL's message
    unmeasured: list[str] = field(default_factory=list)  # in words, what could not be measured, and why
    renamed: dict[str, str] = field(default_factory=dict)  # tables and indexes: old name to new name
    is_idle: bool = False  # a backfill that found nothing to write
    speed: float | None = None  # seconds of measure_speed.sql when it began: how fast the machine was

    @property
    def wal(self) -> int:
        """Return the bytes of WAL that the run wrote."""
        return sum(step.wal for step in self.steps)

    @property
    def disk(self) -> int:
        """Return the additional disk space at the worst moment, in bytes."""
        grown = [sum(step.disk for step in self.steps[: number + 1]) for number in range(len(self.steps))]
        return max([0, *grown])

    @property
    def found_nothing(self) -> bool:
        """Return whether a backfill, or a loop that commits its batches, found nothing to write."""
        return self.is_idle or any(
            COMMITS.search(step.sql) and not step.changed and not step.added for step in self.steps
        )

    def blocked_ms(self, requests: str) -> float:
        """Return the longest time, in milliseconds, that "reads" or "writes" of one table wait."""
        return max(
            (lock.milliseconds for step in self.steps for lock in step.locks if requests in lock.blocks), default=0.0
        )


def execute(connection: Connection, text: str, transactional: bool) -> None:
    """Run the statements of a file without measuring them. Raises psycopg.Error."""
    with connection.transaction() if transactional else nullcontext():
        for _, sql in statements(text):
            connection.execute(sql.encode())


def execute_file(connection: Connection, path: Path, transactional: bool) -> None:
    """Run a migration's file without measuring it: a backfill in batches. Raises psycopg.Error, or CommandError."""
    if "backfill" in directives(path):
        for _ in batches_of(connection, path, MAX_BATCH):
            pass
    else:
        execute(connection, path.read_text(encoding="utf-8"), transactional)


def measure(connection: Connection, path: Path, transactional: bool) -> MeasuredRun:
    """Run the statements of a file and measure them. If one fails in a transaction, PostgreSQL rolls all of them back.

    The times are those of the statements and of the commit, without the time of the measurements, and without waits for
    a processor. Of a backfill, the locks and rows are those of the first batch, and the time, the WAL and the
    disk space those of all.
    """
    done = MeasuredRun(transactional)
    clock = WorkClock(connection)
    done.speed = measure_speed(connection, clock.read)
    before = _relations(connection)
    text = path.read_text(encoding="utf-8")
    committing = 0.0
    batches = batches_of(connection, path, MAX_BATCH, BATCH) if "backfill" in directives(path) else None
    written = _written(connection) if batches else 0
    work = _one(connection, "read_work") if batches else ()
    try:
        if transactional:
            with connection.transaction():
                held: set[tuple[int, str]] = set()
                for line, sql in statements(text):
                    done.steps.append(Step(line, sql))
                    _measure(connection, clock, before, done.steps[-1], batches)
                    taken = {(oid, mode) for oid, mode, _ in locks_of(connection, connection)}
                    done.steps[-1].locks = [
                        _lock(before[oid], mode) for oid, mode in sorted(taken - held) if oid in before
                    ]
                    held |= taken
                committing = clock.read()
            remaining = (clock.read() - committing) * 1000
            done.milliseconds = remaining + sum(step.milliseconds for step in done.steps)
            # A lock is held until the commit: for the time of its statement, of the later ones, and of the commit.
            for step in reversed(done.steps):
                remaining += step.milliseconds
                for lock in step.locks:
                    lock.milliseconds = remaining
            if batches:
                began = clock.read()
                for _ in batches:
                    pass
                done.steps[0].whole_milliseconds = done.milliseconds + (clock.read() - began) * 1000
                done.is_idle = _written(connection) == written
                done.steps[0].wal, done.steps[0].disk = (
                    after - before for before, after in zip(work, _one(connection, "read_work"), strict=True)
                )
        else:
            for line, sql in statements(text):
                done.steps.append(Step(line, sql))
                _measure_watched(connection, clock, before, done)
                done.milliseconds += done.steps[-1].milliseconds
        after = _relations(connection)
        done.renamed = {
            relation.name: after[oid].name
            for oid, relation in before.items()
            if oid in after and after[oid].name != relation.name
        }
    except CommandError as error:
        done.error = one_line(error.message)
    except psycopg.Error as error:
        begun = f"line {done.steps[-1].line}" if done.steps else "before its first statement"
        place = "at the commit" if committing else begun
        done.error = f"{place}: {one_line(': '.join(explained(error).splitlines()))}"
    return done


def _measure_watched(
    connection: Connection, clock: WorkClock, before: dict[int, "_Relation"], done: MeasuredRun
) -> None:
    """Run the last step, which can have several transactions, while a second session reads its locks."""
    step = done.steps[-1]
    first = _one(connection, "read_transactions")
    with Watcher(connection) as watcher:
        _measure(connection, clock, before, step)
    if watcher.error:
        done.unmeasured.append(f"the locks of line {step.line}: {watcher.error}")
    left = _relations(connection)
    for (oid, mode), milliseconds in sorted(watcher.seen.items()):
        # CONCURRENTLY locks an old index to remove it when no session uses it any longer.
        is_removed_index = oid in before and oid not in left and before[oid].name != before[oid].table
        if oid in before and not is_removed_index:
            step.locks.append(_lock(before[oid], mode))
            step.locks[-1].milliseconds = milliseconds
    step.waits = watcher.has_waited
    if COMMITS.search(step.sql):
        step.transactions = max(1, _one(connection, "read_transactions")[0] - first[0])


def _measure(
    connection: Connection,
    clock: WorkClock,
    before: dict[int, "_Relation"],
    step: Step,
    batches: Iterator[int] | None = None,
) -> None:
    known = _relations(connection)
    files = {relation.file for relation in known.values()}
    rows = _rows(connection)
    wal, disk = _one(connection, "read_work")
    began = clock.read()
    if batches is not None:
        next(batches, None)
    else:
        connection.execute(step.sql.encode())
    step.milliseconds = (clock.read() - began) * 1000
    wal_after, disk_after = _one(connection, "read_work")
    step.wal, step.disk = wal_after - wal, disk_after - disk
    now = _relations(connection)
    replaced = {relation.name for oid, relation in known.items() if oid not in now}  # of an index, by one of its name
    for oid, relation in now.items():
        if relation.owner in before and relation.file not in files:
            name = before[oid].name if oid in before else relation.name
            (step.rewritten if oid in known or name in replaced else step.built).append(name)
            step.table_of[name] = before[relation.owner].name
    for oid, counts in _rows(connection).items():
        if oid in before:
            for target, count, known_count in zip(
                (step.read, step.changed, step.added), counts, rows.get(oid, (0, 0, 0)), strict=True
            ):
                if count > known_count:
                    target[before[oid].name] = count - known_count


@dataclass(frozen=True)
class _Relation:
    name: str
    table: str  # its own name if it is not an index
    owner: int  # the OID of this table
    file: int | None
    is_view: bool  # materialized


def _relations(connection: Connection) -> dict[int, _Relation]:
    rows = run(connection, "find_relations", "review").fetchall()
    return {oid: _Relation(*columns) for oid, *columns in rows}


def _rows(connection: Connection) -> dict[int, tuple[int, int, int]]:
    """Return the rows read, changed and added by table OID: of this transaction, or of all so far if there is none."""
    query = "read_rows"
    if connection.info.transaction_status == TransactionStatus.IDLE:
        run(connection, "flush_counters", "review")
        query = "read_all_rows"
    return {oid: (read, changed, added) for oid, read, changed, added in run(connection, query, "review")}


def _written(connection: Connection) -> int:
    """Return how many rows all transactions so far have changed and added."""
    return sum(changed + added for _, changed, added in _rows(connection).values())


def _one(connection: Connection, name: str) -> tuple[Any, ...]:
    row = run(connection, name, "review").fetchone()
    assert row
    return row


def _lock(relation: _Relation, mode: str) -> Lock:
    blocks = BLOCKED_BY_MODE[mode]
    if relation.is_view:
        blocks = blocks.replace("writes, ", "")
    return Lock(relation.name, relation.table, MODE_NAMES[mode], blocks, 0.0)
