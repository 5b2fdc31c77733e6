"""yoyo backend that connects as the settings say, and lets one migrator work at a time.

The lock lives as long as its holder's connection. Other migrators wait for it. An error is a line with a hint, and has
an exit code. app/migrations/backend.py adds the operations on migrations.
"""

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

from psycopg.errors import LockNotAvailable
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.exceptions import BadMigration, MigrationConflict
from yoyo.scripts.main import InvalidArgument
from yoyo.topologicalsort import CycleError

from app import project
from app.errors import CommandError, ExitCode, UsageError
from app.migrations import ledger, lock, renumbered_files
from app.migrations.connection import Connection, connect, reject_pooler, run, sentence
from app.migrations.interrupts import interruptible
from app.migrations.known_migrations import KnownMigrations
from app.migrations.migrator import FinishedElsewhereError
from app.migrations.order import reject_gap, reject_problems
from app.migrations.output import Output
from app.migrations.restored_dump import known_version
from app.migrations.search_path import reject_other_schema
from app.migrations.session import Session
from app.migrations.watch import Watch
from app.migrations.yoyo_errors import ending_with_errors
from app.migrations.yoyo_options import only_events_of, reject_options
from app.setting_sources import WARNED, unknown_names
from app.settings import read_settings
from app.streams import guard_streams

GIVE_WAY = 2 * lock.POLL_INTERVAL  # seconds in which a migrator that waits takes the lock


class LockingBackend(PostgresqlPsycopgBackend):  # type: ignore[misc]
    """yoyo backend with a session, a watch of it, and a lock that `_hold` takes when there is something to write.

    Methods without a docstring are described in yoyo's DatabaseBackend.
    """

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
        self.known = KnownMigrations(self.connection)
        self.watch = Watch(
            self.settings, self.connection.info.backend_pid, self.output, self.settings.migration_lock_timeout
        )
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
                self.watch.start()
                with interruptible():
                    yield
                    if self._is_locked and self._waited is not None:
                        ledger.finish(self.connection, self._waited, self.known.digests())
            except (BadMigration, CycleError, MigrationConflict, KeyError, UnicodeError) as error:  # of the files
                self.known.reject_faults()
                # The repr of a UnicodeError has the bytes of the whole file. The files themselves are in UTF-8.
                is_locale = isinstance(error, UnicodeError)
                raise CommandError(
                    f"a migration cannot be read: {error if is_locale else repr(error)}.",
                    "choose a locale with UTF-8, such as LC_ALL=C.UTF-8" if is_locale else None,
                ) from error
            except InvalidArgument as error:  # of -r
                raise UsageError(str(error), "list the migrations: yoyo list") from error
            except LockNotAvailable as error:  # outside a migration, such as when rows are counted
                message, hint = self.watch.explain(error)
                raise CommandError(sentence(f"PostgreSQL failed: {message}"), hint) from error
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
        self.connection.is_patient = True  # a slow server must not cut a migration off
        self.connection.tell = self.report
        tables = self.list_tables()
        if self.lock_table not in tables:
            self.execute(self.format_sql(self.create_lock_table_sql))
        if process := lock.find_row(self.connection):
            self.report(
                f"took over yoyo_lock from process {process}, which has ended or is a stock yoyo. "
                "If stock yoyo is running, stop this command"
            )
        run(self.connection, "record_lock", pid=os.getpid())
        self._is_locked = True
        self.watch.start()
        self.ensure_internal_schema_updated()
        self._internal_schema_updated = True  # otherwise yoyo asks again before each statement of its own
        if ledger.TABLE not in tables:
            ledger.create(self.connection)
        self._waited = waited if ledger.extend(self.connection, is_needed=self.reason is not None) else None
        records = ledger.read(self.connection)
        ledger.adopt(self.connection, self.known.digests(), records)
        renumbered_files.follow(self.connection, self.known.digests(), records, self.report)

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
        entries = self.known.entries()
        if entry := next((each for each in entries if each.id == migration_id and not each.applied), None):
            reject_gap([migration_id], entries, "yoyo apply -r")
        else:
            raise FinishedElsewhereError(f"{migration_id} was finished by another migrator.", "run the command again")
        reject_problems([entry])

    def _release(self) -> None:
        self.watch.stop()
        if self._is_locked and not self.connection.closed:
            self._delete_lock_row(os.getpid())
            lock.release(self.connection)
        self._is_locked = False
