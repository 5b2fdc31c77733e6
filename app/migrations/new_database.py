"""New database: no older release has run on it, so background and contract migrations do not wait for a command."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from app.migrations.connection import Connection, run
from app.migrations.older_sessions import older_sessions
from app.schema.history import Entry

OWN_TABLES = ("_yoyo", "yoyo_")  # beginnings of the names of yoyo's tables, and of the migrator's


def find_released(
    connection: Connection, tables: Collection[str], chosen: Collection[str], entries: Sequence[Entry]
) -> frozenset[str]:
    """Return the migrations that need not wait, because this one command makes all tables. Otherwise return none.

    `tables` are those of the schema, and `chosen` the migrations that the command applies. If the command is killed,
    the next one finds tables, so the migrations wait. An older release that has connected already waits for its own
    migrations, and would run on what is made here.
    """
    is_new = not any(entry.applied or entry.unfinished for entry in entries) and all(
        name.startswith(OWN_TABLES) for name in tables
    )
    waiting = frozenset(entry.id for entry in entries if entry.waits)
    is_whole = all(entry.id in chosen for entry in entries if entry.lacking)
    return waiting if waiting and is_new and is_whole and not older_sessions(connection) else frozenset()


def with_released(connection: Connection, entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries as `yoyo apply` without options treats them: in a new database, none of them waits."""
    if any(entry.applied for entry in entries) or not any(entry.waits for entry in entries):
        return list(entries)
    tables = [name for (name,) in run(connection, "list_tables")]
    released = find_released(connection, tables, [entry.id for entry in entries], entries)
    return [replace(entry, waits="", state="pending") if entry.id in released else entry for entry in entries]
