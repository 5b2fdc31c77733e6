"""Reading with a watch: if a lock prevents a command that only looks, the error names the sessions that hold it."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from app.errors import CommandError
from app.migrations.connection import Connection, explain, reading, sentence
from app.migrations.output import Output
from app.migrations.watch import Watch
from app.settings import Settings

LOCK_TIMEOUT = 0.5  # seconds, as in limit_reading.sql


@contextmanager
def watched(settings: Settings) -> Iterator[tuple[Connection, Watch]]:
    """Connect as `reading` does, and look meanwhile which sessions block it. Raises what `reading` raises."""
    with (
        reading(settings) as connection,
        Watch(settings, connection.info.backend_pid, Output(), LOCK_TIMEOUT) as watch,
    ):
        yield connection, watch


@contextmanager
def watched_reading(settings: Settings, what: str) -> Iterator[Connection]:
    """Yield a connection as `reading` does. Raises CommandError with `what` and the reason.

    `what` is the beginning of a message, such as "the schema cannot be read".
    """
    told = explain
    try:
        with watched(settings) as (connection, watch):
            told = watch.explain
            yield connection
    except psycopg.Error as error:
        message, hint = told(error)
        raise CommandError(sentence(f"{what}: {message}"), hint) from error
