"""The migrations that this build ships, held against those that a database has had.

The migrator, `images schema status`, /readyz and /v1/schema read sql/queries/read_history.sql, each by its own driver,
and come here for what it means. yoyo's table is the truth about what is applied; the ledger tells by whom, when, and of
which text.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Literal

from app.settings import ROOT

MIGRATIONS = ROOT / "sql" / "migrations"

State = Literal["applied", "pending", "running", "failed", "edited", "missing", "newer"]
Standing = Literal["up-to-date", "pending", "wrong"]


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

    @property
    def seconds(self) -> float | None:
        """How long the last run took; an adopted migration's is not known."""
        return seconds(self.operation, self.started_at, self.finished_at)


@dataclass(frozen=True)
class Holder:
    """The migrator at work, as the server knows it: a row of find_holder.sql, in the order of its columns."""

    name: str  # application_name: see `name_session` of app/migrations/lock.py
    since: str | None  # when it connected, as HH:MM:SS in UTC; None where this role may not know
    query: str  # the statement it is at

    def __str__(self) -> str:
        lines = (line for line in self.query.splitlines() if not line.lstrip().startswith("--"))
        at = " ".join(" ".join(lines).split())
        since = f"connected since {self.since} UTC, " if self.since else ""
        return f"{self.name or 'another session'} ({since}at: {at[:80]})"

    @property
    def migration(self) -> str | None:
        """The number of the migration it is at; None between two."""
        words = self.name.split()
        return words[1] if words[:1] == ["yoyo"] and words[1:2] != ["on"] else None


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
    def settled(self) -> bool:
        """Whether it is applied, and the ledger has it so; it has not what stock yoyo applied."""
        return self.applied and not self.unfinished and self.record is not None and self.record.sha256 is not None


def seconds(operation: str | None, started_at: datetime | None, finished_at: datetime | None) -> float | None:
    if started_at is None or finished_at is None or operation == "adopt":
        return None
    return (finished_at - started_at).total_seconds()


def comparable(entries: Iterable[Entry]) -> bool:
    """Whether the database has the migrations that sql/schema.sql is made of, and no others."""
    return all(entry.applied and entry.state != "newer" for entry in entries)


def standing(entries: Iterable[Entry], drift: Collection[str] | None) -> Standing:
    """Up to date, with this release or a newer one; migrations to be applied, or at it; or anything wrong."""
    entries = list(entries)
    states = {entry.state for entry in entries}
    if drift or states & {"failed", "edited", "missing"} or any(entry.fault for entry in entries):
        return "wrong"
    return "pending" if states & {"pending", "running"} else "up-to-date"


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
    applied = {name: record for name, record in known.items() if record.applied_at}
    entries = []
    for name in sorted(files.keys() | applied.keys()):
        if name not in files:
            entries.append(_unknown(name, applied[name], files, applied))
        elif name in applied:
            entries.append(_applied(name, files[name], applied[name], running))
        else:
            entries.append(_pending(name, files, known.get(name), applied, running))
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


def _pending(
    name: str, files: Mapping[str, str], record: Record | None, applied: Mapping[str, Record], running: str | None
) -> Entry:
    fault = ""
    above = sorted(other for other in applied if other > name)
    renamed = any(gone.sha256 == files[name] for other, gone in applied.items() if other not in files)
    if above and not renamed:
        todo = f"give the file a number after {number(above[-1])}, or roll back first: yoyo rollback -r {above[0]}"
        if _is_newer(above[-1], files):
            todo = "it is for the release that has that one to apply it"
        elif record is not None and record.operation == "unmark":
            todo = f"if the database has it, yoyo mark -m {name}; if not, roll back first: yoyo rollback -r {above[0]}"
        fault = f"{name} is not applied, but {above[-1]}, which comes after it, is: {todo}"
    if running == number(name):
        return Entry(name, "running", record, fault)
    failed = record is not None and record.operation == "apply" and record.outcome in ("failed", "started")
    return Entry(name, "failed" if failed else "pending", record, fault)


def _unknown(name: str, record: Record, files: Mapping[str, str], applied: Mapping[str, Record]) -> Entry:
    if _is_newer(name, files):
        return Entry(name, "newer", record)
    for other, digest in files.items():
        if digest == record.sha256 and other not in applied:
            fault = f"{name} is applied, and its file is now called {other}: give it its name back"
            return Entry(name, "missing", record, fault)
    return Entry(name, "missing", record, f"{name} is applied, and its file is gone: bring it back, with its rollback")


def _is_newer(name: str, files: Mapping[str, str]) -> bool:
    return number(name) > max(map(number, files), default="")
