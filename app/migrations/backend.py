"""yoyo backend `settings:`, which yoyo.ini names: PostgreSQL as the settings say, one migrator at a time.

It differs from yoyo's own psycopg backend in these points:

* The lock lives as long as its holder's connection. Other migrators wait for it, and `yoyo list` does not need it.
* Files and history are checked before anything runs.
* A migration and its record are one transaction, which is retried if a table's lock is not granted.
* A rollback loses no rows that the operator has not accepted.
* An error is a line with a hint, and has an exit code.
"""

import contextlib
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from yoyo.migrations import Migration, MigrationList

from app.errors import UsageError
from app.migrations import backfill, edited_files, ledger, lock, new_database, renumbered_files, splitting, tags
from app.migrations.data_loss import reject_losses
from app.migrations.dependents import reject_prevented
from app.migrations.execution import execute
from app.migrations.locking_backend import LockingBackend
from app.migrations.order import reject_force, reject_gap, reject_needed, reject_problems
from app.migrations.restored_dump import without_history
from app.migrations.yoyo_options import reject_many, reject_unnamed, rolls_back_one
from app.schema.history import Entry, renumbered

# yoyo warns at each plain `yoyo rollback` that it rolls back only one migration, as the documentation promises.
warnings.filterwarnings("ignore", message="Only rolling back a single migration")

splitting.install()


class SettingsBackend(LockingBackend):
    """yoyo backend of this project: the operations on migrations.

    Methods without a docstring are described in yoyo's DatabaseBackend.
    """

    def accept(self, names: Sequence[str]) -> None:
        """Record the digests of applied migrations that were edited since: see edited_files.accept."""
        self._hold()
        edited_files.accept(self.connection, names, self.known.entries(), self.known.digests(), self.report)

    def tag(self, name: str) -> None:
        """Record a name for the migrations that are applied now. Raises CommandError if the name has others."""
        self._hold()
        tags.record(self.connection, name, self.known.entries())
        self.report(f"tagged {name}")

    def _inspect(
        self,
        migrations: MigrationList,
        must_hold: Callable[[Entry], bool] = lambda entry: False,
        stays: Callable[[Entry], bool] = lambda entry: False,
    ) -> tuple[set[str], list[Entry]]:
        """Return the IDs that yoyo chose, and the history.

        Take the lock if there is something to write: a migration that is chosen, or that must hold it, unless
        it stays as it is. A lock row that was left is also removed, because it would make stock yoyo wait.
        """
        chosen = self.known.remember(migrations)
        if not self.known:
            raise UsageError("no migration found.", "check the folder and the pattern of -m")
        records = ledger.read(self.connection)
        if chosen:
            self.known.reject_faults(chosen, records)
        entries = self.known.entries(records)
        has_row = self.lock_table in self.list_tables() and lock.find_row(self.connection)
        is_left = has_row and not lock.find_holder(self.connection)
        is_moved = renumbered(self.known.digests(), records)
        known = [entry for entry in entries if entry.id in self.known and not stays(entry)]
        if is_left or is_moved or any(entry.id in chosen or must_hold(entry) for entry in known):
            self._hold()
            entries = self.known.entries()
        return chosen, entries

    def get_applied_migration_hashes(self) -> list[str]:
        """Return yoyo's own answer, but create no tables without the lock: `yoyo list` only reads."""
        if not self._is_locked and self.migration_table not in self.list_tables():
            return []
        hashes = list(super().get_applied_migration_hashes())
        return renumbered_files.with_new_hashes(self.connection, self.known.digests(), hashes)

    def to_apply(self, migrations: MigrationList) -> MigrationList:
        self.known.remember(migrations)
        return super().to_apply(migrations)

    def to_rollback(self, migrations: MigrationList) -> MigrationList:
        self.known.remember(migrations)
        return super().to_rollback(migrations)

    def apply_migrations(self, migrations: MigrationList, force: bool = False) -> None:
        """Apply the migrations that yoyo chose, and those that an interrupted rollback left half done."""
        reject_force(force)
        has_history = self.migration_table in self.list_tables()
        with contextlib.nullcontext() if has_history else without_history(self.connection):
            self._apply(migrations)

    def _apply(self, migrations: MigrationList) -> None:
        # yoyo did not choose the applied migrations. If the ledger disagrees, one of them needs a repair.
        chosen, entries = self._inspect(migrations, lambda entry: not entry.settled, self._stays)
        reject_problems(entries)
        released = self.released | new_database.find_released(self.connection, self.list_tables(), chosen, entries)
        if newer := [entry.id for entry in entries if entry.state == "newer" and entry.applied]:
            self.report(f"a newer release applied migrations that this release does not know: {', '.join(newer)}")
        # Another migrator may have applied some since they were chosen.
        names = [
            entry.id
            for entry in entries
            if entry.id in self.known
            and ((entry.id in chosen and not entry.applied) or (entry.applied and entry.unfinished))
            and (not entry.waits or entry.id in released)
        ]
        for entry in entries:
            if entry.waits and entry.id not in released and entry.id in chosen:
                self.report(f"{entry.id} {entry.waits}")
        reject_gap(names, entries, "yoyo apply -r")
        if not names:
            self.report("nothing to apply", "nothing")
        reject_prevented(self.connection, (Path(self.known[name].path) for name in names))
        super().apply_migrations(self.known.by_name(names))

    def _stays(self, entry: Entry) -> bool:
        """Return whether an apply leaves a migration as it is, because it waits for a command or for a backfill."""
        return bool(entry.waits) and not entry.applied and not entry.unfinished and entry.id not in self.released

    def rollback_migrations(self, migrations: MigrationList, force: bool = False) -> None:
        """Roll back the migrations that yoyo chose, and those above them that an interrupted apply left half done."""
        reject_force(force)
        chosen, entries = self._inspect(migrations, lambda entry: entry.unfinished)
        names = [
            entry.id
            for entry in reversed(entries)
            if entry.id in self.known
            and ((entry.id in chosen and entry.applied) or (not entry.applied and entry.unfinished))
        ]
        if rolls_back_one():  # the one that yoyo chose may not be the last: it does not choose what is half done
            names = names[:1]
        if not names:
            self.report("nothing to roll back", "nothing")
            return
        reject_needed(names, entries, "yoyo rollback -r")
        reject_many(names, "rolled back", "reapply")
        chosen_migrations = self.known.by_name(names)
        reject_losses(self.connection, self.settings, chosen_migrations)
        reject_prevented(self.connection, (Path(self.known[name].path) for name in names), rollback=True)
        super().rollback_migrations(chosen_migrations)
        self.released |= frozenset(names)  # `yoyo reapply` and `develop` apply them again

    def mark_migrations(self, migrations: MigrationList) -> None:
        """Record as applied what the database has already, in order and without gaps. Nothing runs."""
        chosen, entries = self._inspect(migrations)
        reject_problems([entry for entry in entries if entry.id not in chosen])
        names = [entry.id for entry in entries if entry.id in chosen and not entry.applied]
        reject_gap(names, entries, "yoyo mark -r")
        reject_unnamed(names)
        for name in names:
            backfill.tell_unfinished(self.connection, self.known[name], self.report)
        super().mark_migrations(self.known.by_name(names))
        self.report(f"marked {', '.join(names) or 'nothing'}")
        if names and not any(entry.applied and entry.id > names[0] for entry in entries):  # else it unmarks those too
            self.report(f"undo: yoyo unmark -r {names[0]}{' --all' if len(names) > 1 else ''}")

    def unmark_migrations(self, migrations: MigrationList) -> None:
        """Record as not applied, in reverse order. Nothing runs.

        More than one needs the option --all: the next apply runs all of them again.
        """
        chosen, entries = self._inspect(migrations)
        names = [entry.id for entry in reversed(entries) if entry.id in chosen and entry.applied]
        reject_needed(names, entries, "yoyo unmark -r")
        reject_many(names, "unmarked", "unmark")
        super().unmark_migrations(self.known.by_name(names))
        self.report(f"unmarked {', '.join(names) or 'nothing'}")
        if names:
            self.report(f"undo: yoyo mark -r {names[0]}")

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
        started: float | None = None,
        error: str | None = None,
    ) -> None:
        """Record one run in the ledger: see ledger.record_run. `started` is by the monotonic clock."""
        seconds = 0.0 if started is None else time.monotonic() - started
        digest = self.known.digests()[migration.id].current
        ledger.record_run(self.connection, migration.id, digest, operation, outcome, seconds, error, self.reason)

    def get_log_data(self, migration: Migration | None = None, operation: str = "apply") -> dict[str, Any]:
        return ledger.log_row(migration and migration.id, migration and migration.hash, operation)
