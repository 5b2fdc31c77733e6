"""The migrations that this build ships, held against those that a database has had.

The migrator, `images schema status` and /readyz read sql/queries/read_history.sql, each by its own driver, and come
here for what it means. yoyo's table is the truth about what is applied; the ledger tells by whom, when, and of which
text.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Literal

from app.settings import ROOT

MIGRATIONS = ROOT / "sql" / "migrations"

State = Literal["applied", "pending", "running", "failed", "edited", "missing", "newer"]


@dataclass(frozen=True)
class Record:
    """What a database knows of one migration: a row of read_history.sql, in the order of its columns."""

    migration_id: str
    applied_at: datetime | None  # None: it is not applied
    sha256: str | None  # of the text that was last applied or accepted; None: the ledger does not have it
    operation: str | None  # of the last run: apply, rollback, mark, unmark, adopt
    outcome: str | None  # done, failed, interrupted; started: running, or cut off with something left behind
    username: str | None
    hostname: str | None
    process: int | None
    started_at: datetime | None
    finished_at: datetime | None
    error: str | None


@dataclass(frozen=True)
class Entry:
    """One migration, as it stands."""

    id: str
    state: State
    record: Record | None = None
    fault: str = ""  # why nothing may be applied while it stands so, and what to do

    @property
    def applied(self) -> bool:
        return self.record is not None and self.record.applied_at is not None

    @property
    def unfinished(self) -> bool:
        """Whether its last run was cut off where it could not be undone."""
        return self.record is not None and self.record.outcome == "started"

    @property
    def unrecorded(self) -> bool:
        """Whether the ledger does not have it: it was applied before the ledger was there, or by stock yoyo."""
        return self.applied and self.record is not None and self.record.sha256 is None


def number(migration_id: str) -> str:
    return migration_id.partition("_")[0]


def shipped(folder: Path = MIGRATIONS) -> dict[str, str]:
    """The ids of a folder's migrations, as yoyo takes them from the files' names, each with its SHA-256 in hex.

    Line endings do not count: a checkout with CRLF is the same migration.
    """
    files = (path for path in folder.glob("*.sql") if not path.name.endswith(".rollback.sql"))
    return {path.stem: sha256(_normalised(path.read_bytes())).hexdigest() for path in sorted(files)}


def _normalised(text: bytes) -> bytes:
    return text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def compare(files: Mapping[str, str], records: Iterable[Record], running: str | None = None) -> list[Entry]:
    """Every migration that is shipped or applied, by id. `running` is the number of the one a migrator is at."""
    known = {record.migration_id: record for record in records}
    applied = {name for name, record in known.items() if record.applied_at}
    entries = []
    for name in sorted(files.keys() | applied):
        record = known.get(name)
        if name in files and name in applied:
            assert record is not None
            entries.append(_applied(name, files[name], record, running))
        elif name in files:
            entries.append(_pending(name, record, running, max(applied, default="")))
        elif number(name) > max(map(number, files), default=""):
            entries.append(Entry(name, "newer", record))
        else:
            assert record is not None
            entries.append(Entry(name, "missing", record, _missing(name, record, files, applied)))
    return entries


def _applied(name: str, digest: str, record: Record, running: str | None) -> Entry:
    if record.sha256 not in (None, digest):
        return Entry(
            name,
            "edited",
            record,
            f"{name} was edited after it was applied: bring the file back, and make a new migration for the change;"
            f" or accept it as it is: images schema accept {name}",
        )
    if running == number(name):
        return Entry(name, "running", record)
    return Entry(name, "failed" if record.outcome == "started" else "applied", record)


def _pending(name: str, record: Record | None, running: str | None, last: str) -> Entry:
    fault = ""
    if name < last:
        fault = (
            f"{name} is not applied, but {last}, which comes after it, is: give the file a number after {number(last)},"
            f" or roll back first: yoyo rollback -r {last}"
        )
    if running == number(name):
        return Entry(name, "running", record, fault)
    failed = record is not None and record.operation == "apply" and record.outcome != "done"
    return Entry(name, "failed" if failed else "pending", record, fault)


def _missing(name: str, record: Record, files: Mapping[str, str], applied: set[str]) -> str:
    for other, digest in files.items():
        if digest == record.sha256 and other not in applied:
            return f"{name} is applied, and its file is now called {other}: give it its name back"
    return f"{name} is applied, and its file is gone: bring it back, with its rollback"
