"""The yoyo backend `settings:`, which yoyo.ini names: PostgreSQL as the settings say, one migrator at a time.

It differs from yoyo's own psycopg backend in what an operator meets: no URL in the ini; a lock that lives as long as
its holder's connection, for which others wait, and which `yoyo list` does not need; files and history checked before
anything runs; a migration and its record in one transaction, tried again when a table's lock is not to be had; no
rollback that loses rows by surprise; one line for an error.
"""

import contextlib
import os
import signal
import socket
import uuid
import warnings
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.exceptions import BadMigration, MigrationConflict
from yoyo.migrations import Migration, MigrationList

from app.history import MIGRATIONS, Entry, compare, shipped
from app.migrations import ledger, lock
from app.migrations.connection import Connection, connect, explained, refuse_pooler, run
from app.migrations.execution import execute
from app.migrations.files import faults
from app.migrations.losses import refuse_losses
from app.settings import ROOT, fail, read_settings

# yoyo says so at each plain `yoyo rollback`, with a line of its source; one at a time is what the README promises.
warnings.filterwarnings("ignore", message="Only rolling back a single migration")


class SettingsBackend(PostgresqlPsycopgBackend):  # type: ignore[misc]
    """See the module for what is its own, and yoyo's DatabaseBackend for what is not."""

    # yoyo's asks information_schema, which does not show the tables that a role may not read.
    list_tables_sql = "SELECT tablename FROM pg_tables WHERE schemaname = :schema"

    _is_locked = False

    def connect(self, dburi: object) -> Connection:
        # yoyo looks for its ini in the parent folders too, but for the migrations in the current one alone.
        if not Path("sql/migrations").is_dir():
            os.chdir(ROOT)
        self.settings = read_settings()
        return connect(self.settings)

    def __init__(self, dburi: object, migration_table: str) -> None:
        super().__init__(dburi, migration_table)
        self._known: dict[str, Migration] = {}
        refuse_pooler(self.connection)
        lock.prepare_session(self.connection, self.settings.migration_lock_timeout)

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
        except (BadMigration, MigrationConflict, KeyError, OSError, UnicodeError) as error:  # of reading the files
            self._refuse_faults()
            fail(f"yoyo: a migration cannot be read: {error!r}")
        except KeyboardInterrupt:
            fail("yoyo: interrupted; what was applied before is applied. The next command carries on from there")
        finally:
            signal.signal(signal.SIGTERM, before)
            self._release()

    def _hold(self) -> None:
        """Take the lock, or wait for it MIGRATION_LOCK_WAIT seconds at most; make yoyo's tables and the ledger.

        The advisory lock decides, and ends with the connection. yoyo's own row is kept beside it for stock yoyo to
        see; one that is there already was left by a migrator that died.
        """
        if self._is_locked:
            return
        lock.take(self.connection, self.settings)
        tables = self.list_tables()
        if self.lock_table not in tables:
            self.execute(self.format_sql(self.create_lock_table_sql))
        run(self.connection, "record_lock", pid=os.getpid())
        self._is_locked = True
        self.ensure_internal_schema_updated()
        self._internal_schema_updated = True  # which yoyo would ask again before each statement of its own
        if ledger.TABLE not in tables:
            ledger.create(self.connection)
        ledger.adopt(self.connection, self._digests(), ledger.read(self.connection))

    def accept(self, migration_id: str) -> None:
        """Record that the file of an applied migration, edited since, is what to go by from now on."""
        self._hold()
        states = {entry.id: entry.state for entry in self._history()}
        if states.get(migration_id) != "edited":
            state = states.get(migration_id, "neither shipped nor applied")
            fail(f"images schema accept: nothing to accept: {migration_id} is {state}")
        ledger.record_run(self.connection, migration_id, self._digests()[migration_id], "accept", "done")
        print(f"accepted {migration_id} as it is now")

    def break_lock(self) -> None:
        """Refused while its holder lives; and needed by nobody, since a row that was left is taken over."""
        if holder := lock.find_holder(self.connection):
            fail(f"yoyo: {holder} is at work: its lock ends when that process does")
        if self.lock_table in self.list_tables():
            super().break_lock()

    def _release(self) -> None:
        if self._is_locked and not self.connection.closed:
            self._delete_lock_row(os.getpid())
            lock.release(self.connection)
        self._is_locked = False

    def _folders(self) -> set[Path]:
        return {Path(migration.path).parent for migration in self._known.values()} or {MIGRATIONS}

    def _digests(self) -> dict[str, str]:
        return {name: digest for folder in self._folders() for name, digest in shipped(folder).items()}

    def _history(self) -> list[Entry]:
        records = ledger.read(self.connection) if ledger.TABLE in self.list_tables() else []
        return compare(self._digests(), records)

    def _refuse_faults(self) -> None:
        """End the command where the files themselves are wrong, before the database is touched."""
        _refuse([str(fault) for folder in sorted(self._folders()) for fault in faults(folder)])

    def get_applied_migration_hashes(self) -> list[str]:
        """yoyo's own, but that it makes no tables unless the lock is held: `yoyo list` only reads."""
        if not self._is_locked and self.migration_table not in self.list_tables():
            return []
        return list(super().get_applied_migration_hashes())

    def to_apply(self, migrations: MigrationList) -> MigrationList:
        self._chosen(migrations)
        return super().to_apply(migrations)

    def to_rollback(self, migrations: MigrationList) -> MigrationList:
        self._chosen(migrations)
        return super().to_rollback(migrations)

    def _chosen(self, migrations: MigrationList) -> set[str]:
        self._known.update({migration.id: migration for migration in migrations})
        return {migration.id for migration in migrations}

    def apply_migrations(self, migrations: MigrationList, force: bool = False) -> None:
        """Apply the migrations that yoyo chose, and put in place again what an interrupted rollback took away."""
        _refuse_force(force)
        chosen = self._chosen(migrations)
        if chosen:
            self._refuse_faults()
        entries = self._history()
        # What yoyo did not choose is applied. If the ledger does not have it so, there is something to put right.
        if chosen or not all(entry.settled for entry in entries if entry.id in self._known):
            self._hold()
            entries = self._history()
        _refuse([entry.fault for entry in entries if entry.fault])
        if newer := [entry.id for entry in entries if entry.state == "newer"]:
            print(f"this build does not know {', '.join(newer)}, which a newer release has applied", flush=True)
        # Another migrator may have applied some since they were chosen.
        names = [
            entry.id
            for entry in entries
            if entry.id in self._known
            and ((entry.id in chosen and not entry.applied) or (entry.applied and entry.unfinished))
        ]
        skipped = [entry.id for entry in entries if not entry.applied and entry.id not in chosen]
        if names and skipped and skipped[0] < names[-1]:
            fail(f"yoyo: {names[-1]} stands on {skipped[0]}, which is not applied: yoyo apply -r {names[-1]}")
        if not names:
            print("nothing to apply")
        super().apply_migrations(self._by_name(names))

    def rollback_migrations(self, migrations: MigrationList, force: bool = False) -> None:
        """Roll back the migrations that yoyo chose, and what an interrupted apply left above them."""
        _refuse_force(force)
        chosen = self._chosen(migrations)
        if chosen:
            self._refuse_faults()
        entries = self._history()
        if chosen or any(entry.unfinished for entry in entries if entry.id in self._known):
            self._hold()
            entries = self._history()
        names = [
            entry.id
            for entry in reversed(entries)
            if entry.id in self._known
            and ((entry.id in chosen and entry.applied) or (not entry.applied and entry.unfinished))
        ]
        if not names:
            print("nothing to roll back")
            return
        above = [entry for entry in entries if entry.applied and entry.id >= names[-1]]
        _refuse([entry.fault for entry in above if entry.fault])
        for entry in above:
            if entry.id not in names:
                how = "by the release that has it" if entry.state == "newer" else f"yoyo rollback -r {names[-1]}"
                fail(f"yoyo: {entry.id} stands on {names[-1]}: roll it back first, {how}")
        chosen_migrations = self._by_name(names)
        refuse_losses(self.connection, self.settings, chosen_migrations)
        super().rollback_migrations(chosen_migrations)

    def _by_name(self, names: Iterable[str]) -> MigrationList:
        return MigrationList([self._known[name] for name in names])

    def mark_migrations(self, migrations: MigrationList) -> None:
        if migrations:
            self._hold()
            super().mark_migrations(self.to_apply(migrations))

    def unmark_migrations(self, migrations: MigrationList) -> None:
        if migrations:
            self._hold()
            super().unmark_migrations(self.to_rollback(migrations))

    def mark_one(self, migration: Migration, log: bool = True) -> None:
        super().mark_one(migration, log)
        if log:
            self.record_run(migration, "mark", "done")

    def unmark_one(self, migration: Migration, log: bool = True) -> None:
        super().unmark_one(migration, log)
        if log:
            self.record_run(migration, "unmark", "done")

    def apply_one(self, migration: Migration, force: bool = False, mark: bool = True) -> None:
        execute(self, migration, "apply")

    def rollback_one(self, migration: Migration, force: bool = False) -> None:
        execute(self, migration, "rollback")

    def record_run(
        self,
        migration: Migration,
        operation: str,
        outcome: str,
        started: datetime | None = None,
        error: str | None = None,
    ) -> None:
        """Write one run into the ledger; see ledger.record_run."""
        ledger.record_run(
            self.connection, migration.id, self._digests()[migration.id], operation, outcome, started, error
        )

    def get_log_data(self, migration: Migration | None = None, operation: str = "apply") -> dict[str, Any]:
        """yoyo's own, but for a uid without a name in the password file, and without asking DNS."""
        return {
            "id": str(uuid.uuid1()),
            "migration_id": migration and migration.id,
            "migration_hash": migration and migration.hash,
            "username": ledger.username(),
            "hostname": socket.gethostname(),
            "created_at_utc": datetime.now(UTC).replace(tzinfo=None),
            "operation": operation,
        }


def _refuse(faults: list[str]) -> None:
    if faults:
        fail("\n  ".join(["yoyo: nothing was done:", *faults] if len(faults) > 1 else [f"yoyo: {faults[0]}"]))


def _refuse_force(force: bool) -> None:
    if force:
        fail("yoyo: --force would record as done what failed: mend the cause, or see yoyo mark and yoyo unmark")
