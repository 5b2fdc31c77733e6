"""Says, while a long statement of a migration runs, how far it is and for whom it waits."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from app.migrations.connection import Connection, open_connection, run
from app.settings import Settings

PATIENCE = 5.0  # seconds between two lines


@contextmanager
def watched(connection: Connection, settings: Settings, migration_id: str) -> Iterator[None]:
    """Print a line every few seconds about what the connection is doing, as seen from another one.

    A courtesy: where the other connection cannot be had, nothing is said.
    """
    done = threading.Event()
    watcher = threading.Thread(
        target=_watch, args=(done, connection.info.backend_pid, settings, migration_id), daemon=True
    )
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join(timeout=1)


def _watch(done: threading.Event, process: int, settings: Settings, migration_id: str) -> None:
    started = time.monotonic()
    if done.wait(PATIENCE):
        return
    try:
        with open_connection(settings) as connection:
            while True:
                blockers, progress = run(connection, "find_progress", process=process).fetchone() or (None, None)
                waiting = f"waiting for {blockers}" if blockers else None
                told = ", ".join(filter(None, [progress, waiting, f"{time.monotonic() - started:.0f} s so far"]))
                print(f"{migration_id}: {told}", flush=True)
                if done.wait(PATIENCE):
                    return
    except (psycopg.Error, OSError):  # an OSError of the output; the migration will meet it too
        return
