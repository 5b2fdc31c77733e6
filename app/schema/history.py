"""Migration history: the migrations that this release ships, compared with those that a database has.

The migrator, `schema status`, /readyz and /v1/schema read sql/queries/read_history.sql, each with its own
driver, and interpret the rows here. yoyo's table decides which migrations are applied. The ledger has the user, the
time, and the digest of each run.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

from app.errors import CommandError
from app.program import SCHEMA
from app.project import current
from app.schema.baseline import Baseline
from app.schema.digest import Digest, digest
from app.schema.files import ADVICE, migration_paths, read_bytes, reject_unfinished
from app.schema.phases import Phase, dependents, requirements, waiting
from app.text import one_line, printable

State = Literal["applied", "pending", "waiting", "running", "failed", "edited", "missing", "newer"]
SchemaState = Literal["up-to-date", "pending", "wrong"]


@dataclass(frozen=True)
class Record:
    """One migration as a database records it: a row of read_history.sql, in the order of its columns."""

    migration_id: str
    applied_at: datetime | None  # None: it is not applied
    sha256: str | None  # digest of the file as last applied or accepted; None: the ledger does not have the migration
    operation: str | None  # of the last run: apply, rollback, mark, unmark, adopt, accept
    outcome: str | None  # done, failed, interrupted; started: running, or cut off and not undone
    username: str | None
    hostname: str | None
    process: int | None
    started_at: datetime | None
    finished_at: datetime | None
    error: str | None
    seal: str | None = None  # of `sha256` and of the whole file that had it; None: only `sha256` tells
    reason: str | None = None  # of the last run: why `schema contract` ran although an older release may run
    run_sha256: str | None = None  # digest of the file at the last run

    @property
    def moving_digest(self) -> str | None:
        """Return the digest by which a renumbered file is found, or None if no run of it left anything."""
        if self.applied_at:
            return self.sha256
        return self.run_sha256 if self.operation == "apply" and self.outcome != "done" else None

    @property
    def seconds(self) -> float | None:
        """Return the duration of the last run, or None: see `seconds()` of this module."""
        return seconds(self.operation, self.started_at, self.finished_at)


@dataclass(frozen=True)
class Holder:
    """The session that holds the migrator's lock: a row of find_holder.sql, in the order of its columns."""

    name: str  # application_name: see `name_session` of app/migrations/lock.py
    since: str | None  # when it connected, as HH:MM:SS in UTC; None if this role may not know
    query: str  # its current statement

    def __str__(self) -> str:
        since = f"connected since {self.since} UTC, " if self.since else ""
        return f"{self.name or 'another session'} ({since}at: {statement_words(self.query)})"

    @property
    def migration(self) -> str | None:
        """Return the number of the migration that it runs. Return None between two migrations."""
        words = self.name.split()
        return words[1] if words[:1] == ["yoyo"] and words[1:2] not in ([], ["on"]) else None


@dataclass(frozen=True)
class Entry:
    """State of one migration.

    While a migration has a problem, the migrator applies nothing. `problem` is a sentence without its full stop, and
    `advice` says what to do. `waits` is the reason why `yoyo apply` does not apply it: see app/schema/phases.py.
    """

    id: str
    state: State
    record: Record | None = None
    problem: str = ""
    advice: str = ""
    depends: tuple[str, ...] = ()
    phase: Phase = "expand"
    waits: str = ""
    replaced: int = 0  # migrations that the database applied, and that this file replaces: it is a baseline
    release: str = ""  # the release that has their files

    @property
    def fault(self) -> str:
        """Return the problem and the advice. Return "" if there is no problem."""
        return f"{self.problem}: {self.advice}" if self.problem else ""

    @property
    def lacking(self) -> bool:
        """Return whether this release needs the migration, and the database does not have it."""
        return not self.applied and self.state not in ("newer", "missing")

    @property
    def applied(self) -> bool:
        """Return whether the migration is applied."""
        return self.record is not None and self.record.applied_at is not None

    @property
    def unfinished(self) -> bool:
        """Return whether its last run was cut off and could not be undone."""
        return self.record is not None and self.record.outcome == "started"

    @property
    def settled(self) -> bool:
        """Return whether it is applied and in the ledger. A migration that stock yoyo applied is not in the ledger."""
        return self.applied and not self.unfinished and self.record is not None and self.record.sha256 is not None


def statement_words(query: str) -> str:
    """Return the first 80 characters of a session's statement on one line, without the lines of its header.

    PostgreSQL keeps the first 1,024 bytes of a statement. If they are all header, return that.
    """
    lines = [line for line in query.splitlines() if not line.lstrip().startswith("--")]
    return printable(one_line(" ".join(lines)) or one_line(query))[:80]


def seconds(operation: str | None, started_at: datetime | None, finished_at: datetime | None) -> float | None:
    """Return the duration of a run in seconds. Return None if it has not ended, or if the migration was adopted."""
    if started_at is None or finished_at is None or operation == "adopt":
        return None
    took = (finished_at - started_at).total_seconds()
    return took if took >= 0 else None  # earlier releases compared two clocks


ACCEPT_ALL = (
    "restore the files and write a new migration for the change. If the edits do not change the schema, "
    f"accept them: {SCHEMA} accept --all"
)


def faults(entries: Iterable[Entry]) -> list[str]:
    """Return the fault of each entry that has one. Several edited files, as after an upgrade, are one fault."""
    wrong = [entry for entry in entries if entry.problem]
    edited = [entry.id for entry in wrong if entry.state == "edited"]
    if len(edited) < 2:
        return [entry.fault for entry in wrong]
    which = f"{len(edited)} migrations were edited after they were applied ({', '.join(map(number, edited))})"
    return [f"{which}: {ACCEPT_ALL}", *(entry.fault for entry in wrong if entry.state != "edited")]


def comparable(entries: Iterable[Entry]) -> bool:
    """Return whether the database has exactly the migrations that sql/schema.sql is made of."""
    return all(entry.applied and entry.state != "newer" for entry in entries)


def schema_state(entries: Iterable[Entry], drift: Collection[str] | None) -> SchemaState:
    """Return the state of the whole schema.

    A database with migrations of a newer release is up to date if they are finished. So is one whose other migrations
    wait for a command. A migration that is running counts as pending.
    """
    entries = list(entries)
    states = {entry.state for entry in entries}
    has_unfinished = any(entry.state == "newer" and entry.unfinished for entry in entries)
    if drift or has_unfinished or states & {"failed", "edited", "missing"} or any(entry.problem for entry in entries):
        return "wrong"
    return "pending" if states & {"pending", "running"} else "up-to-date"


def number(migration_id: str) -> str:
    """Return the number that the ID begins with, such as "0003"."""
    return migration_id.partition("_")[0]


def shipped(folder: Path | None = None) -> dict[str, Digest]:
    """Return the digests of a folder's migrations, by the ID that yoyo takes from the file's name.

    By default, the folder is that of the project. Raises CommandError if one cannot be read, or if a command was cut
    off while it changed them.
    """
    folder = folder or current().migrations
    paths = migration_paths(folder)
    try:
        reject_unfinished(folder)
        return {
            path.stem: digest(read_bytes(path)) for path in sorted(paths) if not path.name.endswith(".rollback.sql")
        }
    except OSError as error:
        named = printable(str(current().shown(Path(error.filename).absolute())))
        raise CommandError(f"{named} cannot be read: {error.strerror}.", ADVICE) from error


def compare(files: Mapping[str, Digest], records: Iterable[Record], running: str | None = None) -> list[Entry]:
    """Return the state of every migration that is shipped, applied, or interrupted, by ID.

    `running` is the number of the migration that a migrator is running. The migrations that a baseline replaces are no
    entries: they are part of the baseline's.
    """
    records = list(records)
    names = renumbered(files, records)
    known = {record.migration_id: record for record in records}
    for old, new in names.items():
        known[new] = replace(known.pop(old), migration_id=new)
    applied = {name: record for name, record in known.items() if record.applied_at}
    orders = {name: file.order for name, file in files.items()}
    requires = requirements(orders)
    waits = waiting(orders, applied.keys())
    first = min(files, default="")
    baseline = files[first].baseline if files else None
    replaced = sorted(name for name in applied if name < first) if baseline else []
    entries: list[Entry] = []
    interrupted = {name for name, record in known.items() if record.outcome == "started" and name >= first}
    for name in sorted((files.keys() | applied.keys() | interrupted) - set(replaced)):
        if baseline and replaced and name == first:
            entries.append(_baseline(name, baseline, known.get(name), replaced, running))
        elif name not in files and name not in applied:  # an interrupted build of another release left something
            possible = [other for other in successors(name, files) if other not in known]
            entries.append(_interrupted(name, known[name], possible, is_newer=_is_newer(name, files)))
        elif name not in files:
            entries.append(_unknown(name, applied[name], files, applied))
        elif name in applied:
            moved = name in names.values()
            entries.append(_applied(name, files, applied[name], running, is_moved=moved))
        else:
            above = sorted(_needing(name, [other for other in applied if other > name], requires, waits))
            entry = _pending(name, files, known.get(name), applied, above, running)
            is_calm = entry.state == "pending" or (entry.unfinished and entry.record and not entry.record.error)
            if name in waits:
                entry = replace(entry, waits=waits[name], state="waiting" if is_calm else entry.state)
            entries.append(entry)
    return [
        replace(entry, depends=requires[entry.id], phase=orders[entry.id].phase) if entry.id in files else entry
        for entry in _with_one_beginning(entries, files)
    ]


def _with_one_beginning(entries: list[Entry], files: Mapping[str, Digest]) -> list[Entry]:
    """Return the entries with one problem if the history of the database begins with a file of another release.

    That is a baseline, whose ID is also that of the last file that it replaces. Or another program made the history.
    """
    applied = [entry for entry in entries if entry.applied]
    first = applied[0] if applied else None
    if first is None:
        return entries
    if first.state == "edited" and entries[0] is not first:
        advice = "use a release that has the baseline, such as the one that made the database"
        problem = f"{first.id} is a baseline in this database, and this release has the migrations that it replaces"
        began = Entry(first.id, first.state, first.record, problem, advice)
        return [began, *(entry for entry in entries if entry.id > first.id)]
    if all(entry.state in ("newer", "missing") and not _was_renamed(entry, files) for entry in applied):
        advice = (
            "use the release that made the database. If another program made it, give this project a schema of its own"
        )
        problem = f"the applied migrations are not of this release: {first.id}"
        if len(applied) > 1:
            problem += f" to {applied[-1].id}"
        began = Entry(first.id, first.state, first.record, problem, advice)
        return [began if entry is first else replace(entry, problem="", advice="") for entry in entries]
    return entries


def _was_renamed(entry: Entry, files: Mapping[str, Digest]) -> bool:
    sha256 = entry.record.sha256 if entry.record else None
    return sha256 is not None and any(file.matches(sha256) for file in files.values())


def _needing(
    name: str, later: Collection[str], requires: Mapping[str, tuple[str, ...]], waits: Mapping[str, str]
) -> set[str]:
    """Return those of the later, applied migrations that need one that is not applied.

    If one is of a newer release, its file and its `depends` are not known here.
    """
    known = dependents(name, requires) if later else set()
    return {other for other in later if (other in known if other in requires else name not in waits)}


def renumbered(files: Mapping[str, Digest], records: Iterable[Record]) -> dict[str, str]:
    """Return the new IDs, by the old ones, of migrations whose files `schema renumber` has moved.

    They are applied, or an apply of them was cut off or failed. Such a file has the same name with a higher number, and
    the same digest except for its `depends`. Its old ID has no file.
    """
    known = {record.migration_id: record for record in records}
    taken = {name for name, record in known.items() if record.applied_at}
    moved = {}
    for old, record in known.items():
        if old in files or not (sha256 := record.moving_digest):
            continue
        new = [
            name
            for name in successors(old, files)
            if name not in (taken if record.applied_at else known)
            and (files[name].matches(sha256) or files[name].matches_except_depends(sha256, {*files, *known}))
        ]
        if len(new) == 1:
            moved[old] = new[0]
    return moved if len(set(moved.values())) == len(moved) else {}


def successors(migration_id: str, files: Iterable[str]) -> list[str]:
    """Return the IDs that `schema renumber` can have given a migration: those of its name with a higher number."""
    subject = _subject(migration_id)
    return [name for name in files if number(name) > number(migration_id) and _subject(name) == subject]


def _subject(migration_id: str) -> str:
    return migration_id.partition("_")[2]


def _baseline(
    name: str, baseline: Baseline, record: Record | None, replaced: Sequence[str], running: str | None
) -> Entry:
    """Return the state of a baseline in a database that has migrations which it replaces.

    The record is that of the replaced file of the same name, so its digest is another one.
    """
    is_applied = record is not None and record.applied_at is not None
    missing = baseline.numbers - {number(other) for other in replaced} - {number(name) if is_applied else ""}
    state: State = "pending"
    if is_applied and record is not None:
        state = "running" if running == number(name) else "failed" if record.outcome == "started" else "applied"
    problem = advice = ""
    if missing:
        problem = f"{name} is a baseline for complete databases, and this one lacks {min(missing)}"
        advice = f"first migrate it with the release {baseline.release}, which has the files that it replaces"
    count = len(replaced) + is_applied
    return Entry(name, state, record, problem, advice, replaced=count, release=baseline.release)


def _applied(
    name: str, files: Mapping[str, Digest], record: Record, running: str | None, *, is_moved: bool = False
) -> Entry:
    file = files[name]
    is_same = is_moved or record.sha256 is None or file.matches(record.sha256, record.seal)
    if record.sha256 is not None and not is_same and not file.matches_except_depends(record.sha256, files):
        return Entry(
            name,
            "edited",
            record,
            f"{name} was edited after it was applied",
            "restore the file and write a new migration for the change. If the edit does not change the schema, "
            f"accept it: {SCHEMA} accept {name}",
        )
    if running == number(name):
        return Entry(name, "running", record)
    return Entry(name, "failed" if record.outcome == "started" else "applied", record)


def _pending(
    name: str,
    files: Mapping[str, Digest],
    record: Record | None,
    applied: Mapping[str, Record],
    above: list[str],
    running: str | None,
) -> Entry:
    """Return the state of a migration that is not applied. `above` has the applied ones that need it."""
    problem = advice = ""
    renamed = any(gone.sha256 and files[name].matches(gone.sha256) for id, gone in applied.items() if id not in files)
    if above and not renamed:
        problem = f"{name} is not applied, but a later migration is: {above[-1]}"
        advice = f"give the file a number after {number(above[-1])}, or roll back first: yoyo rollback -r {above[0]}"
        if _is_newer(above[-1], files):
            advice = f"apply it with the release that has {above[-1]}"
        elif record is not None and record.operation == "unmark":
            advice = (
                f"if the database already has this change: yoyo mark -m {name}. If not, roll back first: "
                f"yoyo rollback -r {above[0]}"
            )
    if running == number(name):
        return Entry(name, "running", record, problem, advice)
    failed = record is not None and record.operation == "apply" and record.outcome in ("failed", "started")
    return Entry(name, "failed" if failed else "pending", record, problem, advice)


def _unknown(name: str, record: Record, files: Mapping[str, Digest], applied: Mapping[str, Record]) -> Entry:
    if _is_newer(name, files):
        return Entry(name, "newer", record)
    for other, file in files.items():
        if record.sha256 and file.matches(record.sha256) and other not in applied:
            problem = f"{name} is applied, but its file was renamed to {other}"
            return Entry(name, "missing", record, problem, f"rename the file back to {name}.sql")
    return Entry(
        name, "missing", record, f"{name} is applied, but its file is missing", "restore the file and its rollback file"
    )


def _interrupted(name: str, record: Record, new: Sequence[str], *, is_newer: bool) -> Entry:
    """Return the state of an interrupted migration without a file. `new` are the files that may be its own, edited."""
    if new and not is_newer:
        problem = f"{name} was interrupted, and its file seems to be {new[0]} now, which does not say the same"
        return Entry(
            name, "missing", record, problem, f"restore {name}.sql, and apply it before you edit its successor"
        )
    return Entry(name, "newer" if is_newer else "missing", record)


def _is_newer(name: str, files: Iterable[str]) -> bool:
    return number(name) > max(map(number, files), default="")
