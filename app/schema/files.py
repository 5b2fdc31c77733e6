"""Files of sql/migrations: which of them are migrations, and their content. Anything else there never makes it wait."""

import errno
import json
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from app.errors import CommandError, ExitCode
from app.program import SCHEMA
from app.project import current

NAME = re.compile(r"[0-9]{4}(_[a-z0-9]+)+(\.rollback)?\.sql")
ADVICE = "put a readable file in its place, or remove it"
JOURNALS = {
    ".baseline.json": "baseline",
    ".renumber.json": "renumber",
}  # the command that writes each; yoyo ignores them
KINDS = {stat.S_IFDIR: "Is a directory", stat.S_IFIFO: "Is a FIFO", stat.S_IFSOCK: "Is a socket"}


def migration_paths(folder: Path) -> Iterator[Path]:
    """Yield the paths that yoyo applies, and all others with the name of a migration or rollback, such as a folder."""
    return (path for path in folder.glob("*.sql") if NAME.fullmatch(path.name) or path.is_file())


def unfinished(folder: Path) -> tuple[Path, str, str] | None:
    """Return the journal of a command that was cut off while it changed these files, what to say, and what to do."""
    for name, command in JOURNALS.items():
        journal = folder / name
        if journal.exists():
            try:
                id = NAME.fullmatch(f"{json.loads(read_text(journal))['id']}.sql")
            except (OSError, ValueError, LookupError, TypeError):  # of an earlier release, or not of this program
                id = None
            named = id[0].removesuffix(".sql") if id else "NNNN"
            return journal, f"`{SCHEMA} {command} {named}` was cut off", f"run it again: {SCHEMA} {command} {named}"
    return None


def reject_unfinished(folder: Path) -> None:
    """Raise CommandError if a command was cut off while it changed these files."""
    if found := unfinished(folder):
        raise CommandError(f"the migrations are half changed: {found[1]}.", found[2], ExitCode.ACTION_NEEDED)


def read_bytes(path: Path) -> bytes:
    """Return the content of a file. Raises OSError.

    A FIFO would wait for a writer, and a device may have no end: both are errors.
    """
    kind = stat.S_IFMT(path.stat().st_mode)
    if kind != stat.S_IFREG:
        raise OSError(errno.EINVAL, KINDS.get(kind, "Is a device"), str(path))
    return path.read_bytes()


def read_own(path: Path) -> str:
    """Return the text of a file of the project. Raises CommandError if it cannot be read, or is not UTF-8."""
    try:
        return read_bytes(path).decode()
    except OSError as error:
        why, todo = error.strerror, "restore the file"
    except UnicodeDecodeError as error:
        why, todo = f"byte 0x{error.object[error.start]:02x} is not UTF-8", "save the file as UTF-8"
    raise CommandError(f"{current().shown(path)} cannot be read: {why}.", todo)


def read_text(path: Path, errors: str = "strict") -> str:
    """Return the text of a file in UTF-8, with \\n as line end. Raises OSError or UnicodeDecodeError."""
    return re.sub("\r\n?", "\n", read_bytes(path).decode(errors=errors))
