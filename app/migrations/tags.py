"""Tags: names for states of the schema, recorded in the database beside the ledger."""

import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.errors import CommandError, ExitCode, UsageError
from app.migrations.connection import Connection, run
from app.migrations.ledger import username
from app.migrations.search_path import reject_other_schema
from app.schema.history import Entry

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]{0,99}")


@dataclass(frozen=True)
class Tag:
    """A tag: a row of read_tags.sql."""

    name: str
    migration_ids: list[str]
    digests: list[str]  # of their files at that time
    tagged_at: datetime
    username: str
    hostname: str


def read(connection: Connection) -> list[Tag]:
    """Return the tags of the database, the oldest first. Raises CommandError if the search_path leads elsewhere."""
    reject_other_schema(connection)
    if run(connection, "find_tags").fetchone() != (True,):
        return []
    return [Tag(*row) for row in run(connection, "read_tags").fetchall()]


def record(connection: Connection, name: str, entries: Sequence[Entry]) -> None:
    """Record a tag for the applied migrations. Call this inside the lock.

    Raises UsageError for a wrong name, and CommandError if the tag has other migrations.
    """
    if not NAME.fullmatch(name):
        raise UsageError(f'"{name}" cannot be the name of a tag.', "use letters, digits and . _ / + -, such as v1.2")
    records = [entry.record for entry in entries if entry.applied and entry.record]
    ids = [each.migration_id for each in records]
    if not ids:
        raise CommandError("no migration is applied.", "apply them first: yoyo apply", ExitCode.ACTION_NEEDED)
    if run(connection, "find_tags").fetchone() != (True,):
        run(connection, "create_tags")
    digests = [each.sha256 or "" for each in records]
    added = run(
        connection,
        "record_tag",
        name=name,
        migration_ids=ids,
        digests=digests,
        username=username(),
        hostname=socket.gethostname(),
    ).fetchone()
    if added is None and (known := next(tag for tag in read(connection) if tag.name == name)).migration_ids != ids:
        raise CommandError(
            f"the tag {name} has other migrations, up to {known.migration_ids[-1]}.",
            "choose another name",
            ExitCode.ACTION_NEEDED,
        )
