"""Control of backfills: status, pause, resume and cancel, from another session than the one that runs them."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg.errors import InsufficientPrivilege

from app.errors import CommandError, UsageError
from app.migrations import backfill, ledger, lock
from app.migrations.connection import Connection, connect, explain, run, sentence
from app.migrations.order import find_id
from app.migrations.search_path import reject_other_schema
from app.migrations.session import Session
from app.migrations.watched_reading import watched_reading
from app.program import SCHEMA
from app.project import current
from app.schema.headers import directives
from app.schema.history import Entry, compare, shipped, successors
from app.settings import Settings

LIST = f"list the backfills: {SCHEMA} backfill status"
BATCH_WAIT = 60.0  # seconds for the batch that runs


@dataclass(frozen=True)
class Progress:
    """How far one backfill is."""

    id: str
    state: str  # waiting, running, paused, cancelled, failed, done
    table: str
    rows_done: int = 0
    rows_expected: int = 0
    batches: int = 0
    batch_size: int = 0
    seconds: float = 0.0  # in batches
    started_at: datetime | None = None
    updated_at: datetime | None = None
    sha256: str | None = None  # of the file when it started
    error: str | None = None

    @property
    def is_stopped(self) -> bool:
        """Return whether the operator has stopped it."""
        return self.state in ("paused", "cancelled")

    @property
    def words(self) -> str:
        """Return the state, and the rows that are done, in words."""
        state = self.state if self.is_stopped or self.state == "running" else "not finished"
        return f"{state}, {self._share} rows of {self.table} are done"

    @property
    def _share(self) -> str:
        """Return the rows that are done, of how many. Without statistics of the table, that number is not known."""
        expected = f" of about {max(self.rows_done, self.rows_expected):,}" if self.rows_expected else ""
        return f"{self.rows_done:,}{expected}"

    def __str__(self) -> str:
        words = f"{self.state:9} {self.id}"
        if self.batches:
            rate = self.rows_done / max(self.seconds, 0.001)
            words += f" {self._share} rows of {self.table}, {rate:,.0f} rows/s in batches of {self.batch_size:,}"
        return f"{words} ({self.error})" if self.error else words

    def as_dict(self) -> dict[str, object]:
        """Return the values for JSON."""
        return asdict(self)


def read(settings: Settings, folder: Path | None = None) -> list[Progress]:
    """Return how far each backfill of the folder is. Raises CommandError."""
    with watched_reading(settings, "the backfills cannot be read") as connection:
        reject_other_schema(connection)
        run(connection, "prepare_reading")
        return _read(connection, folder or current().migrations)


def _read(connection: Connection, folder: Path) -> list[Progress]:
    holder = lock.find_holder(connection)
    entries = compare(shipped(folder), ledger.read(connection), holder.migration if holder else None)
    return read_progress(connection, folder, entries)


def read_progress(connection: Connection, folder: Path, entries: Iterable[Entry]) -> list[Progress]:
    """Return how far each backfill of these migrations is. A role that may not read that gets only their states."""
    recorded = {}
    with suppress(InsufficientPrivilege), connection.transaction():
        recorded = _recorded(connection)
    found = []
    for entry in entries:
        path = folder / f"{entry.id}.sql"
        header = directives(path) if path.exists() else {}
        if "backfill" not in header:
            continue
        state, table, *rest = recorded.get(_recorded_id(entry.id, recorded, folder)) or [None, None]
        error = entry.record.error if entry.record and not entry.applied else None
        known = Progress(entry.id, _state(entry, state, error), table or header["backfill"], *rest)
        found.append(replace(known, error=error))
    return found


def _recorded(connection: Connection) -> dict[str, list[Any]]:
    """Return the columns of list_backfills.sql, by ID."""
    if not backfill.has_table(connection):
        return {}
    return {name: rest for name, *rest in run(connection, "list_backfills").fetchall()}


def _recorded_id(id: str, recorded: Iterable[str], folder: Path) -> str:
    """Return the ID under which the state of a backfill is recorded: the old one until a migrator has followed."""
    old = [name for name in recorded if successors(name, [id]) and not (folder / f"{name}.sql").exists()]
    return old[0] if len(old) == 1 and id not in recorded else id


def _state(entry: Entry, recorded: str | None, error: str | None) -> str:
    if entry.applied:
        return "done"
    if recorded in ("paused", "cancelled"):
        return recorded
    return "running" if entry.state == "running" else "failed" if error else "waiting"


def change(settings: Settings, name: str, state: str, folder: Path | None = None) -> str:
    """Pause, resume or cancel the backfill that this name begins, and return its ID. Wait for the batch that runs."""
    try:
        with connect(settings) as connection:
            run(connection, "set_role", role=settings.migration_role or "none")
            reject_other_schema(connection)
            Session(connection, settings.migration_role, BATCH_WAIT)
            progress = _find(_read(connection, folder or current().migrations), name)
            if progress.state == "done":
                raise UsageError(f"{progress.id} is done.", LIST)
            if state == "running" and progress.state not in ("paused", "cancelled"):
                raise UsageError(f"{progress.id} is not paused.", LIST)
            if not backfill.has_table(connection):
                run(connection, "create_backfills")
            id = _recorded_id(progress.id, _recorded(connection), folder or current().migrations)
            run(connection, "set_backfill", migration_id=id, state=state)
            return progress.id
    except psycopg.Error as error:
        message, hint = explain(error)
        raise CommandError(sentence(f"the backfill was not changed: {message}"), hint) from error


def _find(known: Iterable[Progress], name: str) -> Progress:
    backfills = {each.id: each for each in known}
    id = find_id(name, backfills)
    if id not in backfills:
        raise UsageError(f"there is no backfill {name}.", LIST)
    return backfills[id]
