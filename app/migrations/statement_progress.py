"""Progress of a migration: while a long statement runs, report how far it is and which sessions it waits for."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg

from app.errors import OutputError
from app.migrations.connection import Connection, open_connection, run
from app.settings import Settings

REPORT_INTERVAL = 5.0  # seconds between two lines


@contextmanager
def report_progress(
    connection: Connection, settings: Settings, migration_id: str, report: Callable[[str], None]
) -> Iterator[None]:
    """Report a line every few seconds about the statement that the connection runs, as seen from another connection.

    Without a second connection, the migration runs without these lines.
    """
    done = threading.Event()
    watcher = threading.Thread(
        target=_watch, args=(done, connection.info.backend_pid, settings, migration_id, report), daemon=True
    )
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join(timeout=1)


def _watch(
    done: threading.Event, process: int, settings: Settings, migration_id: str, report: Callable[[str], None]
) -> None:
    started = time.monotonic()
    if done.wait(REPORT_INTERVAL):
        return
    try:
        with open_connection(settings) as connection:
            while True:
                blockers, progress = run(connection, "find_progress", process=process).fetchone() or (None, None)
                waiting = f"waiting for {blockers}" if blockers else None
                text = ", ".join(filter(None, [progress, waiting, f"{time.monotonic() - started:.0f} s so far"]))
                report(f"{migration_id}: {text}")
                if done.wait(REPORT_INTERVAL):
                    return
    except (psycopg.Error, OutputError):  # an OutputError comes from stdout, and the migration will get it too
        return
