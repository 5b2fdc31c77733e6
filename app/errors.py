"""Exceptions: the one tree that every package raises from, and the exit codes of the commands.

Libraries raise. Only the edges end something: app/cli/main.py ends a command with `error:` and `hint:`, and
app/web/problems.py answers a request with application/problem+json.
"""

import sys
from enum import IntEnum
from typing import NoReturn


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


class ImageNotFoundError(AppError):
    """No image has this ID, or it was deleted a moment ago."""


class ContentMissingError(AppError):
    """The image exists, but the object store has no bytes under its storage key."""


class StoppingError(AppError):
    """The process is shutting down, and no longer accepts this work."""


def describe(error: CommandError) -> str:
    """Return the lines that a command prints to stderr: `error: ...` and, if there is one, `hint: ...`."""
    lines = [f"error: {error.message}"]
    if error.hint:
        lines.append(f"hint: {error.hint}")
    return "\n".join(lines)


def fail(message: str) -> NoReturn:
    """End the command: one line on stderr, exit status 1. To be replaced by CommandError."""
    print(message, file=sys.stderr)
    raise SystemExit(1)
