"""Follow renumbered files: a database that has a migration under its old number gets the new one.

`app/schema/history.py` finds them, by digest. Until a migrator that writes has followed, readers see the new number.
"""

from collections.abc import Callable, Mapping, Sequence

from yoyo.migrations import get_migration_hash

from app.migrations import ledger
from app.migrations.connection import Connection, run
from app.schema.digest import Digest
from app.schema.history import Record, renumbered


def follow(
    connection: Connection, files: Mapping[str, Digest], records: Sequence[Record], report: Callable[[str], None]
) -> None:
    """Give each renumbered migration its new ID in yoyo's table and in the ledger. Call this inside the lock."""
    moved = renumbered(files, records)
    for old in sorted(moved, reverse=True):  # the highest first, so that no ID is taken
        new = moved[old]
        with connection.transaction():
            run(connection, "rename_migration", old=old, new=new, hash=get_migration_hash(new))
            ledger.record_run(connection, new, files[new].current, "accept", "done")
        report(f"renumbered {old} to {new}, as its file is")


def with_new_hashes(connection: Connection, files: Mapping[str, Digest], hashes: list[str]) -> list[str]:
    """Return yoyo's hashes of applied migrations, with those of the new IDs for renumbered ones."""
    if set(hashes) <= {get_migration_hash(name) for name in files}:
        return hashes
    moved = renumbered(files, ledger.read(connection))
    new = {get_migration_hash(old): get_migration_hash(name) for old, name in moved.items()}
    return [new.get(hash, hash) for hash in hashes]
