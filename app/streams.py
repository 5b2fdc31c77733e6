"""Standard streams of the `images` and `yoyo` commands: stdout that cannot be written raises OutputError."""

import io
import os
import sys
from contextlib import suppress
from typing import TextIO

from app.errors import OutputError

STDOUT, STDERR = 1, 2  # file descriptors


class _CheckedStdout(io.TextIOWrapper):
    """Standard output that raises OutputError instead of OSError. Nothing above it has to catch one."""

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError as error:
            raise OutputError("stdout", error) from None

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            raise OutputError("stdout", error) from None


class _LenientStderr(io.TextIOWrapper):
    """Standard error that drops what it cannot write: a message must not end the work that it is about."""

    def write(self, text: str) -> int:
        with suppress(OSError):
            return super().write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            super().flush()


def guard_streams() -> None:
    """Replace sys.stdout and sys.stderr. A closed descriptor is opened first, so that no connection gets its number."""
    for descriptor in (STDOUT, STDERR):
        try:
            os.fstat(descriptor)
        except OSError:
            null = os.open(os.devnull, os.O_RDONLY)  # writing to it fails, as writing to a closed stdout does
            if null != descriptor:
                os.dup2(null, descriptor)
                os.close(null)
    for name, descriptor, kind in (("stdout", STDOUT, _CheckedStdout), ("stderr", STDERR, _LenientStderr)):
        before: TextIO | None = getattr(sys, name)
        if before is not None:
            before.flush()
        raw = io.FileIO(descriptor, "w", closefd=False)
        stream = kind(
            io.BufferedWriter(raw),
            encoding=before.encoding if before else "utf-8",
            errors=before.errors if before else "backslashreplace",
            line_buffering=True,
        )
        setattr(sys, name, stream)
