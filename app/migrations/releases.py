"""Releases for a rollback: the migrations of a tag that this database recorded, or of a git tag."""

import subprocess
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath

from app.errors import CommandError, ExitCode, UsageError
from app.migrations.tags import Tag
from app.program import SCHEMA
from app.schema.digest import Digest, digest
from app.schema.history import Entry


@dataclass(frozen=True)
class Release:
    """A release: the IDs of its migrations, and the digests of their files."""

    name: str
    ids: frozenset[str]
    digests: frozenset[str]

    def has(self, entry: Entry, files: Mapping[str, Digest]) -> bool:
        """Return whether an applied migration is in the release, under this number or another."""
        if entry.id in self.ids:
            return True
        file, record = files.get(entry.id), entry.record
        if record and record.sha256 in self.digests:
            return True
        return file is not None and any(file.matches_except_depends(each, self.ids) for each in self.digests)

    def above(self, entries: Sequence[Entry], files: Mapping[str, Digest]) -> list[str]:
        """Return the IDs of applied migrations that are not in the release. Raises CommandError if one has no file."""
        found = [entry.id for entry in entries if entry.applied and not self.has(entry, files)]
        if lacking := [id for id in found if id not in files]:
            raise CommandError(
                f"nothing was rolled back: {lacking[-1]} is applied, and this release does not have its file.",
                f"run this command with the newer release that has {lacking[-1]}",
                ExitCode.ACTION_NEEDED,
            )
        return found


def find(name: str, tags: Iterable[Tag], folder: Path) -> Release:
    """Return the release with this name. A tag of the database comes first. Raises UsageError if there is none."""
    tags = list(tags)
    for tag in tags:
        if tag.name == name:
            return Release(name, frozenset(tag.migration_ids), frozenset(tag.digests) - {""})
    recorded = (
        f"this database has the tags {', '.join(tag.name for tag in tags)}" if tags else "this database has no tag"
    )
    files = _files_of(name, folder)
    if files is None:
        raise UsageError(
            f'there is no release "{name}": {recorded}, and git does not know the name.',
            f"record one before an upgrade: {SCHEMA} tag NAME",
        )
    if not files:
        raise UsageError(f'the git revision "{name}" has no migrations in {folder.parent.name}/{folder.name}.')
    return Release(name, frozenset(files), frozenset(digest(text).current for text in files.values()))


def _files_of(revision: str, folder: Path) -> dict[str, bytes] | None:
    """Return the migrations of a git revision. Return None if git is not there, or does not know the revision."""
    command = ["git", "-C", str(folder), "archive", "--format=tar", f"{revision}", "."]
    if revision.startswith("-"):
        return None
    try:
        subprocess.run(
            ["git", "-C", str(folder), "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}"],  # noqa: S607
            check=True,
            capture_output=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    done = subprocess.run(command, capture_output=True)
    if done.returncode != 0:  # the revision has no such folder
        return {}
    with tarfile.open(fileobj=BytesIO(done.stdout)) as tar:
        return {
            PurePosixPath(member.name).stem: file.read()
            for member in tar
            if member.name.endswith(".sql")
            and not member.name.endswith(".rollback.sql")
            and (file := tar.extractfile(member))
        }
