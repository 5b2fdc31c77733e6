"""The yoyo backend `settings:`, which yoyo.ini names: PostgreSQL as the settings say, one migrator at a time.

It differs from yoyo's own psycopg backend in what an operator meets: no URL in the ini; a lock that lives as long as
its holder's connection, for which others wait, and which `yoyo list` does not need; a migration and its record in one
transaction, tried again when a table's lock is not to be had; one line for an error.
"""

import contextlib
import getpass
import os
import random
import signal
import socket
import time
import uuid
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from psycopg.errors import DeadlockDetected, LockNotAvailable
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.exceptions import BadMigration
from yoyo.migrations import Migration, MigrationList

from app.migrations.connection import connect, explained, one_line, statement
from app.migrations.indexes import built_by, same
from app.settings import ROOT, fail, read_settings

POLL = 0.1  # seconds between two attempts at the lock
PATIENCE = 5.0  # seconds between two lines that say we wait
LONGEST_PAUSE = 10.0  # seconds between two attempts at a migration

# yoyo says so at each plain `yoyo rollback`, with a line of its source; one at a time is what the README promises.
warnings.filterwarnings("ignore", message="Only rolling back a single migration")


class SettingsBackend(PostgresqlPsycopgBackend):  # type: ignore[misc]
    """See the module for what is its own, and yoyo's DatabaseBackend for what is not."""

    # yoyo's asks information_schema, which does not show the tables that a role may not read.
    list_tables_sql = "SELECT tablename FROM pg_tables WHERE schemaname = :schema"

    _is_locked = False

    def connect(self, dburi: object) -> psycopg.Connection:
        # yoyo looks for its ini in the parent folders too, but for the migrations in the current one alone.
        if not Path("sql/migrations").is_dir():
            os.chdir(ROOT)
        self.settings = read_settings()
        return connect(self.settings)

    def __init__(self, dburi: object, migration_table: str) -> None:
        super().__init__(dburi, migration_table)
        self._prepare_session()

    def init_database(self) -> None:
        """Nothing: the lock table is made under the lock, and PostgreSQL is known to have transactional DDL."""

    @contextlib.contextmanager
    def lock(self, timeout: float | None = None) -> Iterator[None]:
        """What yoyo's commands work in. The lock itself is taken once there is something to write: see `_hold`."""
        if self._is_locked:  # yoyo upgrades its own tables inside the command's lock
            yield
            return
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            yield
        except psycopg.Error as error:
            fail(f"yoyo: {explained(error)}")
        except BadMigration as error:
            fail(f"yoyo: {error}")
        except (KeyError, OSError, UnicodeError) as error:  # of yoyo's reading the files
            fail(f"yoyo: a migration cannot be read: {error!r}")
        except KeyboardInterrupt:
            fail("yoyo: interrupted; the migration that was running is not applied, those before it are")
        finally:
            signal.signal(signal.SIGTERM, before)
            self._release()

    def _hold(self) -> None:
        """Take the lock, or wait for it MIGRATION_LOCK_WAIT seconds at most.

        The advisory lock decides, and ends with the connection. yoyo's own row is kept beside it for stock yoyo to
        see; one that is there already was left by a migrator that died.
        """
        if self._is_locked:
            return
        self._name_session("")
        started = said = time.monotonic()
        while not self.execute(statement("take_lock")).fetchone()[0]:
            waited = time.monotonic() - started
            if waited > self.settings.migration_lock_wait:
                fail(f"yoyo: gave up after {waited:.1f} s (MIGRATION_LOCK_WAIT): {self._holder()} is at work")
            if time.monotonic() - said >= PATIENCE:
                print(f"waiting for {self._holder()}, {waited:.0f} s so far", flush=True)
                said = time.monotonic()
            time.sleep(POLL)
        if self.lock_table not in self.list_tables():
            self.execute(self.format_sql(self.create_lock_table_sql))
        self.execute(statement("record_lock"), {"pid": os.getpid()})
        self._is_locked = True
        self.ensure_internal_schema_updated()

    def break_lock(self) -> None:
        """Refused while its holder lives; and needed by nobody, since a row that was left is taken over."""
        if self.execute(statement("find_holder")).fetchone():
            fail(f"yoyo: {self._holder()} is at work: its lock ends when that process does")
        if self.lock_table in self.list_tables():
            super().break_lock()

    def _release(self) -> None:
        if self._is_locked and not self.connection.closed:
            self._delete_lock_row(os.getpid())
            self.execute(statement("release_lock"))
        self._is_locked = False

    def _holder(self) -> str:
        row = self.execute(statement("find_holder")).fetchone()
        if row is None:
            return "another migrator"
        name, since, query = row
        return f"{name or 'another session'} (since {since} UTC, at: {one_line(query)[:80]})"

    def _prepare_session(self) -> None:
        lock_timeout = f"{self.settings.migration_lock_timeout * 1000:.0f}"
        self.execute(statement("prepare_session"), {"lock_timeout": lock_timeout})

    def _name_session(self, migration_id: str) -> None:
        name = f"yoyo {migration_id[:30]} on {socket.gethostname()[:15]}, process {os.getpid()}"
        self.execute(statement("name_session"), {"name": one_line(name)})

    def get_applied_migration_hashes(self) -> list[str]:
        """yoyo's own, but that it makes no tables unless the lock is held: `yoyo list` only reads."""
        if not self._is_locked and self.migration_table not in self.list_tables():
            return []
        return list(super().get_applied_migration_hashes())

    def apply_migrations(self, migrations: MigrationList, force: bool = False) -> None:
        if migrations:
            self._hold()
            migrations = self.to_apply(migrations)  # another migrator may have applied some since they were chosen
        if not migrations:
            print("nothing to apply")
        super().apply_migrations(migrations, force)

    def rollback_migrations(self, migrations: MigrationList, force: bool = False) -> None:
        if migrations:
            self._hold()
            migrations = self.to_rollback(migrations)
        if not migrations:
            print("nothing to roll back")
        super().rollback_migrations(migrations, force)

    def mark_migrations(self, migrations: MigrationList) -> None:
        self._hold()
        super().mark_migrations(migrations)

    def unmark_migrations(self, migrations: MigrationList) -> None:
        self._hold()
        super().unmark_migrations(migrations)

    def apply_one(self, migration: Migration, force: bool = False, mark: bool = True) -> None:
        self._run(migration, "apply", force, mark)

    def rollback_one(self, migration: Migration, force: bool = False) -> None:
        self._run(migration, "rollback", force, mark=True)

    def _run(self, migration: Migration, operation: str, force: bool, mark: bool) -> None:
        done = {"apply": "applied", "rollback": "rolled back"}[operation]
        self._hold()
        self._name_session(migration.id)
        migration.load()
        started = time.monotonic()
        try:
            if migration.use_transactions:
                self._run_in_transaction(migration, operation, force, mark)
            else:
                self.execute(statement("wait_for_transactions"))
                if self._is_to_run(migration, operation):
                    migration.process_steps(self, operation, force)
                self._prepare_session()
                with self.transaction():
                    self._record(migration, operation, mark)
        except psycopg.Error as error:
            fail(f"yoyo: {migration.id} was not {done}: {explained(error)}")
        print(f"{done} {migration.id} in {time.monotonic() - started:.3f} s", flush=True)

    def _is_to_run(self, migration: Migration, operation: str) -> bool:
        """Decide from the database what a migrator that died left of a build CONCURRENTLY.

        An INVALID index is dropped, by the statement that undoes this one. An index that is whole, and what this
        migration would build, is not built again: it needs to be recorded alone.
        """
        step = migration.steps[0].step
        sql, undo = {"apply": (step._apply, "rollback"), "rollback": (step._rollback, "apply")}[operation]
        name = built_by(sql or "")
        row = name and self.execute(statement("find_index"), {"name": name}).fetchone()
        if not row:
            return True
        whole, definition = row
        if not whole:
            print(f"{migration.id}: dropping the INVALID index {name} that an interrupted build left", flush=True)
            migration.process_steps(self, undo)
            return True
        if not same(sql, definition):
            fail(f"yoyo: {migration.id} was not run: there is another index {name} ({definition}); drop or rename it")
        print(f"{migration.id}: the index {name} is there already, and whole", flush=True)
        return False

    def _run_in_transaction(self, migration: Migration, operation: str, force: bool, mark: bool) -> None:
        """The steps and their record as one; all of it again, MIGRATION_RETRIES times, where a lock was not granted."""
        for attempt in count(1):
            try:
                with self.transaction():
                    migration.process_steps(self, operation, force)
                    self._record(migration, operation, mark)
                return
            except (LockNotAvailable, DeadlockDetected) as error:
                if attempt > self.settings.migration_retries:
                    raise
                pause = min(0.1 * 2**attempt, LONGEST_PAUSE) * random.uniform(0.5, 1.5)  # noqa: S311
                print(
                    f"{migration.id} was undone: {error.diag.message_primary}{self._blockers()}; "
                    f"again in {pause:.1f} s ({attempt} of {self.settings.migration_retries})",
                    flush=True,
                )
                time.sleep(pause)

    def _blockers(self) -> str:
        rows = self.execute(statement("find_blockers")).fetchall()
        blockers = [
            f"process {pid} ({name or 'no application_name'}) holds {tables} for {seconds} s"
            for pid, name, seconds, tables in rows
        ]
        return f"; {', '.join(blockers)}" if blockers else ""

    def _record(self, migration: Migration, operation: str, mark: bool) -> None:
        self.log_migration(migration, operation)
        if operation == "rollback":
            self.unmark_one(migration, log=False)
        elif mark:
            self.mark_one(migration, log=False)

    def get_log_data(self, migration: Migration | None = None, operation: str = "apply") -> dict[str, Any]:
        """yoyo's own, but for a uid without a name in the password file, and without asking DNS."""
        try:
            username = getpass.getuser()
        except (KeyError, OSError):  # before Python 3.13, and since
            username = f"uid {os.getuid()}"
        return {
            "id": str(uuid.uuid1()),
            "migration_id": migration and migration.id,
            "migration_hash": migration and migration.hash,
            "username": username,
            "hostname": socket.gethostname(),
            "created_at_utc": datetime.now(UTC).replace(tzinfo=None),
            "operation": operation,
        }
