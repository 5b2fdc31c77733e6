"""The queries of the release before a migration, from git: the running service still sends them while it is applied."""

import subprocess
import tarfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath

from app.settings import ROOT

QUERIES = "sql/queries"


@dataclass(frozen=True)
class Release:
    name: str  # what git calls it, or a folder
    queries: dict[str, str]  # name to text


def present(folder: Path = ROOT / QUERIES) -> Release:
    return Release(
        "this release", {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.sql"))}
    )


def previous(migration: Path) -> Release | None:
    """The commit before the one that brought the file; HEAD, where none has it yet. None where git does not tell.

    None as well where that commit had no queries: there was no service to break.
    """
    project = migration.parent.parent.parent
    brought = _git(project, "log", "--diff-filter=A", "--format=%h", "-1", "--", migration)
    if brought is None:
        return None
    revision = f"{brought.decode().strip()}^" if brought.strip() else "HEAD"
    archive = _git(project, "archive", revision, "--", QUERIES)
    name = _git(project, "log", "-1", "--format=%h (%s)", revision)
    if not archive or not name:
        return None
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        files = {
            PurePosixPath(member.name).stem: file.read().decode()
            for member in tar
            if member.name.endswith(".sql") and (file := tar.extractfile(member))
        }
    return Release(name.decode().strip(), files)


def _git(folder: Path, *arguments: str | Path) -> bytes | None:
    """What git says; None where it is not here, or says no."""
    try:
        return subprocess.run(["git", "-C", folder, *arguments], check=True, capture_output=True).stdout  # noqa: S607
    except (OSError, subprocess.CalledProcessError):
        return None
