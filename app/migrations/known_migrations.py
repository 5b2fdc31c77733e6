"""Migrations that a yoyo command has read, with the digests of their files and their state in the database."""

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from yoyo.migrations import Migration, MigrationList

from app import project
from app.migrations import ledger
from app.migrations.connection import Connection
from app.migrations.order import reject_faults, reject_problems
from app.migrations.validation import faults
from app.schema.digest import Digest
from app.schema.history import Entry, Record, compare, shipped


class KnownMigrations:
    """Migrations by ID. A command can read them one after the other, and from several folders."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._by_id: dict[str, Migration] = {}
        self._parents: set[Path] = set()  # their folders
        self._shipped: dict[Path, dict[str, Digest]] = {}

    def __bool__(self) -> bool:
        return bool(self._by_id)

    def __contains__(self, id: object) -> bool:
        return id in self._by_id

    def __getitem__(self, id: str) -> Migration:
        return self._by_id[id]

    def remember(self, migrations: MigrationList) -> set[str]:
        """Add the migrations and return their IDs."""
        self._by_id.update({migration.id: migration for migration in migrations})
        self._parents = {Path(migration.path).parent for migration in self._by_id.values()}
        return {migration.id for migration in migrations}

    def by_name(self, names: Iterable[str]) -> MigrationList:
        """Return the migrations with these IDs, in this order."""
        return MigrationList([self._by_id[name] for name in names])

    def digests(self) -> dict[str, Digest]:
        """Return the digests by ID. They are read once: the ledger gets the digest of the file that was run."""
        for folder in self._folders() - self._shipped.keys():
            self._shipped[folder] = shipped(folder)
        return {name: digest for folder in self._folders() for name, digest in self._shipped[folder].items()}

    def entries(self, records: Sequence[Record] | None = None) -> list[Entry]:
        """Return the state of each migration of the folders and of the database. `records` are those of the ledger."""
        return compare(self.digests(), ledger.read(self._connection) if records is None else records)

    def reject_faults(self, chosen: Collection[str] | None = None, records: Sequence[Record] | None = None) -> None:
        """Raise CommandError, before the database is changed, if a file is wrong, or that of an applied one is missing.

        Missing files come first: a renamed file also makes the migrations wrong that depend on it, but those need no
        edit. Only the headers are read of the applied files that did not change and are not chosen.
        """
        entries = self.entries(records)
        reject_problems([entry for entry in entries if entry.state == "missing"])
        known = {entry.id for entry in entries if chosen is not None and entry.state == "applied"} - {*(chosen or ())}
        reject_faults([str(fault) for folder in sorted(self._folders()) for fault in faults(folder, known)])

    def _folders(self) -> set[Path]:
        return self._parents or {project.current().migrations}
