"""Releases: the queries of this release, and those of the release before a migration, from git.

While a migration is applied, the running service still sends the queries of the previous release.
"""

import subprocess
import tarfile
from dataclasses import dataclass
from io import BytesIO
from itertools import dropwhile
from pathlib import Path, PurePosixPath

from app.project import current
from app.schema.files import read_own
from app.schema.headers import example_lines


@dataclass(frozen=True)
class Release:
    """Release of the service, as its queries."""

    name: str  # for people: the commit and its subject
    queries: dict[str, str]  # name to text


def present(sql: Path | None = None) -> Release:
    """Return this release of the project, from its files or from those of another folder like its sql/."""
    project = current()
    folder = (sql or project.sql) / (project.queries or "none")
    return Release("this release", {path.stem: read_own(path) for path in sorted(folder.glob("*.sql"))})


def previous(migration: Path) -> Release | None:
    """Return the release before the commit that added the migration. If no commit has added it yet, that is HEAD.

    Return None if git does not answer, or if that commit has no queries: then there was no service to break.
    """
    sql = migration.parent.parent
    queries = current().queries
    if not queries:
        return None
    brought = _git(sql, "log", "--diff-filter=A", "--format=%h", "-1", "--", migration)
    if brought is None:
        return None
    revision = f"{brought.decode().strip()}^" if brought.strip() else "HEAD"
    archive = _git(sql, "archive", revision, "--", queries)
    name = _git(sql, "log", "-1", "--format=%h (%s)", revision)
    if not archive or not name:
        return None
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        files = {
            PurePosixPath(member.name).stem: file.read().decode()
            for member in tar
            if member.name.endswith(".sql") and (file := tar.extractfile(member))
        }
    return Release(name.decode().strip(), files)


def with_few_examples(release: Release) -> Release:
    """Return a release in which each query has only its first example, for a review that only asks whether it fails."""
    return Release(release.name, {name: _with_one_example(text) for name, text in release.queries.items()})


def _with_one_example(text: str) -> str:
    others = {each.line for each in example_lines(text)[1:]}
    return "".join(line for number, line in enumerate(text.splitlines(keepends=True), 1) if number not in others)


def shorter_previous(migration: Path) -> Release | None:
    """Return the release of `previous` in which each query has only its first example."""
    release = previous(migration)
    return release and with_few_examples(release)


def with_present_headers(old: Release | None, present: Release) -> Release | None:
    """Return an old release in which each query that has not changed has the header, and the examples, of today."""
    if old is None:
        return None
    same = {
        name: text
        for name, text in present.queries.items()
        if name in old.queries and _without_header(text) == _without_header(old.queries[name])
    }
    return Release(old.name, old.queries | same)


def _without_header(text: str) -> str:
    return "".join(dropwhile(lambda line: line.startswith("--"), text.splitlines(keepends=True)))


def _git(folder: Path, *arguments: str | Path) -> bytes | None:
    """Return the output of git, or None if it is not installed or fails."""
    try:
        return subprocess.run(["git", "-C", folder, *arguments], check=True, capture_output=True).stdout  # noqa: S607
    except (OSError, subprocess.CalledProcessError):
        return None
