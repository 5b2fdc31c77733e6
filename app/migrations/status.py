"""`images schema status`: each migration, who is at work, and where the schema has drifted. It only reads."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import psycopg

from app.errors import fail
from app.migrations import ledger, lock
from app.migrations.connection import connect, explained, run
from app.migrations.dump import drift
from app.schema.history import Entry, Holder, Standing, comparable, compare, shipped, standing
from app.settings import Settings

UP_TO_DATE, PENDING, WRONG = 0, 1, 2
EXIT_STATUS: dict[Standing, int] = {"up-to-date": UP_TO_DATE, "pending": PENDING, "wrong": WRONG}


@dataclass(frozen=True)
class Status:
    entries: list[Entry]
    holder: Holder | None
    drift: list[str] | None  # None: not compared, since migrations are to be applied, or were by a newer release

    @property
    def exit_status(self) -> int:
        """0: up to date, with this release or a newer one; 1: migrations are to be applied, or are being; 2: wrong."""
        return EXIT_STATUS[standing(self.entries, self.drift)]


def read_status(settings: Settings) -> Status:
    """Read the status, or end the command with one line and exit status 2."""
    try:
        connection = connect(settings, "images schema status")
        connection.read_only = True
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        with connection, connection.transaction():
            run(connection, "prepare_reading")
            holder = lock.find_holder(connection)
            entries = compare(shipped(), ledger.read(connection), holder.migration if holder else None)
            return Status(entries, holder, drift(connection) if comparable(entries) else None)
    except psycopg.Error as error:
        fail(f"images schema status: {explained(error)}")


def as_text(status: Status) -> str:
    """A line for each migration, then what is wrong, who is at work, and the drift."""
    width = max((len(entry.id) for entry in status.entries), default=0)
    lines = [f"{entry.state:8} {entry.id:{width}} {_run(entry)}".rstrip() for entry in status.entries]
    lines += [f"wrong: {entry.fault}" for entry in status.entries if entry.fault]
    if status.holder:
        lines.append(f"at work: {status.holder}")
    if status.drift is None:
        lines.append("drift: not compared with schema.sql, which has other migrations")
    elif status.drift:
        lines += [f"drift: {line}" for line in status.drift]
    else:
        lines.append("drift: none; the schema is that of schema.sql")
    return "\n".join(lines)


def _run(entry: Entry) -> str:
    """When, by whom and in what time; or how it went wrong."""
    record = entry.record
    if record is None:
        return ""
    words = []
    if record.applied_at:
        words.append(f"{record.applied_at:%Y-%m-%d %H:%M:%S} UTC")
    if record.username:
        words.append(f"by {record.username} on {record.hostname}")
    if (seconds := record.seconds) is not None:
        words.append(f"in {seconds:.3f} s")
    if record.operation != "apply" or record.outcome != "done":
        went = "not finished" if record.outcome == "started" else record.outcome
        words.append(f"({record.operation}: {went}{f', {record.error}' if record.error else ''})")
    return " ".join(words)


def as_json(status: Status) -> str:
    """The same for programs; times in RFC 3339, durations in seconds."""
    migrations = []
    for entry in status.entries:
        record = asdict(entry.record) if entry.record else {}
        record.pop("migration_id", None)
        seconds = entry.record.seconds if entry.record else None
        migrations.append(
            {"id": entry.id, "state": entry.state, "fault": entry.fault or None, "seconds": seconds} | record
        )
    text = {
        "exit_status": status.exit_status,
        "migrations": migrations,
        "holder": asdict(status.holder) if status.holder else None,
        "drift": status.drift,
    }
    return json.dumps(text, indent=2, default=_rfc3339)


def _rfc3339(value: object) -> str:
    assert isinstance(value, datetime)
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
