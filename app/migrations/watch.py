"""Watch of the migrator's session from a second connection: which sessions block its statement, and how far it is."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg

from app.errors import OutputError, connection_reason
from app.migrations import lock
from app.migrations.connection import Connection, open_connection, run
from app.schema.blockers import Blocker, in_words
from app.settings import Settings

MIN_INTERVAL, MAX_INTERVAL = 0.02, 1.0  # seconds between two looks
REPORT_INTERVAL = 5.0  # seconds between two lines


class Watch:
    """Watch of one session, in a thread, from `start` to `stop`.

    It looks at least three times while a statement waits for a lock as long as MIGRATION_LOCK_TIMEOUT allows, so it
    knows who blocks before PostgreSQL gives up. A command that ends before the first look opens no second connection.
    Without a second connection, the migrator works, and does not know these things.
    """

    def __init__(self, settings: Settings, process: int, report: Callable[[str], None]) -> None:
        self._settings = settings
        self._process = process  # the session's server process
        self._report = report
        self._interval = min(max(settings.migration_lock_timeout / 4, MIN_INTERVAL), MAX_INTERVAL)
        self._done = threading.Event()
        self._thread: threading.Thread | None = None
        self._blockers: list[Blocker] = []  # of the last look during a wait
        self._failure: str | None = None  # why it cannot look
        self._migration: tuple[str, float] | None = None  # its ID and its start

    def start(self) -> None:
        """Begin to look."""
        self._done.clear()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and its connection."""
        self._done.set()
        if self._thread is not None:
            self._thread.join(timeout=1)

    @contextmanager
    def reporting(self, migration_id: str) -> Iterator[None]:
        """Report a line every few seconds while the block runs this migration."""
        self._migration = migration_id, time.monotonic()
        try:
            yield
        finally:
            self._migration = None

    def forget(self) -> None:
        """Forget the blockers of an earlier statement."""
        self._blockers = []

    def blockers(self) -> tuple[list[str], str | None]:
        """Return the sessions that blocked the last statement, in words, and what to do about the oldest."""
        if self._blockers:
            return [in_words(self._blockers)], self._blockers[0].advice
        if self._failure:
            return [
                f"which session blocked it is not known, because no second connection is possible: {self._failure}"
            ], None
        return [], None

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

    def _look_through(self, connection: Connection) -> None:
        reported = None
        while True:
            is_waiting, progress = run(connection, "find_progress", process=self._process).fetchone() or (False, None)
            blockers = lock.find_blockers(connection) if is_waiting else []
            self._blockers = blockers or self._blockers
            if self._migration:
                name, started = self._migration
                now = time.monotonic()
                if now - max(started, reported or 0) >= REPORT_INTERVAL:
                    reported = now
                    waiting = f"waiting: {in_words(blockers)}" if blockers else None
                    text = ", ".join(filter(None, [progress, waiting, f"{now - started:.0f} s so far"]))
                    self._report(f"{name}: {text}")
            if self._done.wait(self._interval):
                return
