"""Follow renumbered files: a database that has a migration, or a part of it, under its old number gets the new one.

`app/schema/history.py` finds them, by digest. Until a migrator that writes has followed, readers see the new number.
"""

from collections.abc import Callable, Collection, Mapping, Sequence

from yoyo.migrations import get_migration_hash

from app.migrations import backfill, ledger
from app.migrations.connection import Connection, run
from app.schema.digest import Digest
from app.schema.history import Record, renumbered, successors


def follow(
    connection: Connection, files: Mapping[str, Digest], records: Sequence[Record], report: Callable[[str], None]
) -> None:
    """Give each renumbered migration its new ID in yoyo's table, in the ledger, and in the state of its backfill.

    Call this inside the lock.
    """
    moved = renumbered(files, records)
    applied = {record.migration_id for record in records if record.applied_at}
    has_backfills = backfill.has_table(connection)
    paused = _paused(connection, files, {*moved, *moved.values(), *applied}) if has_backfills else {}
    for old, new in sorted((moved | paused).items(), reverse=True):  # the highest first, so that no ID is taken
        with connection.transaction():
            run(connection, "rename_migration", old=old, new=new, hash=get_migration_hash(new))
            if has_backfills:
                run(connection, "rename_backfill", old=old, new=new, sha256=files[new].current)
            if old in applied:
                ledger.record_run(connection, new, files[new].current, "accept", "done")
        report(f"renumbered {old} to {new}, as its file is")


def _paused(connection: Connection, files: Mapping[str, Digest], known: Collection[str]) -> dict[str, str]:
    """Return the new IDs of backfills that were paused before they started. Only their names tell."""
    found = {}
    for row in run(connection, "list_backfills").fetchall():
        old, started_at = row[0], row[8]
        new = [name for name in successors(old, files) if name not in known]
        if old not in files and started_at is None and len(new) == 1:
            found[old] = new[0]
    return found


def with_new_hashes(connection: Connection, files: Mapping[str, Digest], hashes: list[str]) -> list[str]:
    """Return yoyo's hashes of applied migrations, with those of the new IDs for renumbered ones."""
    if set(hashes) <= {get_migration_hash(name) for name in files}:
        return hashes
    moved = renumbered(files, ledger.read(connection))
    new = {get_migration_hash(old): get_migration_hash(name) for old, name in moved.items()}
    return [new.get(hash, hash) for hash in hashes]
