"""Backfill: a migration that writes the rows of a table in batches by key range, and remembers how far it is.

The batch and its position are one transaction. After a kill at any moment, the next command continues with the first
row that is not done, so each row is done exactly once. The range ends at the last key of the start: later rows are the
work of the triggers or the code that write them.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.errors import DeadlockDetected, LockNotAvailable
from yoyo.migrations import Migration

from app.errors import CommandError, ExitCode
from app.migrations.backfill_batches import execute, find_range, make_plan, run_batch
from app.migrations.connection import Connection, is_interrupted, run, sentence, without_values
from app.migrations.migrator import Migrator
from app.migrations.output import Meter
from app.migrations.writers import wait_for_writers
from app.program import SCHEMA
from app.schema.digest import digest
from app.schema.headers import directives

MAX_ROWS = 100_000  # of a batch
MAX_GROWTH = 2.0  # of a batch, from one to the next
STATEMENTS = 3  # that find and write the rows of a batch, and one more if the statement reads settings
REPORT_INTERVAL = 5.0  # seconds between two lines
LEASE = 5.0  # seconds of batches before another migrator may have its turn
POLL_INTERVAL = 0.5  # seconds between two looks at a replica that lags
MAX_PAUSE = 10.0  # seconds after a lock that was not granted
ABOUT_VALUES = ("22", "23", "P0")  # SQLSTATE classes of errors that one row causes, and whose messages show its values


class BackfillStoppedError(CommandError):
    """A backfill stops here, and its position is kept."""


@dataclass
class State:
    """The state of a backfill: a row of lock_backfill.sql, in the order of its columns."""

    state: str
    sha256: str | None
    position: list[str] | None
    ends_at: list[str] | None
    rows_done: int
    rows_expected: int
    batch_size: int
    started_at: Any
    key_order: list[str] | None
    is_same: bool | None  # whether the table is that of the start; None: not known


def is_backfill(migration: Migration) -> bool:
    """Return whether the migration runs in batches."""
    return "backfill" in directives(Path(migration.path))


def has_table(connection: Connection) -> bool:
    """Return whether a backfill has started on this database, or was paused."""
    return run(connection, "has_backfills").fetchone() == (True,)


def forget(connection: Connection, migration: Migration) -> None:
    """Forget how far the backfill is. Call this in the transaction of its rollback."""
    if is_backfill(migration) and has_table(connection):
        run(connection, "forget_backfill", migration_id=migration.id)


def tell_unfinished(connection: Connection, migration: Migration, report: Callable[[str], None]) -> None:
    """Report how far a backfill is that `yoyo mark` records as applied, if it has begun and is not done."""
    if is_backfill(migration) and has_table(connection):
        row = run(connection, "lock_backfill", migration_id=migration.id, table=None).fetchone()
        state = State(*row) if row else None
        if state and state.state != "done" and state.started_at:
            done = f"only {state.rows_done:,} rows of the backfill {migration.id} are done"
            report(f"{done}. Do the others: yoyo unmark -m {migration.id}, and then apply")


def finish(connection: Connection, migration: Migration) -> None:
    """Record that all batches are done. Call this in the transaction that records the migration as applied."""
    run(connection, "set_backfill", migration_id=migration.id, state="done")


class Backfill:
    """One run of a backfill, inside the migrator's lock."""

    def __init__(self, migrator: Migrator, migration: Migration) -> None:
        self._migrator = migrator
        self._connection = migrator.connection
        self._settings = migrator.settings
        self._id = migration.id
        path = Path(migration.path)
        self._sha256 = digest(path.read_bytes()).current
        self._plan = make_plan(self._connection, path)
        self._size = 0  # rows of the next batch; 0: as recorded
        self._suspect = 0  # rows among which one fails: the batches do not grow before they are done
        self._took = 0.0  # seconds of the last batch
        self._lag = 0  # bytes that a replica is behind
        self._failures = 0  # locks in a row that were not granted
        self._range: list[str] = []  # of the running batch
        self._meter: Meter
        self._reported = self._leased = time.monotonic()

    def run(self) -> None:
        """Run the batches that are left. Raises BackfillStoppedError, or psycopg.Error if the connection is lost."""
        done = self._start()
        if self._pressure()[2]:
            self._migrator.report(
                f"{self._id}: this role cannot see how far replicas are behind: grant pg_read_all_stats"
            )
        total = self._plan.rows_expected if self._plan.rows_expected > done else None
        with self._migrator.output.meter("backfill", "rows", total, done) as self._meter:
            while self._run_batch():
                self._pace()

    def _start(self) -> int:
        """Record the start, unless an earlier run did. Its position is kept then. Return the rows that are done."""
        if not has_table(self._connection):
            run(self._connection, "create_backfills")
        elif run(self._connection, "find_backfill_columns").fetchone() != (True,):
            run(self._connection, "extend_backfills")
        if not self._continues(self._lock()):
            wait_for_writers(self._migrator, self._id, self._plan.table)
        with self._connection.transaction():
            state = self._lock()
            if state and self._continues(state):
                if state.sha256 != self._sha256:
                    raise BackfillStoppedError(
                        f"{self._id} was edited after {state.rows_done:,} rows were done.",
                        f"restore the file, or begin again: {SCHEMA} backfill cancel {self._id}, and then resume",
                        ExitCode.ACTION_NEEDED,
                    )
                if state.key_order is not None and state.key_order != self._plan.key_order:
                    before, now = (", ".join(each) for each in (state.key_order, self._plan.key_order))
                    raise BackfillStoppedError(
                        f"{self._id}: the order of the key of {self._plan.table} was {before}, and is {now} now, after "
                        f"{state.rows_done:,} rows were done.",
                        f"change it back, or begin again: {SCHEMA} backfill cancel {self._id}, and then resume",
                        ExitCode.ACTION_NEEDED,
                    )
                if state.is_same is False:
                    raise self._replaced(state)
                if state.is_same is None:
                    run(self._connection, "identify_backfill", migration_id=self._id, table=self._plan.table)
                if state.rows_done:
                    self._migrator.report(f"{self._id}: continues after {state.rows_done:,} rows")
                return state.rows_done
            first = execute(self._connection, self._plan.first_key).fetchone()
            last = execute(self._connection, self._plan.last_key).fetchone()
            run(
                self._connection,
                "start_backfill",
                migration_id=self._id,
                sha256=self._sha256,
                table=self._plan.table,
                position=first and first[0],
                ends_at=last and last[0],
                rows_expected=self._plan.rows_expected,
                key_order=self._plan.key_order,
            )
            return 0

    @staticmethod
    def _continues(state: State | None) -> bool:
        """Return whether an earlier run has begun, and is not done."""
        return state is not None and state.state != "done" and state.started_at is not None

    def _lock(self) -> State | None:
        """Return the state, locked, or None. Raises BackfillStoppedError if the operator has stopped the backfill."""
        row = run(self._connection, "lock_backfill", migration_id=self._id, table=self._plan.table).fetchone()
        state = State(*row) if row else None
        if state and state.state in ("paused", "cancelled"):
            raise BackfillStoppedError(
                f"{self._id} is {state.state} after {state.rows_done:,} rows.",
                f"{SCHEMA} backfill resume {self._id}",
                ExitCode.ACTION_NEEDED,
            )
        return state

    def _run_batch(self) -> bool:
        """Run a batch, and return whether rows are left. If a lock was not granted or a row fails, halve the batch."""
        try:
            with self._connection.transaction():
                return self._run_in_transaction()
        except (LockNotAvailable, DeadlockDetected) as error:
            self._failures += 1
            if self._failures > self._settings.migration_retries:
                raise self._stopped(error) from error
            self._size = max(1, self._size // 2)
            pause = min(0.1 * 2**self._failures, MAX_PAUSE)
            self._migrator.report(
                f"{self._id}: a lock was not granted; retry in {pause:.1f} s with {self._size:,} rows"
            )
            time.sleep(pause)
        except psycopg.Error as error:
            if self._connection.closed or is_interrupted(error):
                raise
            if self._size == 1 or not (error.sqlstate or "").startswith(ABOUT_VALUES):
                raise self._stopped(error) from error
            self._suspect = self._suspect or self._size
            self._size //= 2
        return True

    def _run_in_transaction(self) -> bool:
        began = time.monotonic()
        self._migrator.session.limit_idle()
        trip = time.monotonic() - began
        state = self._lock()
        if state is None or not self._continues(state) or state.sha256 != self._sha256:
            raise BackfillStoppedError(
                f"{self._id} was cancelled, rolled back, or begun again with an edited file while this command ran.",
                "run the command again",
                ExitCode.ACTION_NEEDED,
            )
        if state.position is None or state.ends_at is None:
            return False
        self._size = self._size or state.batch_size
        found = time.monotonic()
        count, last, following = find_range(self._connection, self._plan, state.position, state.ends_at, self._size)
        if count:
            self._range = [*state.position, *last]
            run_batch(self._connection, self._plan, self._range)
        worked = time.monotonic() - found - (STATEMENTS + self._plan.reads_settings) * trip
        waiting, self._lag, _ = self._pressure()
        self._took = took = time.monotonic() - began
        self._adapt(worked, is_waited_for=waiting > 0, rows=count)
        is_same = run(
            self._connection,
            "record_batch",
            migration_id=self._id,
            position=following,
            rows=count,
            batch_size=self._size,
            seconds=took,
            table=self._plan.table,
        ).fetchone()
        if is_same != (True,):
            raise self._replaced(state)
        self._failures = 0
        self._report(state, count)
        return following is not None

    def _adapt(self, worked: float, *, is_waited_for: bool, rows: int) -> None:
        """Choose the rows of the next batch, so that they take BACKFILL_BATCH_SECONDS. Halve it if a session waits.

        `worked` is the time of the rows, in seconds. Fewer rows would not shorten the rest of a batch, such as its way
        through the network.
        """
        target = self._settings.backfill_batch_seconds
        factor = target / max(worked, target / MAX_GROWTH)
        if is_waited_for:
            factor = min(factor, 0.5)
        self._suspect = max(0, self._suspect - rows)
        if self._suspect:
            factor = min(factor, 1.0)
        self._size = max(1, min(round(self._size * factor), MAX_ROWS))

    def _pressure(self) -> tuple[int, int, bool]:
        """Return how many sessions wait for this one, the bytes that a replica is behind, and if that is hidden."""
        waiting, lag, is_hidden = run(self._connection, "find_pressure").fetchone() or (0, None, False)
        return waiting, lag or 0, is_hidden

    def _pace(self) -> None:
        """Pause after a batch, let another migrator have its turn, and wait while a replica is too far behind.

        The pause of a short batch is as much shorter. Otherwise a backfill that meets clients would mostly pause.
        """
        time.sleep(self._settings.backfill_pause * min(1.0, self._took / self._settings.backfill_batch_seconds))
        while self._lag > self._settings.backfill_max_lag:
            self._tell(f"waits: a replica is {self._lag / 1024**2:,.0f} MiB behind (BACKFILL_MAX_LAG)")
            self._give_way()
            time.sleep(POLL_INTERVAL)
            self._lag = self._pressure()[1]
        self._give_way()

    def _give_way(self) -> None:
        if time.monotonic() - self._leased >= LEASE:
            self._migrator.give_way(self._id)
            self._leased = time.monotonic()

    def _report(self, state: State, rows: int) -> None:
        done = state.rows_done + rows
        self._meter.update(done, state.rows_expected if state.rows_expected > done else None)

    def _tell(self, text: str) -> None:
        if time.monotonic() - self._reported >= REPORT_INTERVAL:
            self._migrator.report(f"{self._id}: {text}")
            self._reported = time.monotonic()

    def _replaced(self, state: State) -> BackfillStoppedError:
        return BackfillStoppedError(
            f"{self._id}: the table {self._plan.table} was dropped and created again after {state.rows_done:,} rows "
            "were done.",
            f"begin again: {SCHEMA} backfill cancel {self._id}, and then resume",
            ExitCode.ACTION_NEEDED,
        )

    def _stopped(self, error: psycopg.Error) -> BackfillStoppedError:
        """Return the error for a batch that failed. It names the range of the keys, and no other value of a row."""
        reason = without_values(error)
        middle = len(self._range) // 2
        low, high = (", ".join(end) for end in (self._range[:middle], self._range[middle:]))
        span = f"from {low} to {high}" if low != high else low
        place = f" with the rows of {self._plan.table} {span}" if self._range else ""
        return BackfillStoppedError(
            sentence(f"{self._id} stopped{place}: {reason}"),
            "fix the cause, and run the command again: it continues with these rows",
        )
