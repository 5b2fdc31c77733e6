"""The yoyo backend `settings:`, which yoyo.ini names: PostgreSQL as the settings say, one migrator at a time.

It differs from yoyo's own psycopg backend in what an operator meets: no URL in the ini; a lock that lives as long as
its holder's connection, for which others wait; a migration and its record in one transaction; one line for an error.
"""

import contextlib
import getpass
import os
import signal
import socket
import time
import uuid
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.exceptions import BadMigration
from yoyo.migrations import Migration, MigrationList

from app.embedded import connectable
from app.settings import ROOT, fail, read_settings

POLL = 0.1  # seconds between two attempts at the lock
PATIENCE = 5.0  # seconds between two lines that say we wait

# yoyo says so at each plain `yoyo rollback`, with a line of its source; one at a time is what the README promises.
warnings.filterwarnings("ignore", message="Only rolling back a single migration")


class SettingsBackend(PostgresqlPsycopgBackend):  # type: ignore[misc]
    """Connects as MIGRATION_DATABASE_URL says, or DATABASE_URL; see the module for what else is its own."""

    _is_locked = False

    def connect(self, dburi: object) -> psycopg.Connection:
        # yoyo looks for its ini in the parent folders too, but for the migrations in the current one alone.
        if not Path("sql/migrations").is_dir():
            os.chdir(ROOT)
        self.lock_wait = read_settings().migration_lock_wait
        try:
            connection = psycopg.connect(
                connectable(read_settings().migrator_url),
                autocommit=True,
                application_name="images-migrations",
            )
            connection.execute(statement("prepare_session"))
        except psycopg.Error as error:
            fail(f"yoyo: cannot connect to PostgreSQL: {one_line(error)}")
        return connection

    def init_database(self) -> None:
        """Nothing: the lock table is made under the lock, and PostgreSQL is known to have transactional DDL."""

    @contextlib.contextmanager
    def lock(self, timeout: float | None = None) -> Iterator[None]:
        """Hold the lock, for whatever a command does; wait for it MIGRATION_LOCK_WAIT seconds at most.

        The advisory lock decides, and ends with the connection. yoyo's own row is kept beside it for stock yoyo to
        see; one that is there already was left by a migrator that died.
        """
        if self._is_locked:
            yield
            return
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            self._take_lock(self.lock_wait if timeout is None else timeout)
            if self.lock_table not in self.list_tables():
                self.execute(self.format_sql(self.create_lock_table_sql))
            self.execute(statement("record_lock"), {"pid": os.getpid()})
            self._is_locked = True
            yield
        except psycopg.Error as error:
            fail(f"yoyo: {explained(error)}")
        except BadMigration as error:
            fail(f"yoyo: {error}")
        except KeyboardInterrupt:
            fail("yoyo: interrupted; the migration that was running is not applied, those before it are")
        finally:
            signal.signal(signal.SIGTERM, before)
            if self._is_locked and not self.connection.closed:
                self._delete_lock_row(os.getpid())
                self.execute(statement("release_lock"))
            self._is_locked = False

    def _take_lock(self, wait: float) -> None:
        started = said = time.monotonic()
        while not self.execute(statement("take_lock")).fetchone()[0]:
            now = time.monotonic()
            if now - started > wait:
                fail(f"yoyo: another migrator has worked for {wait:g} s (MIGRATION_LOCK_WAIT); try again later")
            if now - said >= PATIENCE:
                print(f"waiting for another migrator to finish, {now - started:.0f} s so far", flush=True)
                said = now
            time.sleep(POLL)

    def apply_migrations(self, migrations: MigrationList, force: bool = False) -> None:
        if not migrations:
            print("nothing to apply")
        super().apply_migrations(migrations, force)

    def rollback_migrations(self, migrations: MigrationList, force: bool = False) -> None:
        if not migrations:
            print("nothing to roll back")
        super().rollback_migrations(migrations, force)

    def apply_one(self, migration: Migration, force: bool = False, mark: bool = True) -> None:
        self._run(migration, "apply", force, mark)

    def rollback_one(self, migration: Migration, force: bool = False) -> None:
        self._run(migration, "rollback", force, mark=True)

    def _run(self, migration: Migration, operation: str, force: bool, mark: bool) -> None:
        """Run the steps on this connection and record them: in one transaction, where the steps can be in one."""
        done = {"apply": "applied", "rollback": "rolled back"}[operation]
        self.ensure_internal_schema_updated()
        migration.load()
        started = time.monotonic()
        try:
            if migration.use_transactions:
                with self.transaction():
                    migration.process_steps(self, operation, force)
                    self._record(migration, operation, mark)
            else:
                self.execute(statement("wait_for_transactions"))
                migration.process_steps(self, operation, force)
                self.execute(statement("prepare_session"))
                with self.transaction():
                    self._record(migration, operation, mark)
        except psycopg.Error as error:
            fail(f"yoyo: {migration.id} was not {done}: {explained(error)}")
        print(f"{done} {migration.id} in {time.monotonic() - started:.3f} s", flush=True)

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


def statement(name: str) -> str:
    """The text of one of sql/migrator/*.sql."""
    return (ROOT / "sql" / "migrator" / f"{name}.sql").read_text(encoding="utf-8")


def one_line(error: psycopg.Error) -> str:
    """What PostgreSQL or libpq said, on one line."""
    return " ".join(str(error).split())


def explained(error: psycopg.Error) -> str:
    """What PostgreSQL said: the message, then each line of its detail, then its hint."""
    if error.diag.message_primary is None:
        return one_line(error)
    details = (error.diag.message_detail or "").splitlines()
    hint = [error.diag.message_hint] if error.diag.message_hint else []
    return "\n  ".join([error.diag.message_primary, *details, *hint])
