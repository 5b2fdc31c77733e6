"""Errors of commands: one wording for a server that cannot be reached, and the lines that people see."""

import errno
import os
import socket

import asyncpg
import psycopg
import pytest

from app.errors import CannotConnectError, CommandError, ExitCode, OutputError, UsageError, connection_reason, describe

SOCKET = """connection failed: connection to server on socket "/x/.s.PGSQL.5432" failed: No such file or directory
\tIs the server running locally and accepting connections on that socket?"""
REFUSED = """connection failed: connection to server at "127.0.0.1", port 1 failed: Connection refused
\tIs the server running on that host and accepting TCP/IP connections?"""


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 1)"), "connection refused"),
        (psycopg.OperationalError(REFUSED), "connection refused"),
        (OSError(errno.EHOSTUNREACH, "Connect call failed ('10.0.0.1', 1)"), "no route to host"),
        (OSError(f"Multiple exceptions: [Errno {errno.ECONNREFUSED}] Connect call failed, ..."), "connection refused"),
        (socket.gaierror(-2, "Name or service not known"), "host name not found"),
        (psycopg.OperationalError("failed to resolve host 'x': [Errno -2] Name or ..."), "host name not found"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), "no server listens on this socket"),
        (psycopg.OperationalError(SOCKET), "no server listens on this socket"),
        (TimeoutError(), "no answer in time"),
        (psycopg.errors.ConnectionTimeout("connection timeout expired"), "no answer in time"),
        (
            psycopg.OperationalError('connection to server at "x", port 1 failed: FATAL:  database "x" does not exist'),
            'database "x" does not exist',
        ),
        (asyncpg.InvalidCatalogNameError('database "x" does not exist'), 'database "x" does not exist'),
        (ConnectionResetError(), "ConnectionResetError"),
    ],
)  # fmt: skip
def test_each_driver_has_the_same_words(error: BaseException, reason: str) -> None:
    assert connection_reason(error) == reason
    assert str(CannotConnectError("db", 1, "DATABASE_URL", error)) == (
        f"cannot connect to PostgreSQL at db:1 (DATABASE_URL): {reason}."
    )


def test_a_place_is_a_host_and_a_port_or_a_socket() -> None:
    error = TimeoutError()

    assert CannotConnectError(None, None, "X", error).place == "localhost:5432"
    assert CannotConnectError("/run/postgresql", "5433", "X", error).place == "/run/postgresql/.s.PGSQL.5433"


def test_the_lines_of_an_error() -> None:
    assert describe(CommandError("it failed.")) == "error: it failed."
    assert describe(CommandError("it failed.", "do this")) == "error: it failed.\nhint: do this"
    assert CommandError("it failed.").exit_code is ExitCode.FAILED
    assert UsageError("wrong.").exit_code is ExitCode.USAGE
    assert CommandError("found.", exit_code=ExitCode.ACTION_NEEDED).exit_code is ExitCode.ACTION_NEEDED


def test_an_output_error_knows_a_closed_pipe() -> None:
    full = OutputError("x.ndjson", OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    closed = OutputError("stdout", BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)))

    assert (str(full), full.is_closed_pipe) == ("cannot write to x.ndjson: No space left on device.", False)
    assert closed.is_closed_pipe
