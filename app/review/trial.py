"""Trial of a migration under traffic: the service's queries run while a copy of the database is migrated, and back."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from psycopg.sql import SQL, Identifier, Literal

from app.errors import CommandError
from app.lint.alter_table import MODES
from app.lint.costs import breaks_clients
from app.lint.nodes import Type
from app.migrations.backfill_batches import batches as batches_of
from app.migrations.connection import Connection, run, run_text
from app.project import current
from app.review.lock_watcher import locks_of
from app.review.measure import MAX_BATCH, MODE_NAMES
from app.review.plans import AT_COMMIT, Plan, explain, is_worse, time_limit
from app.review.proof import apply_again, read_schema
from app.review.queued_writes import find_queued
from app.review.scratch import connect
from app.review.traffic import Call, Met, Traffic, calls_of, explained, first_free_row, open_session
from app.review.write_cost import WriteCost, measure_writes
from app.schema.headers import directives
from app.schema.statements import statements

CHECKS = "consistency_*.sql"  # in sql/review/: each returns the faults that it finds, and no row if there are none
EXAMPLES = 2  # of each query that reads, which the trial compares before and after
NUMBER = re.compile(r"[0-9]+")
NO_EARLIER = 2**63 - 1  # rows of which a check computes one again: it then takes only those of a time
NEVER = datetime(9999, 1, 1, tzinfo=UTC)  # no row is written since
CHECKED_ROWS = 5_000  # earlier rows that a check computes again
CANCELED = "57014"  # SQLSTATE of a query that took longer than its limit
NOT_THERE = ("42P01", "42883", "42703", "42704")  # a table, function, column or type does not exist (yet)
NOISE = 100  # buffers that a query may need more because of row security
# The traffic takes rows from these on, counted from the first free one: before the migration, and beside it.
EARLIER_ROW, BESIDE_ROW = 1_000_000, 1_000
ROUNDS = 3  # of traffic before the migration: after one of them, a row that others write and delete may not be there
BLOCKING = "SHARE"  # from this mode on, a lock blocks writes

Answers = dict[Call, int | str]  # rows returned, or the error
Unsteady = dict[tuple[Call, ...], set[Call]]  # by the queries of a release: see _find_unsteady
Types = dict[str, tuple[list[str], list[str]]]  # of the parameters and of the columns, by query
Slower = tuple[Call, Plan, Plan]


@dataclass
class Direction:
    """Events of the service while a migration was applied, or rolled back, and afterwards."""

    met: Met = field(default_factory=Met)
    refused: dict[str, set[str]] = field(default_factory=dict)  # new errors of its queries afterwards: their names
    emptied: set[str] = field(default_factory=set)  # queries that returned rows before, and return none now
    awakened: set[str] = field(default_factory=set)  # queries that wrote no row before with an example, and do now
    # Queries by a change of a type: "take" or "return", the type of before, and that of now.
    retyped: dict[tuple[str, str, str], set[str]] = field(default_factory=dict)
    inconsistent: list[str] = field(default_factory=list)  # new faults that the project's own checks find
    outdated: list[str] = field(default_factory=list)  # the same, if rows that are written afterwards have none
    unfilled: list[str] = field(default_factory=list)  # the same, of objects that the migration creates
    unchecked: list[str] = field(default_factory=list)  # checks that ran before, and now lack what they read
    rows_checked: int = 0  # earlier rows that a check computed again, and found right
    has_written: bool = False  # the checks have seen new rows, too
    queued: set[str] = field(default_factory=set)  # queries that now wait for the same query of another row
    slower: list[Slower] = field(default_factory=list)  # by row security: without it, and with it
    costs: dict[str, WriteCost] = field(default_factory=dict)  # of one write, by query
    error: str = ""  # why the migration failed under traffic


@dataclass
class Trial:
    """Result of a trial."""

    role: str | None  # of the sessions, or None if the server has no role of the service
    rows: int  # in each table
    sessions: int = 0
    costs: dict[str, WriteCost] = field(default_factory=dict)  # before the migration
    up: Direction = field(default_factory=Direction)
    down: Direction | None = None
    again: list[str] | None = None  # how the second apply differs: lines of a diff of the schema. None: not tried
    forbidden: dict[str, set[str]] = field(default_factory=dict)  # of this release's queries that are new
    unmeasured: list[str] = field(default_factory=list)  # in words


class _DeadlockError(Exception):
    """The migration was the victim of a deadlock."""


def try_under_traffic(
    url: str,
    migration: Path,
    unsteady: Unsteady,
    *,
    transactional: bool,
    rows: int,
    old: dict[str, str],
    new: dict[str, str],
) -> Trial:
    """Apply and roll back a migration on a database of its own, while sessions send the queries of the old release.

    `unsteady` keeps what one trial finds for those of the next migrations, whose queries are mostly the same.
    """
    with closing(connect(url)) as connection:
        trial = Trial(_service_role(connection), rows)
        try:
            _try(connection, url, trial, migration, unsteady, transactional=transactional, rows=rows, old=old, new=new)
        except psycopg.Error as error:
            trial.unmeasured.append(f"the trial under traffic: {explained(error)}")
    return trial


def _service_role(connection: Connection) -> str | None:
    """Return the role of the service, or None if there is none, or the reviewer may not become it."""
    row = run(connection, "find_service_role", "review", roles=list(current().roles)).fetchone()
    if row:
        with suppress(psycopg.errors.InsufficientPrivilege), connection.transaction(force_rollback=True):
            connection.execute(SQL("SET LOCAL ROLE {}").format(Identifier(row[0])))
            return str(row[0])
    return None


def _try(
    connection: Connection,
    url: str,
    trial: Trial,
    migration: Path,
    known_unsteady: Unsteady,
    *,
    transactional: bool,
    rows: int,
    old: dict[str, str],
    new: dict[str, str],
) -> None:
    calls = _few(calls_of(old))
    began = connection.execute("SELECT clock_timestamp()").fetchone()
    assert began
    fresh = _few(calls_of({name: text for name, text in new.items() if text != old.get(name)}))
    check = _Check(connection, trial.role, [*calls, *fresh], max(1, rows // CHECKED_ROWS), began[0])
    before, known = _ask(url, trial.role, calls), check.faults()
    types = _types(connection, calls)
    usable = [call for call in calls if not isinstance(before[call], str)]
    first_row = first_free_row(calls)
    unsteady = known_unsteady.get(key := tuple(usable))
    if unsteady is None:
        unsteady = known_unsteady[key] = _find_unsteady(url, trial.role, usable, first_row, before)
    measure_writes(url, trial.role, usable, first_row)  # writes whole pages to WAL: the copy began with a checkpoint
    trial.costs = measure_writes(url, trial.role, usable, first_row)
    slower = {call for call, *_ in _slowed(connection, url, trial.role, usable)}
    queued = find_queued(url, trial.role, usable, first_row)

    def go(path: Path, direction: Direction) -> None:
        traffic = Traffic(url, trial.role, usable, first_row + BESIDE_ROW)
        trial.sessions = len(traffic.sessions)
        with _running(traffic):
            direction.error = _run(connection, path, traffic, transactional=transactional)
            traffic.settle()
            direction.met = traffic.met
        if direction.error:
            return
        now = _ask(url, trial.role, usable)
        for call in usable:
            answer = now[call]
            if isinstance(answer, str):
                direction.refused.setdefault(answer, set()).add(call.query)
            elif call in unsteady:
                pass
            elif answer == 0 and before[call] != 0:
                direction.emptied.add(call.query)
            elif answer != 0 and before[call] == 0 and call.is_write:
                direction.awakened.add(call.query)
        direction.retyped = _retyped(types, _types(connection, usable))
        faults = check.faults()
        found = {key: text for key, text in (faults or {}).items() if key not in (known or {})}
        direction.unchecked = [found.pop(key) for key in check.lacking(found)]
        if check.lacking(known):
            direction.unfilled = [*found.values()]
        else:
            direction.inconsistent = [fault for key, fault in found.items() if key in check.of_new_rows]
            direction.outdated = [fault for key, fault in found.items() if key not in check.of_new_rows]
        direction.rows_checked = min(rows, CHECKED_ROWS) if faults == {} else 0
        direction.has_written = check.has_written
        direction.costs = measure_writes(url, trial.role, usable, first_row)
        direction.queued = find_queued(url, trial.role, usable, first_row) - queued - {call.query for call in unsteady}
        direction.slower = [each for each in _slowed(connection, url, trial.role, usable) if each[0] not in slower]

    go(migration, trial.up)
    if trial.up.error:
        return
    above = read_schema(connection)
    for call, answer in _ask(url, trial.role, fresh, only_plan=True).items():
        if isinstance(answer, str) and answer.startswith("42501"):
            trial.forbidden.setdefault(answer, set()).add(call.query)
    rollback = migration.with_suffix(".rollback.sql")
    if rollback.exists() and "irreversible" not in directives(migration):
        trial.down = Direction()
        go(rollback, trial.down)
        if not trial.down.error:
            trial.again = apply_again(connection, migration, above)


def _find_unsteady(url: str, role: str | None, calls: Sequence[Call], first_row: int, before: Answers) -> set[Call]:
    """Return the writes that find rows or none because of other rows that the sessions write, without a migration."""
    writes = [call for call in calls if call.is_write]
    found: set[Call] = set()
    for number in range(1, ROUNDS + 1):
        with _running(Traffic(url, role, calls, first_row + number * EARLIER_ROW)):
            pass
        now = _ask(url, role, writes)
        found |= {call for call in writes if (now[call] == 0) != (before[call] == 0)}
    return found


def _few(calls: Sequence[Call]) -> list[Call]:
    """Return the calls that write, and the first ones of each query that reads."""
    numbers = Counter[str]()
    chosen = []
    for call in calls:
        numbers[call.query] += 1
        if call.is_write or numbers[call.query] <= EXAMPLES:
            chosen.append(call)
    return chosen


@contextmanager
def _running(traffic: Traffic) -> Iterator[None]:
    try:
        traffic.start()
        yield
    finally:
        traffic.stop()


def _run(connection: Connection, path: Path, traffic: Traffic, *, transactional: bool) -> str:
    """Run a file, with a pause after each statement that takes a lock, and return the error if it fails.

    If a deadlock ends it, run it again without traffic.
    """
    try:
        try:
            _execute(connection, path, traffic, transactional=transactional)
        except _DeadlockError:
            traffic.met.deadlocks.add("the migration")
            if not transactional:
                return "a deadlock ended it, and it cannot be run again as a whole"
            traffic.is_paused.set()
            traffic.settle()
            _execute(connection, path, None, transactional=transactional)
            traffic.is_paused.clear()
    except psycopg.Error as error:
        return explained(error)
    except CommandError as error:
        return error.message
    return ""


def _execute(connection: Connection, path: Path, traffic: Traffic | None, *, transactional: bool) -> None:
    if "backfill" in directives(path):
        for _ in batches_of(connection, path, MAX_BATCH):
            pass
        return
    try:
        if not transactional:
            for _, sql in statements(path.read_text(encoding="utf-8")):
                connection.execute(sql.encode())
            return
        with connection.transaction():
            held: set[tuple[int, str]] = set()
            for _, sql in statements(path.read_text(encoding="utf-8")):
                connection.execute(sql.encode())
                taken = {(oid, mode) for oid, mode, _ in locks_of(connection, connection)}
                if traffic and any(_is_blocking(mode) for _, mode in taken - held):
                    traffic.settle()
                held |= taken
    except psycopg.errors.DeadlockDetected as error:
        raise _DeadlockError from error


def _is_blocking(mode: str) -> bool:
    return MODES.index(MODE_NAMES[mode]) >= MODES.index(BLOCKING)


def _ask(url: str, role: str | None, calls: Sequence[Call], *, only_plan: bool = False) -> Answers:
    """Send each call as the service does, roll it back, and return the answers.

    With `only_plan`, PostgreSQL plans it and checks the rights: a new query may need an index of a later migration.
    """
    answers: Answers = {}
    late = 0
    with closing(open_session(url, role)) as connection:
        for call in calls:
            answers[call] = answer = _answer(connection, call, "EXPLAIN " if only_plan else "")
            late += isinstance(answer, str) and answer.startswith(CANCELED)
            connection.execute(SQL("SET statement_timeout = {}").format(Literal(time_limit(late))))
    return answers


def _types(connection: Connection, calls: Sequence[Call]) -> Types:
    """Return the types of each query's parameters and columns. A query that does not fit the schema has none."""
    types: Types = {}
    for name, text in {call.query: call.text for call in calls}.items():
        with suppress(psycopg.Error):
            connection.execute(f"PREPARE asked AS {text}".encode())
            types[name] = run(connection, "read_types", "review").fetchone() or ([], [])
            connection.execute("DEALLOCATE asked")
    return types


def _retyped(before: Types, after: Types) -> dict[tuple[str, str, str], set[str]]:
    """Return the queries of which a parameter or a column has a type that a client of before may not know."""
    found: dict[tuple[str, str, str], set[str]] = {}
    for name in before.keys() & after.keys():
        for verb, olds, news in zip(("take", "return"), before[name], after[name], strict=True):
            for old, new in zip(olds, news, strict=False):
                if old != new and breaks_clients(Type(old), Type(new)):
                    found.setdefault((verb, old, new), set()).add(name)
    return found


def _slowed(connection: Connection, url: str, role: str | None, calls: Sequence[Call]) -> Iterator[Slower]:
    """Yield the queries that read more as the role of the service than without row security, with both plans."""
    if role is None or not run(connection, "has_row_security", "review").fetchone():
        return
    with closing(open_session(url, role)) as session:
        for call in calls:
            if not call.is_write:
                with suppress(psycopg.Error):  # `_ask` tells of it
                    plans = [explain(each, call.text, call.arguments) for each in (connection, session)]
                    if is_worse(*plans, noise=NOISE):
                        yield call, plans[0], plans[1]


def _answer(connection: Connection, call: Call, prefix: str) -> int | str:
    try:
        connection.execute(f"PREPARE asked AS {call.text}".encode())
    except psycopg.Error as error:
        return explained(error)
    try:
        with connection.transaction(force_rollback=True):
            arguments = f" ({call.arguments})" if call.arguments else ""
            done = connection.execute(f"{prefix}EXECUTE asked{arguments}".encode()).rowcount
            connection.execute(AT_COMMIT)
            return done
    except psycopg.Error as error:
        return explained(error)
    finally:
        connection.execute("DEALLOCATE asked")


class _Check:
    """The project's checks of consistency, in a transaction in which the service has inserted, changed and deleted."""

    def __init__(
        self, connection: Connection, role: str | None, calls: Sequence[Call], one_in: int, since: datetime
    ) -> None:
        self._connection, self._role, self._one_in, self._since = connection, role, one_in, since
        self._writes = [call for call in calls if call.is_write]
        self.has_written = False  # when it last looked
        self.of_new_rows: set[str] = set()  # keys of the faults that rows of this transaction have

    def faults(self) -> dict[str, str] | None:
        """Return what the checks find, or None if there are none.

        The key of a fault is its text without numbers: a fault of before is the same fault with more rows. The key of a
        check is its name if the schema does not have what it reads, which can have several messages.
        """
        if not _checks():
            return None
        with self._connection.transaction(force_rollback=True):
            self.has_written = self._write(self._writes)
            found = self._find(self._one_in, self._since)
            new = self._find_new() if found else {}
        self.of_new_rows = self._of_writes(new) if new else set()
        return found

    def _of_writes(self, new: dict[str, str]) -> set[str]:
        """Return the keys of the faults that writes make. Other rows have another one, or an inserted row has it, too.

        An update can keep a fault of an earlier row: one of another column, which no trigger reads.
        """
        with self._connection.transaction(force_rollback=True):
            earlier = self._find(self._one_in, NEVER)
        with self._connection.transaction(force_rollback=True):
            self._write([call for call in self._writes if call.kind == "insert"])
            inserted = self._find_new()
        return (new.keys() - earlier.keys()) | inserted.keys()

    def _write(self, calls: Sequence[Call]) -> bool:
        """Send the calls as the service, and return whether they wrote a row."""
        connection = self._connection
        has_written = False
        if self._role:
            connection.execute(SQL("SET LOCAL ROLE {}").format(Identifier(self._role)))
        for call in calls:
            try:
                with connection.transaction():
                    connection.execute(f"PREPARE checked AS {call.text}".encode())
                    done = connection.execute(f"EXECUTE checked ({call.arguments})".encode())
                    connection.execute(AT_COMMIT)
                    has_written = has_written or done.rowcount > 0
            except psycopg.Error:  # `_ask` tells of it
                pass
            connection.execute("DEALLOCATE ALL")
        connection.execute("RESET ROLE")
        return has_written

    def _find(self, one_in: int, since: datetime) -> dict[str, str]:
        return {key: fault for path in _checks() for key, fault in self._run(path, one_in, since).items()}

    def _find_new(self) -> dict[str, str]:
        """Return the faults of the rows that this transaction has written."""
        [now] = self._connection.execute("SELECT now()").fetchone() or [self._since]
        return self._find(NO_EARLIER, now)

    def _run(self, path: Path, one_in: int, since: datetime) -> dict[str, str]:
        try:
            with self._connection.transaction():
                rows = run_text(self._connection, path.read_text(encoding="utf-8"), one_in=one_in, since=since)
                return {NUMBER.sub("n", fault): fault for (fault,) in rows}
        except psycopg.Error as error:
            if error.sqlstate not in NOT_THERE:
                raise
            return {path.stem: f"{path.stem}: {explained(error)}"}

    @staticmethod
    def lacking(faults: dict[str, str] | None) -> list[str]:
        """Return the keys of the checks for which the schema did not have what they read."""
        return [path.stem for path in _checks() if path.stem in (faults or {})]


def _checks() -> list[Path]:
    return sorted((current().sql / "review").glob(CHECKS))
