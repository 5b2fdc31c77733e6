"""Watch of a session from a second connection: which sessions block its statement, and how far it is.

The session is that of the migrator, or of a command that reads.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Self

import psycopg
from psycopg.errors import LockNotAvailable

from app.errors import CommandError, OutputError, connection_reason
from app.migrations import lock
from app.migrations.connection import Connection, explain, open_connection, run
from app.migrations.output import FIRST_INTERVAL, Output
from app.schema.blockers import Blocker, advice, in_words
from app.settings import Settings

MIN_INTERVAL, MAX_INTERVAL = 0.02, 1.0  # seconds between two looks
REPORT_INTERVAL = 10.0  # seconds between two lines


class Watch:
    """Watch of one session, in a thread, from `start` to `stop`.

    While a statement waits for a lock for `lock_timeout` seconds, it looks at least three times. So it knows the
    blockers before PostgreSQL gives up. A command that ends before the first look opens no second connection. Without
    a second connection, the migrator works, and does not know these things.
    """

    def __init__(self, settings: Settings, process: int, output: Output, lock_timeout: float) -> None:
        self._settings = settings
        self._process = process  # the session's server process
        self._output = output
        self._interval = min(max(lock_timeout / 4, MIN_INTERVAL), MAX_INTERVAL)
        self._done = threading.Event()
        self._thread: threading.Thread | None = None
        self._blockers: list[Blocker] = []  # of the last look during a wait
        self._failure: str | None = None  # why it cannot look
        self._migration: tuple[str, float] | None = None  # its ID and its start

    def start(self) -> None:
        """Begin to look, unless it does already."""
        if self._thread is not None and not self._done.is_set():
            return
        self._done.clear()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and its connection."""
        self._done.set()
        if self._thread is not None:
            self._thread.join(timeout=1)
            self._thread = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    @contextmanager
    def reporting(self, migration_id: str) -> Iterator[None]:
        """Show the progress of the statements, and their messages, while the block runs this migration."""
        self._migration = migration_id, time.monotonic()
        try:
            with self._output.running(migration_id):
                yield
        finally:
            self._migration = None

    def forget(self) -> None:
        """Forget the blockers of an earlier statement."""
        self._blockers = []

    def blockers(self) -> tuple[list[str], str | None]:
        """Return the sessions that blocked the last statement, in words, and what to do about them."""
        if self._blockers:
            return [in_words(self._blockers)], advice(self._blockers)
        if self._failure:
            return [
                f"which session blocked it is not known, because no second connection is possible: {self._failure}"
            ], None
        return [], None

    def explain(self, error: psycopg.Error) -> tuple[str, str | None]:
        """Return what connection.explain returns, with the blockers if the statement waited for a lock."""
        message, hint = explain(error)
        if not isinstance(error, LockNotAvailable):
            return message, hint
        blockers, todo = self.blockers()
        return "; ".join([message, *blockers]), todo or hint

    def _look(self) -> None:
        if self._done.wait(self._interval):
            return
        try:
            with open_connection(self._settings) as connection:
                self._look_through(connection)
        except psycopg.Error as error:
            self._failure = connection_reason(error)
        except OutputError:  # it comes from stdout, and the migration will get it too
            return
        except CommandError as error:  # PostgreSQL is silent
            self._failure = error.message.rstrip(".")

    def _look_through(self, connection: Connection) -> None:
        with ExitStack() as shown:
            reported: tuple[tuple[str, float], float] | None = None  # the migration of the last line, and its time
            work, meter = None, None
            while True:
                is_waiting, label, unit, done, total, tables = run(
                    connection, "find_progress", process=self._process
                ).fetchall()[0]
                blockers = self._find_blockers(connection) if is_waiting else []
                if (label, total) != work:
                    shown.close()
                    work, meter = (label, total), None
                    if total and self._migration and not self._output.is_metered:
                        meter = shown.enter_context(self._output.meter(label, unit, total, done))
                if meter:
                    meter.update(done, total)
                now, migration = time.monotonic(), self._migration
                if migration and (blockers or not self._output.is_metered):
                    is_first = reported is None or reported[0] != migration
                    since = migration[1] if is_first or reported is None else reported[1]
                    if now - since >= (min(FIRST_INTERVAL, REPORT_INTERVAL) if is_first else REPORT_INTERVAL):
                        reported = migration, now
                        self._report(*migration, blockers, label or tables)
                if self._done.wait(self._interval):
                    return

    def _find_blockers(self, connection: Connection) -> list[Blocker]:
        blockers = lock.find_blockers(connection, self._process)
        self._blockers = blockers or self._blockers
        return blockers

    def _report(self, migration_id: str, started: float, blockers: list[Blocker], work: str | None) -> None:
        seconds = time.monotonic() - started
        waiting = f"waiting: {in_words(blockers)}" if blockers else None
        text = ", ".join(filter(None, [work, waiting, f"{seconds:.0f} s so far"]))
        event = "blocked" if blockers else "progress"
        named = {"blockers": [str(blocker) for blocker in blockers]} if blockers else {}
        self._output.report(f"{migration_id}: {text}", event, seconds=round(seconds, 1), **named)
