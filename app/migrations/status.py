"""Migration status, for `schema status`: each migration, the running migrator, and schema drift."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import psycopg

from app.errors import CommandError, ExitCode
from app.migrations import ledger, lock
from app.migrations.connection import connect, explain, reject_other_schema, run, sentence
from app.migrations.dump import drift
from app.schema.history import Entry, Holder, comparable, compare, schema_state, shipped
from app.settings import Settings


@dataclass(frozen=True)
class Status:
    """Status of a database."""

    entries: list[Entry]
    holder: Holder | None  # the migrator that is running
    drift: list[str] | None  # None: not compared, because the database has other migrations than sql/schema.sql

    @property
    def exit_code(self) -> ExitCode:
        """Return DONE if the database is up to date with this release or a newer one, otherwise ACTION_NEEDED."""
        is_done = schema_state(self.entries, self.drift) == "up-to-date"
        return ExitCode.DONE if is_done else ExitCode.ACTION_NEEDED


def read_status(settings: Settings) -> Status:
    """Read the status. Raises CommandError if it cannot be read."""
    connection = connect(settings)
    try:
        connection.read_only = True
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        with connection, connection.transaction():
            reject_other_schema(connection)
            run(connection, "prepare_reading")
            holder = lock.find_holder(connection)
            entries = compare(shipped(), ledger.read(connection), holder.migration if holder else None)
            return Status(entries, holder, drift(connection) if comparable(entries) else None)
    except psycopg.Error as error:
        message, hint = explain(error)
        raise CommandError(sentence(f"the status cannot be read: {message}"), hint) from error


def as_text(status: Status) -> str:
    """Return a line for each migration, then the problems, the running migrator, and the drift."""
    width = max((len(entry.id) for entry in status.entries), default=0)
    lines = [f"{entry.state:8} {entry.id:{width}} {_run(entry)}".rstrip() for entry in status.entries]
    lines += [f"wrong: {entry.fault}" for entry in status.entries if entry.problem]
    if status.holder:
        lines.append(f"migrating: {status.holder}")
    if status.drift is None:
        lines.append("drift: not compared, because schema.sql has other migrations")
    elif status.drift:
        lines += [f"drift: {line}" for line in status.drift]
    else:
        lines.append("drift: none, the schema is that of schema.sql")
    return "\n".join(lines)


def _run(entry: Entry) -> str:
    """Return the time of the last run, its user, its duration, and how it ended."""
    record = entry.record
    words = [f"{entry.phase}, {entry.waits}" if entry.phase != "expand" else entry.waits] if entry.waits else []
    if record is None:
        return " ".join(words)
    if record.applied_at:
        words.append(f"{record.applied_at:%Y-%m-%d %H:%M:%S} UTC")
    if record.username:
        words.append(f"by {record.username} on {record.hostname}")
    if (seconds := record.seconds) is not None:
        words.append(f"in {seconds:.3f} s")
    if record.operation != "apply" or record.outcome != "done":
        outcome = "not finished" if record.outcome == "started" else record.outcome
        words.append(f"({record.operation}: {outcome}{f', {record.error}' if record.error else ''})")
    return " ".join(words)


def as_json(status: Status) -> str:
    """Return the status for programs, with times in RFC 3339 and durations in seconds."""
    migrations = []
    for entry in status.entries:
        record = asdict(entry.record) if entry.record else {}
        record.pop("migration_id", None)
        seconds = entry.record.seconds if entry.record else None
        phase = {"phase": entry.phase, "waits": entry.waits or None}
        migrations.append(
            {"id": entry.id, "state": entry.state, "fault": entry.fault or None, "seconds": seconds} | phase | record
        )
    text = {
        "exit_status": status.exit_code,
        "migrations": migrations,
        "holder": asdict(status.holder) if status.holder else None,
        "drift": status.drift,
    }
    return json.dumps(text, indent=2, default=_rfc3339)


def _rfc3339(value: object) -> str:
    assert isinstance(value, datetime)
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
