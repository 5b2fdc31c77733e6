"""Execution of one migration, forward or back, so that the database and its record always agree."""

import contextlib
import random
import time
from itertools import count

import psycopg
from psycopg.errors import DeadlockDetected, LockNotAvailable
from yoyo.migrations import Migration

from app.errors import CommandError, OutputError
from app.migrations import backfill, lock
from app.migrations.concurrent_changes import blocks_while_it_waits, can_leave_index, is_block, repair
from app.migrations.connection import explain, is_interrupted, sentence, without_values
from app.migrations.data_loss import reject_new_losses
from app.migrations.migrator import DONE, FinishedElsewhereError, Migrator
from app.migrations.writers import wait_for_writers
from app.program import SCHEMA

MAX_PAUSE = 10.0  # seconds between two attempts
UNDEFINED_OBJECT = "42704"  # SQLSTATE for a role, a collation, a type, an index
COMPARE = f"if the database already has this change, compare: {SCHEMA} status"
SCHEMA_CHANGED = ("0A", "2B", "42")  # SQLSTATE classes of statements that do not fit the schema as it is


def execute(migrator: Migrator, migration: Migration, operation: str) -> None:
    """Apply a migration or roll it back, inside the lock.

    The steps, yoyo's log and mark, and the ledger are one transaction. A failure is recorded in the ledger too. Raises
    CommandError, or psycopg.Error if a signal interrupted the statement.
    """
    started = time.monotonic()
    lock.name_session(migrator.connection, migration.id)
    migrator.session.forget()
    migration.load()
    try:
        with migrator.watch.reporting(migration.id):
            if operation == "apply" and backfill.is_backfill(migration):
                _execute_in_batches(migrator, migration, started)
            else:
                _execute_with_retries(migrator, migration, operation, started)
    except (
        OutputError,
        FinishedElsewhereError,
        backfill.BackfillStoppedError,
    ):  # the ledger keeps `started`: the next command continues
        raise
    except CommandError as error:
        _record_failure(migrator, migration, operation, started, error.message, is_undone=True)
        raise
    except KeyboardInterrupt:
        _record_failure(migrator, migration, operation, started, None)
        raise
    except psycopg.Error as error:
        if is_interrupted(error):
            raise
        raise _failure(migrator, migration, operation, started, error) from error
    seconds = time.monotonic() - started
    text = f"{DONE[operation]} {migration.id} in {seconds:.3f} s"
    migrator.report(text, "done", migration=migration.id, operation=operation, seconds=round(seconds, 3))


def _failure(
    migrator: Migrator, migration: Migration, operation: str, started: float, error: psycopg.Error
) -> CommandError:
    """Record the failure in the ledger, if the connection lives, and return the error to raise."""
    reason, hint = explain(error)
    if migrator.connection.closed:
        return CommandError(
            f"the connection was lost while {migration.id} was running: {reason}.",
            "when PostgreSQL is back, run the command again: it continues from the state of the database",
        )
    _record_failure(migrator, migration, operation, started, without_values(error))
    if isinstance(error, LockNotAvailable):
        blockers, hint = migrator.watch.blockers()
        reason = "; ".join([reason, *blockers])
    is_lacking = error.sqlstate == UNDEFINED_OBJECT  # collations come from the operating system, roles from a DBA
    if not migration.use_transactions and can_leave_index(migration, operation):
        again = "run the command again: it drops the INVALID index that this may have left, which slows writes"
        hint = f"{hint}. Then {again}" if isinstance(error, LockNotAvailable) and hint else again
    elif hint is None and (error.sqlstate or "").startswith(SCHEMA_CHANGED):
        hint = f"if it has to come from elsewhere, create it. {COMPARE.capitalize()}" if is_lacking else COMPARE
    return CommandError(sentence(f"{migration.id} was not {DONE[operation]}: {reason}"), hint)


def _execute_with_retries(migrator: Migrator, migration: Migration, operation: str, started: float) -> None:
    """Run the migration. If a lock is not granted, roll it back and retry, up to MIGRATION_RETRIES times."""
    execute_once = _execute_in_transaction if migration.use_transactions else _execute_without_transaction
    is_patient = not migration.use_transactions and not blocks_while_it_waits(migration, operation)
    for attempt in count(1):
        migrator.watch.forget()
        try:
            execute_once(migrator, migration, operation, started)
            return
        except (LockNotAvailable, DeadlockDetected) as error:
            # A build CONCURRENTLY has had its own, longer limit.
            has_waited = isinstance(error, LockNotAvailable) and is_patient
            if has_waited or attempt > migrator.settings.migration_retries:
                raise
            pause = min(0.1 * 2**attempt, MAX_PAUSE) * random.uniform(0.5, 1.5)  # noqa: S311
            reasons = "; ".join([str(error.diag.message_primary), *migrator.watch.blockers()[0]])
            tries = migrator.settings.migration_retries
            how = "undone" if migration.use_transactions else "cut off"
            migrator.report(
                f"{migration.id} was {how}: {reasons}; retry in {pause:.1f} s ({attempt} of {tries})",
                "undone",
                attempt=attempt,
                attempts=tries,
                pause=round(pause, 3),
            )
            time.sleep(pause)


def _execute_in_transaction(migrator: Migrator, migration: Migration, operation: str, started: float) -> None:
    migrator.session.prepare()
    with migrator.transaction():
        migrator.session.limit_idle()
        if operation == "rollback":
            reject_new_losses(migrator.connection, migrator.settings, migration)
            backfill.forget(migrator.connection, migration)
        migration.process_steps(migrator, operation)
        migrator.session.prepare()
        migrator.session.limit_idle()
        _record(migrator, migration, operation, started)


def _execute_in_batches(migrator: Migrator, migration: Migration, started: float) -> None:
    """Run a backfill. The ledger has it as started until all batches are done, also if a batch fails."""
    migrator.record_run(migration, "apply", "started", started)
    try:
        backfill.Backfill(migrator, migration).run()
    except backfill.BackfillStoppedError as error:
        cause = error.__cause__
        if isinstance(cause, psycopg.Error):
            migrator.record_run(migration, "apply", "started", started, without_values(cause))
        raise
    with migrator.transaction():
        backfill.finish(migrator.connection, migration)
        _record(migrator, migration, "apply", started)


def _execute_without_transaction(migrator: Migrator, migration: Migration, operation: str, started: float) -> None:
    """Run one statement that cannot run in a transaction. The ledger has it as started before it runs."""
    migrator.record_run(migration, operation, "started", started)
    if is_block(migration, operation):
        wait_for_writers(migrator, migration.id)
    settings = migrator.settings
    limit = settings.migration_lock_timeout
    if not blocks_while_it_waits(migration, operation):
        limit = max(settings.migration_lock_wait, limit)
    migrator.session.prepare(limit)
    try:
        is_done = repair(migrator, migration, operation)
        if not is_done:
            migration.process_steps(migrator, operation)
    finally:
        if not migrator.connection.closed:
            migrator.session.prepare()
    with migrator.transaction():
        _record(migrator, migration, operation, started)


def _record(migrator: Migrator, migration: Migration, operation: str, started: float) -> None:
    """Record the run in yoyo's log, in yoyo's table of applied migrations, and in the ledger."""
    lock.reject_released(migrator.connection, migration.id)
    migrator.log_migration(migration, operation)
    if operation == "rollback":
        migrator.unmark_one(migration, log=False)
    elif not migrator.is_applied(migration):  # it is applied if a rollback of it was interrupted
        migrator.mark_one(migration, log=False)
    migrator.record_run(migration, operation, "done", started)


def _record_failure(
    migrator: Migrator,
    migration: Migration,
    operation: str,
    started: float,
    error: str | None,
    is_undone: bool = False,
) -> None:
    """Record a failure. Without one transaction, it may have left something behind, and stays `started`."""
    is_atomic = migration.use_transactions and (operation != "apply" or not backfill.is_backfill(migration))
    outcome = "started" if not is_atomic and not is_undone else "failed" if error else "interrupted"
    with contextlib.suppress(psycopg.Error):  # the first error is the one to report
        migrator.record_run(migration, operation, outcome, started, error)
