"""Edited files of applied migrations: record their digests, `schema accept`."""

from collections.abc import Callable, Mapping, Sequence

from app.errors import UsageError
from app.migrations import ledger
from app.migrations.connection import Connection
from app.migrations.order import find_id
from app.program import SCHEMA
from app.schema.digest import Digest
from app.schema.history import Entry


def accept(
    connection: Connection,
    names: Sequence[str],
    entries: Sequence[Entry],
    files: Mapping[str, Digest],
    report: Callable[[str], None],
) -> None:
    """Record the digests of applied migrations that were edited since; of all of them if no ID is given.

    `names` are as find_id() takes them. The migrations do not run. Raises UsageError, before anything is recorded, if
    one of them is not edited.
    """
    states = {entry.id: entry.state for entry in entries}
    names = [find_id(name, states) for name in names]
    if wrong := [name for name in names if states.get(name) != "edited"]:
        state = states.get(wrong[0], "unknown")
        raise UsageError(f"{wrong[0]} is {state}, not edited.", f"list the migrations: {SCHEMA} status")
    edited = [name for name, state in states.items() if state == "edited"]
    for name in names or edited:
        ledger.record_run(connection, name, files[name].current, "accept", "done")
        report(f"accepted {name}")
    if not names and not edited:
        report("nothing to accept")
