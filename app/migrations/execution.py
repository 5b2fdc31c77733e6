"""Runs one migration, forwards or backwards, so that the database and the record of it agree whatever happens."""

from __future__ import annotations

import contextlib
import random
import time
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING

import psycopg
from psycopg.errors import DeadlockDetected, LockNotAvailable
from yoyo.migrations import Migration

from app.errors import fail
from app.migrations import lock
from app.migrations.concurrent_indexes import built_by, same
from app.migrations.connection import RefusedError, explained, is_interrupted, run
from app.migrations.data_loss import refuse_new_losses
from app.migrations.progress import watched

if TYPE_CHECKING:
    from app.migrations.backend import SettingsBackend

LONGEST_PAUSE = 10.0  # seconds between two attempts
DONE = {"apply": "applied", "rollback": "rolled back"}


def execute(backend: SettingsBackend, migration: Migration, operation: str) -> None:
    """Apply a migration or roll it back, inside the lock; end the command where that fails.

    The steps, yoyo's log and mark and the ledger are one transaction. A failure is in the ledger too.
    """
    started = datetime.now(UTC)
    lock.name_session(backend.connection, migration.id)
    migration.load()
    try:
        with watched(backend.connection, backend.settings, migration.id):
            _execute_patiently(backend, migration, operation, started)
    except RefusedError as error:
        backend.record_run(migration, operation, "failed", started, str(error))
        fail(f"yoyo: {migration.id} was not {DONE[operation]}: {error}")
    except KeyboardInterrupt:
        _record_failure(backend, migration, operation, started, None)
        raise
    except psycopg.Error as error:
        if is_interrupted(error):
            raise
        if backend.connection.closed:
            fail(
                f"yoyo: the connection was lost while {migration.id} was at work: {explained(error)}. "
                "Once PostgreSQL is back, run the command again: it carries on from what the database has"
            )
        _record_failure(backend, migration, operation, started, explained(error).splitlines()[0])
        words = [f"yoyo: {migration.id} was not {DONE[operation]}: {explained(error)}"]
        words += _blockers(backend) if isinstance(error, LockNotAvailable) else []
        if not migration.use_transactions:
            words.append("an INVALID index that it may have left costs writes: run the command again to mend it")
        fail("; ".join(words))
    print(f"{DONE[operation]} {migration.id} in {(datetime.now(UTC) - started).total_seconds():.3f} s", flush=True)


def _execute_patiently(backend: SettingsBackend, migration: Migration, operation: str, started: datetime) -> None:
    """Again, MIGRATION_RETRIES times, where a lock was not granted and all was undone."""
    execute_once = _execute_in_transaction if migration.use_transactions else _execute_alone
    for attempt in count(1):
        try:
            execute_once(backend, migration, operation, started)
            return
        except (LockNotAvailable, DeadlockDetected) as error:
            # A build CONCURRENTLY has had its own, longer limit.
            has_waited = isinstance(error, LockNotAvailable) and not migration.use_transactions
            if has_waited or attempt > backend.settings.migration_retries:
                raise
            pause = min(0.1 * 2**attempt, LONGEST_PAUSE) * random.uniform(0.5, 1.5)  # noqa: S311
            print(
                f"{migration.id} was undone: {'; '.join([str(error.diag.message_primary), *_blockers(backend)])}; "
                f"again in {pause:.1f} s ({attempt} of {backend.settings.migration_retries})",
                flush=True,
            )
            time.sleep(pause)


def _execute_in_transaction(backend: SettingsBackend, migration: Migration, operation: str, started: datetime) -> None:
    with backend.transaction():
        if operation == "rollback":
            refuse_new_losses(backend.connection, backend.settings, migration)
        migration.process_steps(backend, operation)
        _record(backend, migration, operation, started)


def _execute_alone(backend: SettingsBackend, migration: Migration, operation: str, started: datetime) -> None:
    """One statement that cannot run in a transaction: begun in the ledger, run, and recorded."""
    backend.record_run(migration, operation, "started", started)
    settings = backend.settings
    lock.prepare_session(backend.connection, max(settings.migration_lock_wait, settings.migration_lock_timeout))
    try:
        if _is_to_run(backend, migration, operation):
            migration.process_steps(backend, operation)
    finally:
        if not backend.connection.closed:
            lock.prepare_session(backend.connection, settings.migration_lock_timeout)
    with backend.transaction():
        _record(backend, migration, operation, started)


def _is_to_run(backend: SettingsBackend, migration: Migration, operation: str) -> bool:
    """Decide from the database what a migrator that died left of a build CONCURRENTLY.

    An INVALID index is dropped, by the statement that undoes this one. An index that is whole, and what this
    migration would build, is not built again: it needs to be recorded alone.
    """
    step = migration.steps[0].step
    sql, undo = {"apply": (step._apply, "rollback"), "rollback": (step._rollback, "apply")}[operation]
    name = built_by(sql or "")
    row = name and run(backend.connection, "find_index", name=name).fetchone()
    if not row:
        return True
    whole, definition = row
    if not whole:
        print(f"{migration.id}: dropping the INVALID index {name} that an interrupted build left", flush=True)
        migration.process_steps(backend, undo)
        return True
    if not same(sql, definition):
        raise RefusedError(f"there is another index {name} ({definition}); drop or rename it")
    print(f"{migration.id}: the index {name} is there already, and whole", flush=True)
    return False


def _record(backend: SettingsBackend, migration: Migration, operation: str, started: datetime) -> None:
    """In yoyo's log, in its table of what is applied, and in the ledger."""
    backend.log_migration(migration, operation)
    if operation == "rollback":
        backend.unmark_one(migration, log=False)
    elif not backend.is_applied(migration):  # it is, where a rollback of it was interrupted
        backend.mark_one(migration, log=False)
    backend.record_run(migration, operation, "done", started)


def _record_failure(
    backend: SettingsBackend, migration: Migration, operation: str, started: datetime, error: str | None
) -> None:
    """What ran in a transaction is undone; what did not may have left something behind, and stays `started`."""
    outcome = "started" if not migration.use_transactions else "failed" if error else "interrupted"
    with contextlib.suppress(psycopg.Error):  # the first error is the one to tell
        backend.record_run(migration, operation, outcome, started, error)


def _blockers(backend: SettingsBackend) -> list[str]:
    return [blocker for (blocker,) in run(backend.connection, "find_blockers").fetchall()]
