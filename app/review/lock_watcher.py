"""Lock watcher: a second session that reads the locks of a statement which has several transactions."""

import time
from threading import Event, Thread
from types import TracebackType
from typing import Self

import psycopg

from app.migrations.connection import Connection, explained, run
from app.text import one_line

POLL_INTERVAL = 0.0005  # seconds between two reads of the locks
START_TIMEOUT = 10.0  # seconds


class Watcher:
    """Session that reads the locks of another one, because its statement takes and releases them.

    It first holds a transaction open. Every statement that waits for earlier transactions waits for it, so even the
    shortest lock is seen. If it fails, `error` is not "".
    """

    def __init__(self, watched: Connection) -> None:
        self.seen: dict[tuple[int, str], float] = {}  # milliseconds by relation and mode
        self.has_waited = False  # the statement, for an earlier transaction
        self.error = ""
        self._watched = watched
        self._stop, self._ready = Event(), Event()
        self._thread = Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(START_TIMEOUT):
            self.error = self.error or f"the watching session was not ready within {START_TIMEOUT:.0f} s"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            info = self._watched.info
            with psycopg.connect(info.dsn, password=info.password) as connection:
                self._watch(connection)
        except psycopg.Error as error:
            self.error = f"the watching session failed: {one_line(explained(error))}"
        finally:
            self._ready.set()

    def _watch(self, connection: Connection) -> None:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        row = run(connection, "write_share_locks", "review").fetchone()
        if row and row[0]:
            connection.execute(row[0].encode())
        locks_of(connection, self._watched)  # takes a snapshot, for which an index build waits
        self._ready.set()
        began: dict[tuple[int, str], float] = {}
        polled = time.perf_counter()
        while not self._stop.wait(POLL_INTERVAL):
            locks = locks_of(connection, self._watched)
            now = time.perf_counter()
            for oid, mode, granted in locks:
                if granted:
                    self.seen[oid, mode] = (now - began.setdefault((oid, mode), polled)) * 1000
            polled = now
            if not all(granted for _, _, granted in locks):
                self.has_waited = True
                connection.commit()


def locks_of(connection: Connection, of: Connection) -> list[tuple[int, str, bool]]:
    """Return the locks of another session on relations: OID, mode, and whether the session has it or waits for it."""
    rows = run(connection, "read_locks", "review", process=of.info.backend_pid)
    return [(oid, mode, granted) for oid, mode, granted in rows]
