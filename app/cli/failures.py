"""Failures of PostgreSQL and of the object store as errors of a command: one fault has one wording."""

import socket
from collections.abc import Sequence

import asyncpg
import psycopg
from obstore.exceptions import BaseError

from app.database.errors import SCHEMA_BEHIND, UNAVAILABLE, PoolerError
from app.errors import CommandError
from app.migrations.connection import TIMEOUT_HINT, hint_for, rejects_role
from app.migrations.connection import cannot_connect as cannot_connect
from app.settings import Settings
from app.storage.store import reason
from app.text import one_line

# Exceptions of a server that fails. Other exceptions are faults of the program.
FAILURES = (*UNAVAILABLE, asyncpg.PostgresError, psycopg.Error)
CLOSED_HINT = f"it was stopped, or {TIMEOUT_HINT}"
CONTINUE_HINT = "run the command again to continue"
CONNECTING = (
    ConnectionRefusedError,
    TimeoutError,
    socket.gaierror,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.TargetServerAttributeNotMatched,
)


def main_cause(errors: Sequence[BaseException]) -> BaseException:
    """Return the error that tells most: a driver's own state matters only if there is no other error."""
    own = (asyncpg.InterfaceError, asyncpg.InternalClientError)
    return next((error for error in errors if not isinstance(error, own)), errors[0])


def interruption(error: BaseException, settings: Settings) -> CommandError:
    """Return the error of a command that continues after a failure: its hint says so, unless another one helps more."""
    failed = failure(error, settings)
    failed.hint = CONTINUE_HINT if failed.hint in (None, CLOSED_HINT) else failed.hint
    return failed


def failure(error: BaseException, settings: Settings, *, as_owner: bool = False) -> CommandError:
    """Return the CommandError for one of FAILURES.

    `as_owner` tells that the connection was the one of MIGRATION_DATABASE_URL, if that is set.
    """
    if isinstance(error, SCHEMA_BEHIND):
        return CommandError("the database lacks migrations of this release.", "apply them: yoyo apply")
    if isinstance(error, PoolerError):
        return CommandError(f"{error}.")
    if isinstance(error, BaseError):
        return CommandError(f"the object store failed: {reason(error)}.")
    if _is_connecting(error) or (as_owner and rejects_role(error, settings)):
        return cannot_connect(error, settings, as_owner=as_owner)
    if isinstance(error, OSError) and error.filename is not None:
        return CommandError(f"{error.filename}: {error.strerror}.")
    if isinstance(error, asyncpg.InternalClientError):  # asyncpg then says nothing about the reason
        return CommandError("PostgreSQL failed: it closed the connection between two statements.", CLOSED_HINT)
    message = one_line(str(error)).rstrip(".") or type(error).__name__
    return CommandError(f"PostgreSQL failed: {message}.", hint_for(getattr(error, "sqlstate", None), message))


def _is_connecting(error: BaseException) -> bool:
    if isinstance(error, FileNotFoundError):
        return error.filename is None  # the server's socket
    if isinstance(error, OSError) and "Connect call failed" in str(error):
        return True
    if isinstance(error, psycopg.OperationalError):
        return error.sqlstate is None and "connection" in str(error)
    return isinstance(error, CONNECTING)
