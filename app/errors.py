"""Exceptions: the one tree that every package raises from, and the exit codes of the commands.

Libraries raise. Only the edges end something. For a command, app/cli/main.py prints `error:` and `hint:`, and
app/migrations/yoyo_errors.py does so for yoyo. For a request, app/web/problems.py answers a request with
application/problem+json.
"""

import os
import re
import signal
import socket
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path


class ExitCode(IntEnum):
    """Exit codes, the same for every command."""

    DONE = 0
    ACTION_NEEDED = 1  # findings, pending migrations, rejected files
    USAGE = 2  # a wrong argument or setting
    FAILED = 3  # failed, or could not be checked


class AppError(Exception):
    """The root of this application's exceptions."""


class CommandError(AppError):
    """A command cannot continue.

    `message` is a sentence that names the wrong value. `hint` says what to do, and is None if nothing can be done.
    """

    exit_code = ExitCode.FAILED

    def __init__(self, message: str, hint: str | None = None, exit_code: ExitCode | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if exit_code is not None:
            self.exit_code = exit_code


class UsageError(CommandError):
    """An argument or a setting of the command is wrong."""

    exit_code = ExitCode.USAGE


class WrongSettingsError(UsageError):
    """Settings are wrong or missing: each of `errors` is one of them, with its own message and hint."""

    def __init__(self, errors: Sequence[UsageError]) -> None:
        super().__init__(" ".join(error.message for error in errors))
        self.errors = errors


def place_of(host: str | None, port: str | int | None) -> str:
    """Return the socket of a PostgreSQL, or its host and port."""
    port = port or 5432
    is_folder = host and host.startswith("/")
    return f"{host}/.s.PGSQL.{port}" if is_folder else f"{host or 'localhost'}:{port}"


class CannotConnectError(CommandError):
    """PostgreSQL cannot be reached: one wording for every command and both drivers.

    `host` and `port` are those of the URL in the setting `setting`. `error` is what the driver or the system raised.
    """

    def __init__(self, host: str | None, port: str | int | None, setting: str, error: BaseException) -> None:
        self.place = place_of(host, port)
        super().__init__(f"cannot connect to PostgreSQL at {self.place} ({setting}): {connection_reason(error)}.")


class WrongStoreError(CommandError):
    """The object store belongs to another catalogue, or has lost its identity."""


class OutputError(CommandError):
    """The output cannot be written: its reader has closed the pipe, or the disk is full.

    `target` is "stdout" or the name of a file.
    """

    def __init__(self, target: str, error: OSError) -> None:
        super().__init__(f"cannot write to {target}: {error.strerror or error}.")
        self.is_closed_pipe = isinstance(error, BrokenPipeError)


class RemovedFolderError(CommandError):
    """The current folder was removed after the shell went there. A relative path leads nowhere then."""

    def __init__(self) -> None:
        super().__init__("the current folder does not exist: it was removed.", "go to another folder, for example: cd")

    @staticmethod
    def is_reason() -> bool:
        """Return whether the current folder was removed."""
        try:
            Path.cwd()
        except FileNotFoundError:
            return True
        return False


CLOSED_PIPE = 128 + signal.SIGPIPE  # exit code, as of a program that the signal ends
INTERRUPTED = 128 + signal.SIGINT  # exit code after Ctrl+C


# Why an image is rejected, with the title that people see.
REJECTED_IMAGES = {
    "unsupported-image": "Not an image of a supported format",
    "broken-image": "The image is broken",
    "too-many-pixels": "The image has too many pixels",
}


class RejectedImageError(AppError):
    """The bytes are not an image that the service stores.

    `kind` is a key of REJECTED_IMAGES. `detail` is a sentence for the client.
    """

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail


class NoThumbnailError(AppError):
    """The stored bytes cannot be decoded, so they have no thumbnail. `detail` is a sentence for the client."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class LargeImageError(AppError):
    """The image takes more time or pixels than a decoder has for small images."""


class BusyError(AppError):
    """There is too much to do at once, and the time to wait for a turn is over."""


class ImageNotFoundError(AppError):
    """No image has this ID, or it was deleted a moment ago."""


class ContentMissingError(AppError):
    """The image exists, but the object store has no bytes under its storage key, or bytes of another size or hash.

    `byte_size` is the size in the row, `size` that in the store, both in bytes. If they are equal, the last check of
    the bytes found another SHA-256.
    """

    def __init__(self, key: str, byte_size: int, size: int | None) -> None:
        super().__init__(key)
        self.key, self.byte_size, self.size = key, byte_size, size


class StoppingError(AppError):
    """The process is shutting down, and no longer accepts this work."""


def describe(error: CommandError) -> str:
    """Return the lines that a command prints to stderr: `error: ...` and, if there is one, `hint: ...`."""
    if isinstance(error, WrongSettingsError):
        return "\n".join(describe(one) for one in error.errors)
    lines = [f"error: {error.message}"]
    if error.hint:
        lines.append(f"hint: {error.hint}")
    return "\n".join(lines)


CONNECT_FAILED = re.compile(r"\[Errno (\d+)\] Connect call failed")  # asyncio's words


def connection_reason(error: BaseException) -> str:
    """Return why a server cannot be reached, in the same words for asyncpg, for psycopg and for the system."""
    text = " ".join(str(error).split())
    if isinstance(error, TimeoutError) or "timeout expired" in text:
        return "no answer in time"
    if isinstance(error, socket.gaierror) or re.search("resolve host|translate host name|service not known", text):
        return "host name not found"
    if isinstance(error, FileNotFoundError) or "No such file or directory Is the server running" in text:
        return "no server listens on this socket"
    if match := CONNECT_FAILED.search(text):
        return os.strerror(int(match[1])).lower()
    if "Connection refused" in text:
        return "connection refused"
    return text.rpartition("FATAL: ")[2].removeprefix("connection is bad: ").strip().rstrip(".") or type(error).__name__
