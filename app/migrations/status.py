"""Migration status, for `schema status`: each migration, the running migrator, and schema drift."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

import psycopg
from psycopg.errors import LockNotAvailable, QueryCanceled

from app.errors import CommandError, ExitCode
from app.migrations import ledger, lock
from app.migrations.backfill_control import Progress, read_progress
from app.migrations.connection import Connection, explain, run, sentence
from app.migrations.dump import drift
from app.migrations.new_database import with_released
from app.migrations.restored_dump import explain_lost_history
from app.migrations.search_path import reject_other_schema
from app.migrations.watch import Watch
from app.migrations.watched_reading import watched
from app.program import SCHEMA
from app.project import current
from app.schema.blockers import Blocker
from app.schema.history import Entry, Holder, comparable, compare, faults, schema_state, shipped
from app.settings import Settings
from app.text import count

Read = TypeVar("Read")


@dataclass(frozen=True)
class Status:
    """Status of a database."""

    entries: list[Entry]
    holder: Holder | None  # the migrator that is running
    blockers: list[Blocker]  # of that migrator's statement
    drift: list[str] | None  # None: not compared, because the database has other migrations than sql/schema.sql
    unknown: list[str]  # parts that could not be read, with the reason
    backfills: dict[str, Progress] = field(default_factory=dict)  # that were begun or paused, by ID

    def state(self, entry: Entry) -> str:
        """Return the state of a migration. A backfill that the operator has stopped is paused, and has not failed."""
        progress = self.backfills.get(entry.id)
        is_stopped = progress and progress.is_stopped and entry.state in ("failed", "pending")
        return "paused" if is_stopped else entry.state

    @property
    def exit_code(self) -> ExitCode:
        """Return DONE if the database is up to date with this release or a newer one, otherwise ACTION_NEEDED.

        Return FAILED if the parts that could be read do not need action, and others could not be read.
        """
        is_done = schema_state(self.entries, self.drift) == "up-to-date"
        if self.unknown and is_done:
            return ExitCode.FAILED
        return ExitCode.DONE if is_done else ExitCode.ACTION_NEEDED


class Reading:
    """The parts that one transaction reads. If a lock or the time-out prevents one, the others are read."""

    def __init__(self, connection: Connection, watch: Watch) -> None:
        self._connection = connection
        self._watch = watch
        self.unknown: list[str] = []

    def part(self, what: str, read: Callable[[Connection], Read]) -> Read | None:
        """Return what `read` returns. If it cannot be read in time, return None and add the reason to `unknown`."""
        self._watch.forget()
        try:
            with self._connection.transaction():
                return read(self._connection)
        except LockNotAvailable:
            by = "; ".join(self._watch.blockers()[0]) or "for example by a migration. Try again in a moment"
            self.unknown.append(f"{what}: a table is locked, {by}")
        except QueryCanceled:
            self.unknown.append(f"{what}: it took longer than 10 s")
        return None


def read_status(settings: Settings) -> Status:
    """Read the status, without a long wait for locks. Raises CommandError if it cannot be read."""
    try:
        with watched(settings) as (connection, watch):
            parts = Reading(connection, watch)
            parts.part("search_path", reject_other_schema)
            run(connection, "prepare_reading")
            holder = parts.part("the migrator that runs", lock.find_holder)
            blockers = parts.part("the sessions that block the migrator", lock.find_blockers)
            records = parts.part("history of the migrations", ledger.read)
            entries = []
            if records is not None:
                entries = compare(shipped(), records, holder.migration if holder else None)
                entries = with_released(connection, entries)
            if records == [] and (lost := parts.part("history of the migrations", explain_lost_history)):
                parts.unknown.append(f"history of the migrations: {lost}")
            folder = current().migrations
            backfills = parts.part("the backfills", lambda each: read_progress(each, folder, entries))
            can_compare = records is not None and comparable(entries)
            differences = parts.part("drift", drift) if can_compare and current().schema_file.exists() else None
            begun = {each.id: each for each in backfills or () if each.started_at or each.is_stopped}
            return Status(entries, holder, blockers or [], differences, parts.unknown, begun)
    except psycopg.Error as error:
        message, hint = explain(error)
        raise CommandError(sentence(f"the status cannot be read: {message}"), hint) from error


def as_text(status: Status) -> str:
    """Return a line for each migration, then the problems, the running migrator, and the drift."""
    width = max((len(entry.id) for entry in status.entries), default=0)
    lines = [f"{status.state(entry):8} {entry.id:{width}} {_run(entry, status)}".rstrip() for entry in status.entries]
    lines += [f"wrong: {fault}" for fault in faults(status.entries)]
    if status.holder:
        lines.append(f"migrating: {status.holder}")
    lines += [f"blocked by: {blocker}" for blocker in status.blockers]
    lines += [f"not read: {line}" for line in status.unknown]
    if status.unknown and status.drift is None:
        lines.append("drift: not compared")
    elif status.drift is None:
        lines.append(f"drift: not compared, because {_why_not_compared(status.entries)}")
    elif status.drift:
        lines += [f"drift: {line}" for line in status.drift]
    else:
        lines.append("drift: none, the schema matches schema.sql")
    return "\n".join(lines)


def _why_not_compared(entries: list[Entry]) -> str:
    """Return why the schema cannot be compared with schema.sql."""
    if comparable(entries):
        file = current().shown(current().schema_file)
        return f"there is no {file}. Write it: {SCHEMA} dump --output {file}"
    if any(entry.state == "newer" for entry in entries):
        return "the database has migrations of a newer release"
    missing = sum(not entry.applied for entry in entries)
    return f"{count(missing, 'migration')} {'is' if missing == 1 else 'are'} not applied"


def _run(entry: Entry, status: Status) -> str:
    """Return the time of the last run, its user, its duration, and how it ended."""
    record = entry.record
    words = [f"{entry.phase}, {entry.waits}" if entry.phase != "expand" else entry.waits] if entry.waits else []
    progress = None if entry.applied else status.backfills.get(entry.id)
    if record is None:
        return " ".join([*words, *([f"({progress.words})"] if progress else [])])
    if words:
        words.append("(last run:")
    if time := record.applied_at or record.finished_at or record.started_at:
        words.append(f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC")
    if record.username:
        words.append(f"by {record.username} on {record.hostname}")
    if (seconds := record.seconds) is not None:
        words.append(f"in {seconds:.3f} s")
    if record.operation != "apply" or record.outcome != "done":
        outcome = "not finished" if record.outcome == "started" else record.outcome
        outcome = progress.words if progress else outcome
        words.append(f"({record.operation}: {outcome}{f', {record.error}' if record.error else ''})")
    if record.reason:
        words.append(f"(although an older release might run: {record.reason})")
    return f"{' '.join(words)})" if entry.waits else " ".join(words)


def as_json(status: Status) -> str:
    """Return the status for programs, with times in RFC 3339 and durations in seconds."""
    migrations = []
    for entry in status.entries:
        record = asdict(entry.record) if entry.record else {}
        record.pop("migration_id", None)
        seconds = entry.record.seconds if entry.record else None
        phase = {"phase": entry.phase, "waits": entry.waits or None}
        migrations.append(
            {"id": entry.id, "state": status.state(entry), "fault": entry.fault or None, "seconds": seconds}
            | phase
            | record
        )
    text = {
        "exit_status": status.exit_code,
        "migrations": migrations,
        "holder": asdict(status.holder) if status.holder else None,
        "blockers": [str(blocker) for blocker in status.blockers],
        "drift": status.drift,
        "unknown": status.unknown,
    }
    return json.dumps(text, indent=2, default=_rfc3339)


def _rfc3339(value: object) -> str:
    assert isinstance(value, datetime)
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
