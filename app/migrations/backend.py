"""The yoyo backend `settings:`, which yoyo.ini names: PostgreSQL as the settings say, one migrator at a time.

It differs from yoyo's own psycopg backend in what an operator meets: no URL in the ini; a lock that lives as long as
its holder's connection, for which others wait, and which `yoyo list` does not need; files and history checked before
anything runs; a migration and its record in one transaction, tried again when a table's lock is not to be had; no
rollback that loses rows by surprise; one line for an error.
"""

import contextlib
import os
import re
import signal
import socket
import sys
import uuid
import warnings
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.exceptions import BadMigration, MigrationConflict
from yoyo.migrations import Migration, MigrationList

from app.errors import CommandError, describe, fail
from app.migrations import ledger, lock
from app.migrations.connection import Connection, connect, explained, is_interrupted, refuse_wrong_session, run
from app.migrations.data_loss import refuse_losses
from app.migrations.execution import execute
from app.migrations.validation import faults
from app.schema.history import MIGRATIONS, Entry, compare, shipped
from app.settings import ROOT, read_settings

INTERRUPTED = "yoyo: interrupted; what was applied before is applied. The next command carries on from there"

# yoyo says so at each plain `yoyo rollback`, with a line of its source; one at a time is what the README promises.
warnings.filterwarnings("ignore", message="Only rolling back a single migration")


class SettingsBackend(PostgresqlPsycopgBackend):  # type: ignore[misc]
    """See the module for what is its own, and yoyo's DatabaseBackend for what is not."""

    # yoyo's asks information_schema, which does not show the tables that a role may not read.
    list_tables_sql = "SELECT tablename FROM pg_tables WHERE schemaname = :schema"

    _is_locked = False
    _waited: float | None = None  # seconds for the lock; None where the ledger cannot take them

    def connect(self, dburi: object) -> Connection:
        # yoyo looks for its ini in the parent folders too, but for the migrations in the current one alone.
        if not Path("sql/migrations").is_dir():
            os.chdir(ROOT)
        try:
            self.settings = read_settings()
        except CommandError as error:
            print(describe(error), file=sys.stderr)
            raise SystemExit(error.exit_code) from None
        return connect(self.settings)

    def __init__(self, dburi: object, migration_table: str) -> None:
        super().__init__(dburi, migration_table)
        self._known: dict[str, Migration] = {}
        self._shipped: dict[Path, dict[str, str]] = {}
        with _in_one_line():
            refuse_wrong_session(self.connection)
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
        with _in_one_line():
            try:
                yield
                if self._is_locked and self._waited is not None:
                    ledger.record_wait(self.connection, self._waited)
            except (BadMigration, MigrationConflict, KeyError, UnicodeError) as error:  # of yoyo's reading the files
                self._refuse_faults()
                fail(f"yoyo: a migration cannot be read: {error!r}")
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
        waited = lock.take(self.connection, self.settings)
        tables = self.list_tables()
        if self.lock_table not in tables:
            self.execute(self.format_sql(self.create_lock_table_sql))
        if process := lock.find_row(self.connection):
            print(f"yoyo_lock was left by process {process}: taken over. If that is stock yoyo at work, stop this")
        run(self.connection, "record_lock", pid=os.getpid())
        self._is_locked = True
        self.ensure_internal_schema_updated()
        self._internal_schema_updated = True  # which yoyo would ask again before each statement of its own
        if ledger.TABLE not in tables:
            ledger.create(self.connection)
        self._waited = waited if ledger.extend(self.connection) else None
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
        with _in_one_line():
            if holder := lock.find_holder(self.connection):
                fail(f"yoyo: {holder} is at work: its lock ends when that process does")
            if self.lock_table in self.list_tables():
                super().break_lock()
        print("nobody holds the lock")

    def _release(self) -> None:
        if self._is_locked and not self.connection.closed:
            self._delete_lock_row(os.getpid())
            lock.release(self.connection)
        self._is_locked = False

    def _folders(self) -> set[Path]:
        return {Path(migration.path).parent for migration in self._known.values()} or {MIGRATIONS}

    def _digests(self) -> dict[str, str]:
        """Taken once: what is recorded at the end of a long migration is the text that it began with."""
        for folder in self._folders() - self._shipped.keys():
            self._shipped[folder] = shipped(folder)
        return {name: digest for folder in self._folders() for name, digest in self._shipped[folder].items()}

    def _history(self) -> list[Entry]:
        return compare(self._digests(), ledger.read(self.connection))

    def _refuse_faults(self) -> None:
        """End the command, before the database is touched, where an applied file is missing, or the files are wrong.

        In this order: a file that was renamed also leaves those that depend on it wrong, but they are not to be edited.
        """
        _refuse([entry.fault for entry in self._history() if entry.state == "missing"])
        _refuse([str(fault) for folder in sorted(self._folders()) for fault in faults(folder)])

    def _look_at(
        self, migrations: MigrationList, must_hold: Callable[[Entry], bool] = lambda entry: False
    ) -> tuple[set[str], list[Entry]]:
        """The ids that yoyo chose, and the history.

        With the lock held, where there is something to write: a choice; what `must_hold` tells; or a lock row that was
        left, and would keep stock yoyo waiting.
        """
        chosen = self._chosen(migrations)
        if not self._known:
            fail("yoyo: no migration found: is the folder the right one, and the pattern of -m?")
        if chosen:
            self._refuse_faults()
        entries = self._history()
        has_row = self.lock_table in self.list_tables() and lock.find_row(self.connection)
        is_left = has_row and not lock.find_holder(self.connection)
        if chosen or is_left or any(must_hold(entry) for entry in entries if entry.id in self._known):
            self._hold()
            entries = self._history()
        return chosen, entries

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
        # What yoyo did not choose is applied. If the ledger does not have it so, there is something to put right.
        chosen, entries = self._look_at(migrations, lambda entry: not entry.settled)
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
        _refuse_gap(names, entries, "yoyo apply -r")
        if not names:
            print("nothing to apply")
        super().apply_migrations(self._by_name(names))

    def rollback_migrations(self, migrations: MigrationList, force: bool = False) -> None:
        """Roll back the migrations that yoyo chose, and what an interrupted apply left above them."""
        _refuse_force(force)
        chosen, entries = self._look_at(migrations, lambda entry: entry.unfinished)
        names = [
            entry.id
            for entry in reversed(entries)
            if entry.id in self._known
            and ((entry.id in chosen and entry.applied) or (not entry.applied and entry.unfinished))
        ]
        if not names:
            print("nothing to roll back")
            return
        _refuse_from_under(names, entries, "yoyo rollback -r")
        chosen_migrations = self._by_name(names)
        refuse_losses(self.connection, self.settings, chosen_migrations)
        super().rollback_migrations(chosen_migrations)

    def mark_migrations(self, migrations: MigrationList) -> None:
        """Record as applied what the database has by other means; in order, and what is there already below it."""
        chosen, entries = self._look_at(migrations)
        _refuse([entry.fault for entry in entries if entry.fault and entry.id not in chosen])
        names = [entry.id for entry in entries if entry.id in chosen and not entry.applied]
        _refuse_gap(names, entries, "yoyo mark -r")
        super().mark_migrations(self._by_name(names))
        print(f"marked {', '.join(names) or 'nothing'}")

    def unmark_migrations(self, migrations: MigrationList) -> None:
        """Record as not applied; from above."""
        chosen, entries = self._look_at(migrations)
        names = [entry.id for entry in reversed(entries) if entry.id in chosen and entry.applied]
        _refuse_from_under(names, entries, "yoyo unmark -r")
        super().unmark_migrations(self._by_name(names))
        print(f"unmarked {', '.join(names) or 'nothing'}")

    def _by_name(self, names: Iterable[str]) -> MigrationList:
        return MigrationList([self._known[name] for name in names])

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


@contextlib.contextmanager
def _in_one_line() -> Iterator[None]:
    """End the command with one line where something goes wrong that the operator can do something about."""
    try:
        yield
    except psycopg.Error as error:
        if is_interrupted(error):
            fail(INTERRUPTED)
        fail(f"yoyo: {explained(error)}")
    except KeyboardInterrupt:
        fail(INTERRUPTED)
    except re.error as error:
        fail(f"yoyo: -m takes a regular expression, which this is not: {error}")
    except OSError as error:
        if error.filename is None:  # of the output, not of a file: closed, or on a full disk
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python would try once more at its end
            fail(f"yoyo: the output cannot be written: {error.strerror}; what was applied before is applied")
        fail(f"yoyo: {error.filename} cannot be read: {error.strerror}")


def _refuse(faults: list[str]) -> None:
    if faults:
        fail("\n  ".join(["yoyo: nothing was done:", *faults] if len(faults) > 1 else [f"yoyo: {faults[0]}"]))


def _refuse_gap(names: list[str], entries: list[Entry], command: str) -> None:
    """End the command where one of the names, in order, would stand on a migration that is not applied."""
    skipped = [entry.id for entry in entries if not entry.applied and entry.id not in names]
    if names and skipped and skipped[0] < names[-1]:
        fail(f"yoyo: {names[-1]} stands on {skipped[0]}, which is not applied: {command} {names[-1]}")


def _refuse_from_under(names: list[str], entries: list[Entry], command: str) -> None:
    """End the command where a migration that stays would stand on one of the names, from above."""
    above = [entry for entry in entries if names and entry.applied and entry.id >= names[-1]]
    _refuse([entry.fault for entry in above if entry.fault])
    for entry in above:
        if entry.id not in names:
            how = "by the release that has it" if entry.state == "newer" else f"{command} {names[-1]}"
            fail(f"yoyo: {entry.id} stands on {names[-1]}: roll it back first, {how}")


def _refuse_force(force: bool) -> None:
    if force:
        fail("yoyo: --force would record as done what failed: mend the cause, or see yoyo mark and yoyo unmark")
