"""Backup lock: `images objects keep` runs a command, such as a backup, while the service removes no bytes."""

from collections.abc import Sequence

import psycopg

from app.cli.child_process import run_child
from app.cli.failures import cannot_connect
from app.errors import CommandError
from app.migrations.connection import explained, open_connection, reject_pooler, run
from app.migrations.session import Session
from app.settings import read_settings

LOCK_TIMEOUT = 60.0  # seconds to wait for a DELETE that is removing bytes; another backup takes longer
NOT_RUN = "the command was not run"


def keep_objects(command: Sequence[str]) -> int:
    """Run a command under the backup lock and return its exit status. Raises CommandError.

    A DELETE removes its row meanwhile and keeps the bytes. The lock belongs to the session. If the session is lost, the
    command ran without protection, and this is an error.
    """
    settings = read_settings()
    try:
        connection = open_connection(settings)
    except psycopg.Error as error:
        raise cannot_connect(error, settings, as_owner=True) from error
    with connection:
        try:
            reject_pooler(connection)
            Session(connection, settings.migration_role, LOCK_TIMEOUT)
            run(connection, "keep_objects")
        except psycopg.errors.LockNotAvailable as error:
            raise CommandError(
                f"another backup is running, or a DELETE waits for the object store: {NOT_RUN}.",
                "run the command again later",
            ) from error
        except psycopg.Error as error:
            raise CommandError(f"PostgreSQL failed: {explained(error)}: {NOT_RUN}.") from error
        try:
            status = run_child(command)
        except OSError as error:
            raise CommandError(f"{command[0]} cannot be run: {error.strerror}.") from error
        try:
            run(connection, "find_process", "pooler")
        except psycopg.Error as error:
            raise CommandError(
                f"the connection to PostgreSQL was lost while the command ran: {explained(error)}.",
                "make the backup again: a DELETE may have removed bytes that it needs",
            ) from error
    return status
