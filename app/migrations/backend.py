"""yoyo backend `settings:`, which yoyo.ini names: PostgreSQL as the settings say, one migrator at a time.

It differs from yoyo's own psycopg backend in these points:

* The lock lives as long as its holder's connection. Other migrators wait for it, and `yoyo list` does not need it.
* Files and history are checked before anything runs.
* A migration and its record are one transaction, which is retried if a table's lock is not granted.
* A rollback loses no rows that the operator has not accepted.
* An error is a line with a hint, and has an exit code.
"""

import contextlib
import os
import sys
import time
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from psycopg.errors import LockNotAvailable
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.exceptions import BadMigration, MigrationConflict
from yoyo.migrations import Migration, MigrationList
from yoyo.scripts.main import InvalidArgument
from yoyo.topologicalsort import CycleError

from app import project
from app.errors import CommandError, ExitCode, UsageError
from app.migrations import backfill, edited_files, ledger, lock, new_database, renumbered_files, splitting, tags
from app.migrations.connection import Connection, connect, explain, reject_pooler, run, sentence
from app.migrations.data_loss import reject_losses
from app.migrations.dependents import reject_prevented
from app.migrations.execution import execute
from app.migrations.interrupts import interruptible
from app.migrations.migrator import FinishedElsewhereError
from app.migrations.order import reject_faults, reject_force, reject_gap, reject_needed, reject_problems
from app.migrations.output import Output
from app.migrations.restored_dump import known_version, without_history
from app.migrations.search_path import reject_other_schema
from app.migrations.session import Session
from app.migrations.validation import faults
from app.migrations.watch import Watch
from app.migrations.yoyo_errors import ending_with_errors
from app.migrations.yoyo_options import (
    only_events_of,
    reject_many,
    reject_options,
    reject_unnamed,
    rolls_back_one,
)
from app.schema.digest import Digest
from app.schema.history import Entry, compare, renumbered, shipped
from app.setting_sources import WARNED, unknown_names
from app.settings import read_settings
from app.streams import guard_streams

GIVE_WAY = 2 * lock.POLL_INTERVAL  # seconds in which a migrator that waits takes the lock
# yoyo warns at each plain `yoyo rollback` that it rolls back only one migration, as the documentation promises.
warnings.filterwarnings("ignore", message="Only rolling back a single migration")

splitting.install()


class SettingsBackend(PostgresqlPsycopgBackend):  # type: ignore[misc]
    """yoyo backend of this project. Methods without a docstring are described in yoyo's DatabaseBackend."""

    # yoyo's own query reads information_schema, which hides the tables that a role may not read.
    list_tables_sql = "SELECT tablename FROM pg_tables WHERE schemaname = :schema"

    _is_locked = False
    _waited: float | None = None  # seconds for the lock; None if the ledger cannot record them

    def connect(self, dburi: object) -> Connection:
        if sys.stdout is sys.__stdout__:  # in another `yoyo` command than that of this project
            guard_streams()
        with ending_with_errors():
            project.choose_as_yoyo()
            # yoyo finds its ini from a folder below the project too, but the migrations only from the project's folder.
            os.chdir(project.current().folder)
            for warning in unknown_names() if WARNED not in os.environ else []:
                print(f"warning: {warning}", file=sys.stderr)
            reject_options()
            self.settings = read_settings()
            self.output = Output(self.settings.migration_output)
        with ending_with_errors(self.output):
            connection = connect(self.settings)
            connection.add_notice_handler(self.output.raised)
            return connection

    def __init__(self, dburi: object, migration_table: str) -> None:
        super().__init__(dburi, migration_table)
        self.released: frozenset[str] = frozenset()  # migrations that do not wait: their command runs
        self.reason: str | None = None  # why it runs although sessions of an older release may be connected
        self._known: dict[str, Migration] = {}
        self._parents: set[Path] = set()  # their folders
        self._shipped: dict[Path, dict[str, Digest]] = {}
        self.watch = Watch(self.settings, self.connection.info.backend_pid, self.output)
        with ending_with_errors(self.output):
            reject_pooler(self.connection)
            run(self.connection, "set_role", role=self.settings.migration_role or "none")  # "$user" leads to its schema
            reject_other_schema(self.connection)
            self.session = Session(self.connection, self.settings.migration_role, self.settings.migration_lock_timeout)

    def init_database(self) -> None:
        """Do nothing: `_hold` creates the lock table under the lock, and PostgreSQL has transactional DDL."""

    def ensure_internal_schema_updated(self) -> None:
        with known_version():
            super().ensure_internal_schema_updated()

    def transaction(self, rollback_on_exit: bool = False) -> Any:
        """Return a transaction, or nothing inside one: without savepoints, an error ends all of it."""
        return contextlib.nullcontext() if self._in_transaction else super().transaction(rollback_on_exit)

    def report(self, text: str, event: str = "note", **fields: object) -> None:
        """Print a line about the work: see Output."""
        self.output.report(text, event, **fields)

    @contextlib.contextmanager
    def lock(self, timeout: float | None = None) -> Iterator[None]:
        """Run a yoyo command and turn its errors into messages. At its end, release the lock if `_hold` took it.

        yoyo calls this around each command. It takes no lock, despite its name. `_hold` does, when there is something
        to write.
        """
        if self._is_locked:  # yoyo upgrades its own tables inside the command's lock
            yield
            return
        with ending_with_errors(self.output), only_events_of(self.output):
            try:
                with interruptible():
                    yield
                    if self._is_locked and self._waited is not None:
                        ledger.finish(self.connection, self._waited, self._digests())
            except (BadMigration, CycleError, MigrationConflict, KeyError, UnicodeError) as error:  # of the files
                self._reject_faults()
                raise CommandError(f"a migration cannot be read: {error!r}.") from error
            except InvalidArgument as error:  # of -r
                raise UsageError(str(error), "list the migrations: yoyo list") from error
            except LockNotAvailable as error:  # outside a migration, such as when rows are counted
                blockers, hint = self.watch.blockers()
                reason = "; ".join([explain(error)[0], *blockers])
                raise CommandError(sentence(f"PostgreSQL failed: {reason}"), hint) from error
            finally:
                self._release()

    def _hold(self) -> None:
        """Take the lock, or wait up to MIGRATION_LOCK_WAIT seconds for it. Create yoyo's tables and the ledger.

        The advisory lock decides, and ends with the connection. yoyo's own lock row is kept beside it for stock yoyo. A
        row that exists already was left by a migrator that died.
        """
        if self._is_locked:
            return
        self.session.reject_foreign_schema()
        waited = lock.take(self.connection, self.settings, self.report)
        tables = self.list_tables()
        if self.lock_table not in tables:
            self.execute(self.format_sql(self.create_lock_table_sql))
        if process := lock.find_row(self.connection):
            self.report(f"took over yoyo_lock from process {process}. If stock yoyo is running, stop this command")
        run(self.connection, "record_lock", pid=os.getpid())
        self._is_locked = True
        self.watch.start()
        self.ensure_internal_schema_updated()
        self._internal_schema_updated = True  # otherwise yoyo asks again before each statement of its own
        if ledger.TABLE not in tables:
            ledger.create(self.connection)
        self._waited = waited if ledger.extend(self.connection, is_needed=self.reason is not None) else None
        ledger.adopt(self.connection, self._digests(), ledger.read(self.connection))
        renumbered_files.follow(self.connection, self._digests(), self.report)

    def accept(self, names: Sequence[str]) -> None:
        """Record the digests of applied migrations that were edited since: see edited_files.accept."""
        self._hold()
        edited_files.accept(self.connection, names, self._history(), self._digests(), self.report)

    def tag(self, name: str) -> None:
        """Record a name for the migrations that are applied now. Raises CommandError if the name has others."""
        self._hold()
        tags.record(self.connection, name, self._history())
        self.report(f"tagged {name}")

    def break_lock(self) -> None:
        """Remove a lock row that a migrator left. The next one takes it over anyway. Raises CommandError if it runs."""
        with ending_with_errors(self.output):
            if holder := lock.find_holder(self.connection):
                raise CommandError(
                    f"a migrator is running: {holder}.",
                    "wait until it ends, or end that process: the lock ends with it",
                    ExitCode.ACTION_NEEDED,
                )
            if self.lock_table in self.list_tables():
                super().break_lock()
            self.report("the lock is free")

    def give_way(self, migration_id: str) -> None:
        """Let another migrator have its turn, if this one runs while the service serves. Then take the lock again.

        Raises CommandError if it may not continue.
        """
        if migration_id not in self.released:
            return
        self._release()
        time.sleep(GIVE_WAY)
        self._hold()
        lock.name_session(self.connection, migration_id)
        if entry := next((each for each in self._history() if each.id == migration_id and not each.applied), None):
            reject_gap([migration_id], self._history(), "yoyo apply -r")
        else:
            raise FinishedElsewhereError(f"{migration_id} was finished by another migrator.", "run the command again")
        reject_problems([entry])

    def _release(self) -> None:
        self.watch.stop()
        if self._is_locked and not self.connection.closed:
            self._delete_lock_row(os.getpid())
            lock.release(self.connection)
        self._is_locked = False

    def _folders(self) -> set[Path]:
        return self._parents or {project.current().migrations}

    def _digests(self) -> dict[str, Digest]:
        """Return the digests by ID. They are read once: the ledger gets the digest of the file that was run."""
        for folder in self._folders() - self._shipped.keys():
            self._shipped[folder] = shipped(folder)
        return {name: digest for folder in self._folders() for name, digest in self._shipped[folder].items()}

    def entries(self) -> list[Entry]:
        """Return the state of each migration."""
        return self._history()

    def _history(self) -> list[Entry]:
        return compare(self._digests(), ledger.read(self.connection))

    def _reject_faults(self, chosen: Collection[str] | None = None) -> None:
        """Raise CommandError, before the database is changed, if a file is wrong, or that of an applied one is missing.

        Missing files come first: a renamed file also makes the migrations wrong that depend on it, but those need no
        edit. Only the headers are read of the applied files that did not change and are not chosen.
        """
        entries = self._history()
        reject_problems([entry for entry in entries if entry.state == "missing"])
        known = {entry.id for entry in entries if chosen is not None and entry.state == "applied"} - {*(chosen or ())}
        reject_faults([str(fault) for folder in sorted(self._folders()) for fault in faults(folder, known)])

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
        chosen = self._remember(migrations)
        if not self._known:
            raise UsageError("no migration found.", "check the folder and the pattern of -m")
        if chosen:
            self._reject_faults(chosen)
        entries = self._history()
        has_row = self.lock_table in self.list_tables() and lock.find_row(self.connection)
        is_left = has_row and not lock.find_holder(self.connection)
        is_moved = renumbered(self._digests(), ledger.read(self.connection))
        known = [entry for entry in entries if entry.id in self._known and not stays(entry)]
        if is_left or is_moved or any(entry.id in chosen or must_hold(entry) for entry in known):
            self._hold()
            entries = self._history()
        return chosen, entries

    def get_applied_migration_hashes(self) -> list[str]:
        """Return yoyo's own answer, but create no tables without the lock: `yoyo list` only reads."""
        if not self._is_locked and self.migration_table not in self.list_tables():
            return []
        hashes = list(super().get_applied_migration_hashes())
        return renumbered_files.with_new_hashes(self.connection, self._digests(), hashes)

    def to_apply(self, migrations: MigrationList) -> MigrationList:
        self._remember(migrations)
        return super().to_apply(migrations)

    def to_rollback(self, migrations: MigrationList) -> MigrationList:
        self._remember(migrations)
        return super().to_rollback(migrations)

    def _remember(self, migrations: MigrationList) -> set[str]:
        self._known.update({migration.id: migration for migration in migrations})
        self._parents = {Path(migration.path).parent for migration in self._known.values()}
        return {migration.id for migration in migrations}

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
            if entry.id in self._known
            and ((entry.id in chosen and not entry.applied) or (entry.applied and entry.unfinished))
            and (not entry.waits or entry.id in released)
        ]
        for entry in entries:
            if entry.waits and entry.id not in released and entry.id in chosen:
                self.report(f"{entry.id} {entry.waits}")
        reject_gap(names, entries, "yoyo apply -r")
        if not names:
            self.report("nothing to apply", "nothing")
        reject_prevented(self.connection, (Path(self._known[name].path) for name in names))
        super().apply_migrations(self._by_name(names))

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
            if entry.id in self._known
            and ((entry.id in chosen and entry.applied) or (not entry.applied and entry.unfinished))
        ]
        if rolls_back_one():  # the one that yoyo chose may not be the last: it does not choose what is half done
            names = names[:1]
        if not names:
            self.report("nothing to roll back", "nothing")
            return
        reject_needed(names, entries, "yoyo rollback -r")
        reject_many(names, "rolled back", "reapply")
        chosen_migrations = self._by_name(names)
        reject_losses(self.connection, self.settings, chosen_migrations)
        reject_prevented(self.connection, (Path(self._known[name].path) for name in names), rollback=True)
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
            backfill.tell_unfinished(self.connection, self._known[name], self.report)
        super().mark_migrations(self._by_name(names))
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
        super().unmark_migrations(self._by_name(names))
        self.report(f"unmarked {', '.join(names) or 'nothing'}")
        if names:
            self.report(f"undo: yoyo mark -r {names[0]}")

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
        started: float | None = None,
        error: str | None = None,
    ) -> None:
        """Record one run in the ledger: see ledger.record_run. `started` is by the monotonic clock."""
        seconds = 0.0 if started is None else time.monotonic() - started
        digest = self._digests()[migration.id].current
        ledger.record_run(self.connection, migration.id, digest, operation, outcome, seconds, error, self.reason)

    def get_log_data(self, migration: Migration | None = None, operation: str = "apply") -> dict[str, Any]:
        return ledger.log_row(migration and migration.id, migration and migration.hash, operation)
