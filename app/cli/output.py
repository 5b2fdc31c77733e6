"""Standard output and error of the commands: data on stdout, messages on stderr, colors for verdicts.

Output that cannot be written (closed pipe, full disk) becomes an OutputError here, and only here.
"""

import io
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from app.errors import CommandError, OutputError
from app.verbosity import verbosity

STDOUT, STDERR = 1, 2  # file descriptors
GREEN, YELLOW, RED = 32, 33, 31  # ANSI codes
COLORS = {
    "applied": GREEN,
    "safe": GREEN,
    "none,": GREEN,
    "pending": YELLOW,
    "running": YELLOW,
    "care": YELLOW,
    "failed": RED,
    "edited": RED,
    "missing": RED,
    "wrong:": RED,
    "unsafe": RED,
}
# A verdict is the first word of a line, or follows the name of a migration, or is in parentheses.
VERDICT = re.compile(
    r"(?:^ *|^drift: |^ *(?:apply|up|down|rollback): |^[0-9]{4}_\w+ +|  rollback )"
    r"(?P<first>applied|pending|running|failed|edited|missing|wrong:|none,|unsafe|safe|care)(?=[ :,]|$)"
    r"|\((?P<level>unsafe|care)\)(?=:)",
    re.MULTILINE,
)


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


@contextmanager
def open_output(path: Path | None) -> Iterator[Callable[[bytes], None]]:
    """Yield a function that writes bytes to a file, or to stdout if `path` is None.

    A file appears, or replaces the one before, only when it is complete and on the disk. A device, such as
    /dev/null, is written to directly. Raises OutputError.
    """
    if path is None:
        yield _writer(STDOUT, "stdout")
        return
    target = path.resolve()
    if target.exists() and not target.is_file():
        with _open(target, target) as file:
            yield _writer(file.fileno(), str(path))
        return
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    with _open(part, path) as file:
        try:
            yield _writer(file.fileno(), str(path))
            try:
                os.fsync(file.fileno())
                part.replace(target)
                _sync_folder(target.parent)
            except OSError as error:
                raise OutputError(str(path), error) from error
        except BaseException:
            part.unlink(missing_ok=True)
            raise


def _open(file: Path, named: Path) -> io.FileIO:
    if not file.parent.is_dir():
        raise CommandError(f"cannot write to {named}: the folder {file.parent} does not exist.")
    try:
        return io.FileIO(file, "w")
    except OSError as error:
        raise OutputError(str(named), error) from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _writer(descriptor: int, name: str) -> Callable[[bytes], None]:
    def write(content: bytes) -> None:
        rest = memoryview(content)
        try:
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        except OSError as error:
            raise OutputError(name, error) from error

    return write


def note(text: str) -> None:
    """Print a message for people to stderr, except with --quiet."""
    if not verbosity.is_quiet:
        print(text, file=sys.stderr, flush=True)


def print_verdicts(text: str) -> None:
    """Print text to stdout, with its verdicts in color if stdout is a terminal."""
    print(color_verdicts(text) if shows_colors(sys.stdout) else text, flush=True)


def shows_colors(stream: TextIO) -> bool:
    """Return whether to use colors: on a terminal, and as NO_COLOR and FORCE_COLOR say."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR", "0") != "0":
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def color_verdicts(text: str) -> str:
    """Return the text with ANSI colors around each verdict, such as `applied` or `(unsafe)`."""

    def paint(match: re.Match[str]) -> str:
        word = match["first"] or match["level"]
        return match[0].replace(word, f"\033[{COLORS[word]}m{word}\033[0m")

    return VERDICT.sub(paint, text)
