"""Cache of `faults()`, by the content of the folder: tests apply the same migrations thousands of times."""

from collections.abc import Collection
from functools import cache
from pathlib import Path

from app.migrations import backend
from app.migrations.migration_file import Fault
from app.migrations.validation import faults

Content = tuple[tuple[str, bytes | None], ...]  # of each file, by its name; None for a folder


def known_faults(folder: Path, known: Collection[str] = ()) -> list[Fault]:
    """Return what faults() returned for the same files in this folder."""
    try:
        paths = sorted(folder.iterdir())
        content = tuple((path.name, None if path.is_dir() else path.read_bytes()) for path in paths)
    except OSError:
        return faults(folder, known)
    return [*_of_content(folder, Path.cwd(), content, frozenset(known))]


@cache
def _of_content(folder: Path, current: Path, content: Content, known: frozenset[str]) -> tuple[Fault, ...]:
    return tuple(faults(folder, known))


def install() -> None:
    """Use the cache in the migrator of this process."""
    backend.faults = known_faults  # type: ignore[attr-defined]
