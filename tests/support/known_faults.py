"""Cache of `faults()`, by the content of the folder: tests apply the same migrations thousands of times."""

from collections.abc import Collection
from functools import cache
from pathlib import Path

from app.migrations import known_migrations
from app.migrations.migration_file import Fault
from app.migrations.validation import faults

Content = tuple[tuple[str, bytes | None], ...]  # of each file, by its name; None for a folder


def known_faults(folder: Path, known: Collection[str] = ()) -> list[Fault]:
    """Return what faults() returns. A file has the same faults whichever other files are known."""
    try:
        paths = sorted(folder.iterdir())
        content = tuple((path.name, None if path.is_dir() else path.read_bytes()) for path in paths)
    except OSError:
        return faults(folder, known)
    return [] if _are_right(folder, Path.cwd(), content) else faults(folder, known)


@cache
def _are_right(folder: Path, current: Path, content: Content) -> bool:
    """Return whether no file has a fault, neither if it is known nor if it is not."""
    return not faults(folder) and not faults(folder, [name.removesuffix(".sql") for name, _ in content])


def install() -> None:
    """Use the cache in the migrator of this process."""
    known_migrations.faults = known_faults  # type: ignore[attr-defined]
