"""Standard streams of the `images` and `yoyo` commands: stdout that cannot be written raises OutputError.

All text of the commands passes here. A name from a client, a file or the database may have control characters. A
terminal would obey them, so the streams write their escapes.
"""

import codecs
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from typing import TextIO

from app.errors import OutputError
from app.text import escape, without_controls

STDOUT, STDERR = 1, 2  # file descriptors
ESCAPE = "images-escape"  # name of the error handler of the streams, for codecs


class _CheckedStdout(io.TextIOWrapper):
    """Standard output that raises OutputError instead of OSError. Nothing above it has to catch one."""

    def write(self, text: str) -> int:
        self.write_exactly(without_controls(text))
        return len(text)

    def write_exactly(self, text: str) -> None:
        """Write the text with its control characters."""
        try:
            super().write(text)
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
        escaped = without_controls(text.strip("\r"))
        if "\r" in (text[:1], text[-1:]):  # of a progress bar: it goes back to the start of the line
            escaped = f"\r{escaped}\r" if text.endswith("\r") else f"\r{escaped}"
        with suppress(OSError):
            super().write(escaped)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            super().flush()


_events: TextIO | None = None  # stdout, in a block of only_events()


@contextmanager
def only_events() -> Iterator[None]:
    """Keep stdout for events in the block: what a library prints goes to stderr."""
    global _events
    _events = sys.stdout
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _events = None


def events() -> TextIO:
    """Return the stream for events: stdout, also in a block of only_events()."""
    return _events or sys.stdout


def write_exactly(text: str) -> None:
    """Write text to stdout with its control characters: colors, or SQL for psql."""
    write = sys.stdout.write_exactly if isinstance(sys.stdout, _CheckedStdout) else sys.stdout.write
    write(text)
    sys.stdout.flush()


def _escape_unencodable(error: UnicodeError) -> tuple[str, int]:
    """Replace what the output's encoding lacks, such as a byte of a file's name, with its escape."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(escape, error.object[error.start : error.end])), error.end


def guard_streams() -> None:
    """Replace sys.stdout and sys.stderr. No text breaks them: they escape what they cannot encode.

    A closed descriptor is opened first, so that no connection gets its number.
    """
    codecs.register_error(ESCAPE, _escape_unencodable)
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
            errors=ESCAPE,
            line_buffering=True,
        )
        setattr(sys, name, stream)
