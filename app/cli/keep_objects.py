"""`images objects keep`: runs a command, a backup, while the service removes no bytes."""

import signal
import subprocess

import psycopg

from app.errors import fail
from app.migrations import lock
from app.migrations.connection import connect, explained, run
from app.settings import read_settings

NAME = "images objects keep"
PATIENCE = 60.0  # seconds to wait for a DELETE that is at its bytes; another backup takes longer
LOST = "a DELETE may have removed bytes that the backup needs: make it again"


def keep_objects(command: list[str]) -> int:
    """Run it; rows go as ever meanwhile, and leave their bytes. Returns its exit status.

    The lock is the session's, and the session is asked at the end: had it gone meanwhile, the command was run in vain.
    """
    with connect(read_settings(), NAME) as connection:
        process, *_ = run(connection, "find_session").fetchone() or (None,)
        if process != connection.info.backend_pid:
            fail(f"{NAME}: this connection goes through a pooler: set MIGRATION_DATABASE_URL to PostgreSQL itself")
        lock.prepare_session(connection, PATIENCE)
        try:
            run(connection, "keep_objects")
        except psycopg.errors.LockNotAvailable:
            fail(f"{NAME}: another one is at work, or a DELETE hangs in the object store; nothing was run")
        except psycopg.Error as error:
            fail(f"{NAME}: {explained(error)}; nothing was run")
        except KeyboardInterrupt:
            fail(f"{NAME}: interrupted; nothing was run")
        status = _run(command)
        try:
            run(connection, "find_session")
        except psycopg.Error as error:
            fail(f"{NAME}: the connection to PostgreSQL was lost meanwhile: {explained(error)}; {LOST}")
    return status


def _run(command: list[str]) -> int:
    early: list[int] = []  # signals that come before there is somebody to pass them to
    signal.signal(signal.SIGTERM, lambda number, _: early.append(number))
    try:
        process = subprocess.Popen(command)
    except OSError as error:
        fail(f"{NAME}: {command[0]} cannot be run: {error.strerror}")
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    if early:
        process.terminate()
    while True:
        try:
            status = process.wait()
            return status if status >= 0 else 128 - status  # ended by a signal, as a shell says it
        except KeyboardInterrupt:  # which the command has got too
            continue
