"""Plan of `schema plan`: what `yoyo apply` or `yoyo rollback` would do to this database now.

It reads the files, the history, the sizes, and the locks of other sessions, in a transaction that only reads.
"""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import psycopg
from psycopg.errors import LockNotAvailable

from app.errors import CommandError, UsageError
from app.migrations import ledger, lock
from app.migrations.backfill_batches import make_plan as make_backfill_plan
from app.migrations.backfill_control import Progress, read_progress
from app.migrations.connection import Connection, explain, run
from app.migrations.data_loss import count_rows
from app.migrations.new_database import with_released
from app.migrations.order import find_id
from app.migrations.search_path import reject_other_schema
from app.migrations.validation import faults
from app.migrations.watched_reading import watched_reading
from app.plan.live import measure_slowness, read_live
from app.plan.model import Operation, Plan, PlannedMigration
from app.plan.planner import Planner, count_under_lock
from app.plan.rejections import HISTORY, rejections
from app.program import SCHEMA
from app.project import current
from app.schema.digest import digest
from app.schema.headers import rollback_of
from app.schema.history import Entry, Record, compare, shipped
from app.schema.history import faults as history_faults
from app.settings import Settings
from app.text import count

GIVES_RIGHTS = re.compile(r"\b(ROW\s+LEVEL\s+SECURITY|POLICY|GRANT|OWNER|ROLE)\b", re.IGNORECASE)


def make_plan(
    settings: Settings,
    operation: Operation = "apply",
    chosen: Callable[[Sequence[Entry]], list[str]] | None = None,
    folder: Path | None = None,
) -> Plan:
    """Read the database and return the plan. Raises CommandError if it cannot be read.

    `chosen` returns, from the history, the IDs to apply or to roll back, in the order of the files. Without it, the
    plan has all that are pending.
    """
    folder = folder or current().migrations
    if wrong := faults(folder):
        return Plan(operation, [], {}, [str(fault) for fault in wrong], None)
    with watched_reading(settings, "the plan cannot be made") as connection:
        reject_other_schema(connection)
        run(connection, "prepare_reading")
        holder = lock.find_holder(connection)
        records = _records(connection)
        entries = compare(shipped(folder), records, holder.migration if holder else None)
        if operation == "apply":
            entries = with_released(connection, entries)
        names = (chosen or pending)(entries)
        live = read_live(connection)
        live = replace(live, slowness=measure_slowness(connection)) if names else live
        migrations = Planner(folder, live, operation).plan(names, entries)
        backfills = {each.id: each for each in read_progress(connection, folder, entries)}
        for migration in migrations:
            _continue(migration, backfills.get(migration.id), folder)
        _check_keys(connection, migrations, folder)
        counted, uncounted = _count_losses(connection, settings, migrations, folder)
        for migration, query, took in counted if operation == "rollback" else ():
            count_under_lock(migration, folder, query, took, live)
        rejected = list(rejections(connection, operation, migrations, folder, has_history=bool(records)))
    return Plan(
        operation,
        migrations,
        {name: live.tables[name] for name in sorted(_relations(migrations) & live.tables.keys())},
        _problems(operation, entries, migrations, settings) + (uncounted if operation == "rollback" else []) + rejected,
        str(holder) if holder else None,
        [_waiting(entry, backfills.get(entry.id)) for entry in entries if entry.waits and operation == "apply"],
    )


def pending(entries: Sequence[Entry]) -> list[str]:
    """Return the IDs that `yoyo apply` would run."""
    return [
        entry.id
        for entry in entries
        if entry.state not in {"newer", "missing"} and not entry.waits and (not entry.applied or entry.unfinished)
    ]


def down_to(revision: str) -> Callable[[Sequence[Entry]], list[str]]:
    """Return a function that chooses what `yoyo rollback -r REVISION` would roll back.

    `revision` is as find_id() takes it. The function raises UsageError if no applied migration is meant.
    """

    def choose(entries: Sequence[Entry]) -> list[str]:
        known = [entry.id for entry in entries]
        first = find_id(revision, known)
        if first not in known:
            raise UsageError(f'there is no migration "{revision}".', f"list the migrations: {SCHEMA} status")
        return [
            entry.id
            for entry in entries
            if (entry.applied and entry.id >= first) or (entry.lacking and entry.unfinished)
        ]

    return choose


def _relations(migrations: Sequence[PlannedMigration]) -> set[str]:
    every = [statement for migration in migrations for statement in migration.statements]
    return {lock.relation for statement in every for lock in statement.locks}


def _count_losses(
    connection: Connection, settings: Settings, migrations: Sequence[PlannedMigration], folder: Path
) -> tuple[list[tuple[PlannedMigration, str, float]], list[str]]:
    """Count what each rollback would lose now. A table that does not exist yet has no rows to lose.

    Return the migrations that would lose nothing now, with the query and its seconds: the migrator counts again.
    Also return why it could not count, unless a rollback before may give the right.
    """
    counted = []
    uncounted = []
    before = ""
    for migration in migrations:
        earlier = before
        file = folder / f"{migration.id}.rollback.sql"
        before += file.read_text(encoding="utf-8") if file.exists() else ""
        query = rollback_of(folder / f"{migration.id}.sql").rows_to_lose
        if query is None:
            continue
        try:
            began = time.perf_counter()
            with connection.transaction():
                migration.rows_to_lose = count_rows(connection, query, migration.id)
            if migration.rows_to_lose == 0 and not settings.accepts_loss_of(migration.id):
                counted.append((migration, query, time.perf_counter() - began))
        except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn):
            migration.rows_to_lose = 0
        except (psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable):
            continue
        except psycopg.errors.InsufficientPrivilege as error:
            if not settings.accepts_loss_of(migration.id) and not GIVES_RIGHTS.search(earlier):
                uncounted.append(f"the rows that {migration.id} would lose cannot be counted: {explain(error)[0]}")
    return counted, uncounted


def _records(connection: Connection) -> list[Record]:
    """Return the history. Raises CommandError with the sessions that lock it."""
    try:
        with connection.transaction():
            return ledger.read(connection)
    except LockNotAvailable as error:
        holders = [each for each in read_live(connection).holders if each.relation in HISTORY]
        blockers = [str(each) for each in holders if each.mode == "ACCESS EXCLUSIVE"]
        reason = "; ".join(blockers) or "a session holds its lock"
        raise CommandError(
            f"the plan cannot be made: the history of the migrations cannot be read: {reason}.",
            "run the command again when that transaction has ended",
        ) from error


def _continue(migration: PlannedMigration, progress: Progress | None, folder: Path) -> None:
    """Add to a backfill how far it is, and why it would stop."""
    if progress is None or progress.state == "done":
        return
    path = folder / f"{migration.id}.sql"
    migration.rows_done, migration.rows_expected = progress.rows_done, progress.rows_expected
    if progress.is_stopped:
        migration.stops = (
            f"{migration.id} is {progress.state} after {count(progress.rows_done, 'row')}, and the command stops "
            f"there: {SCHEMA} backfill resume {migration.id}"
        )
    elif progress.sha256 and progress.sha256 != digest(path.read_bytes()).current:
        migration.stops = (
            f"{migration.id} was edited after {progress.rows_done:,} rows were done: restore the file, or begin again: "
            f"{SCHEMA} backfill cancel {migration.id}, and then resume"
        )
    if migration.seconds is not None and progress.rows_expected:
        migration.seconds *= max(0.0, 1 - progress.rows_done / progress.rows_expected)


def _check_keys(connection: Connection, migrations: Sequence[PlannedMigration], folder: Path) -> None:
    """Add to each backfill why it would stop at its table. A migration before it that names the table may change it."""
    before = ""
    for migration in migrations:
        path = folder / f"{migration.id}.sql"
        table = migration.backfill.rpartition(".")[2].strip('"')
        if table and not migration.stops and not re.search(rf"\b{re.escape(table)}\b", before):
            try:
                make_backfill_plan(connection, path)
            except CommandError as error:
                reason = error.message.removeprefix(f"{migration.id}: ").rstrip(".")
                migration.stops = f"{migration.id} would stop, because {reason}: {error.hint}"
        before += path.read_text(encoding="utf-8") if path.exists() else ""


def _waiting(entry: Entry, progress: Progress | None) -> str:
    """Return why a migration waits, and how far it is."""
    is_begun = progress is not None and (progress.rows_done or progress.is_stopped)
    return f"{entry.id} {entry.waits}{f' ({progress.words})' if progress and is_begun else ''}"


def _problems(
    operation: Operation, entries: Sequence[Entry], migrations: Sequence[PlannedMigration], settings: Settings
) -> list[str]:
    """Return why the migrator would change nothing, with what to do."""
    if operation == "apply":
        return history_faults(entries)
    names = {migration.id for migration in migrations}
    last = min(names, default="")
    found = history_faults(entry for entry in entries if entry.applied and entry.id >= last)
    found += [
        f"{entry.id} is applied and needs {last}: roll it back first, with the release that has it"
        for entry in entries
        if entry.state == "newer" and names
    ]
    found += [
        f"{entry.id} is a baseline: roll back what it replaces with the release {entry.release}"
        for entry in entries
        if entry.id in names and entry.replaced
    ]
    losing = []
    for migration in migrations:
        if migration.irreversible:
            found.append(f"{migration.id} is irreversible: {migration.irreversible.rstrip('.')}")
        elif migration.rows_to_lose and not settings.accepts_loss_of(migration.id):
            found.append(f"{migration.id} would lose {migration.loses}: {count(migration.rows_to_lose, 'row')}")
            losing.append(migration.id)
    if losing:
        ids = losing[0] if len(losing) == 1 else f"'{' '.join(losing)}'"
        found.append(f"back up first. To lose the rows, set ACCEPT_DATA_LOSS={ids}")
    return found
