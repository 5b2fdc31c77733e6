"""Standard output and error of the commands: data on stdout, messages on stderr, colors for verdicts.

Output that cannot be written (closed pipe, full disk) becomes an OutputError here and in app/streams.py.
"""

import codecs
import io
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from app.errors import CommandError, OutputError
from app.streams import STDOUT, write_exactly
from app.text import CONTROL, without_controls
from app.verbosity import verbosity

GREEN, YELLOW, RED = 32, 33, 31  # ANSI codes
COLORS = {
    "applied": GREEN,
    "safe": GREEN,
    "none,": GREEN,
    "pending": YELLOW,
    "running": YELLOW,
    "waiting": YELLOW,
    "paused": YELLOW,
    "cancelled": YELLOW,
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
    r"(?P<first>applied|pending|running|waiting|paused|cancelled|failed|edited|missing|wrong:|none,|unsafe|safe|care)"
    r"(?=[ :,]|$)"
    r"|\((?P<level>unsafe|care)\)(?=:)",
    re.MULTILINE,
)


@contextmanager
def open_output(path: Path | None) -> Iterator[Callable[[bytes], None]]:
    """Yield a function that writes bytes to a file, or to stdout if `path` is None.

    A file appears, or replaces the one before, only when it is complete and on the disk. A device, such as
    /dev/null, is written to directly. Raises OutputError.
    """
    if path is None:
        write = _writer(STDOUT, "stdout")
        yield _escaping(write) if os.isatty(STDOUT) else write
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


def _escaping(write: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """Return a function that writes UTF-8 to a terminal, with the escape of JSON for each control character."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def write_escaped(content: bytes) -> None:
        write(CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", decoder.decode(content)).encode())

    return write_escaped


def note(text: str) -> None:
    """Print a message for people to stderr, except with --quiet."""
    if not verbosity.is_quiet:
        print(text, file=sys.stderr, flush=True)


def print_verdicts(text: str) -> None:
    """Print text to stdout, with its verdicts in color if stdout is a terminal."""
    text = without_controls(text)
    write_exactly(f"{color_verdicts(text) if shows_colors(sys.stdout) else text}\n")


def print_exactly(text: str) -> None:
    """Print text for a program to stdout. Only a terminal gets escapes for its control characters."""
    write_exactly(f"{without_controls(text) if sys.stdout.isatty() else text}\n")


def shows_colors(stream: TextIO) -> bool:
    """Return whether to use colors: on a terminal, and as NO_COLOR and FORCE_COLOR say."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR", "") not in {"", "0"}:
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def color_verdicts(text: str) -> str:
    """Return the text with ANSI colors around each verdict, such as `applied` or `(unsafe)`."""

    def paint(match: re.Match[str]) -> str:
        word = match["first"] or match["level"]
        return match[0].replace(word, f"\033[{COLORS[word]}m{word}\033[0m")

    return VERDICT.sub(paint, text)
