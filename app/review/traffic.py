"""Traffic for a trial: sessions that send the queries of the service, with the examples of their headers."""

import re
import time
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from threading import Event, Lock, Thread

import psycopg
from pglast import ast
from pglast.parser import ParseError
from psycopg.sql import SQL, Identifier, Literal

from app.lint.nodes import walk
from app.migrations.connection import Connection, run
from app.review.plans import MAX_TIME
from app.review.scratch import connect
from app.schema.headers import examples
from app.schema.statements import split_statements
from app.text import one_line

SESSIONS = 4  # that write. One more reads
POLL_INTERVAL = 0.005  # seconds
CYCLES = 2  # that a session completes until it counts as undisturbed: the first may have begun before
MAX_WAIT = 60  # seconds of a statement beside the migration, which may have to wait for its locks
MAX_PAUSE = 5.0  # seconds, if a session neither completes its cycles nor waits for a lock
# Row numbers in an example: those that end a text that md5() or sha256() hashes, as in sql/review/fill_TABLE.sql.
NUMBER = re.compile(r"(?<=(?:5\('|6\('))([^']*?)(\d+)(?=')")
WRITES = (ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt)
DEADLOCK = "40P01"
STALE_PLAN = "0A000"  # "cached plan must not change result type": a driver prepares the query again


@dataclass(frozen=True)
class Call:
    """One query with one example of its parameters."""

    query: str  # its name
    words: str  # of the example
    text: str
    arguments: str
    kind: str  # "insert", "update", "delete", "merge", or "read"

    @property
    def is_write(self) -> bool:
        """Return whether the query writes by its own statement, and not only by functions that it calls."""
        return self.kind != "read"

    @property
    def is_numbered(self) -> bool:
        """Return whether the example names a row by its number, so that it can name another one."""
        return NUMBER.search(self.arguments) is not None

    def of_row(self, number: int) -> str:
        """Return the arguments for another row."""
        return NUMBER.sub(rf"\g<1>{number}", self.arguments)


def calls_of(queries: dict[str, str]) -> list[Call]:
    """Return the calls of queries, with those that insert first and those that delete last."""
    calls = [
        Call(name, words, text, arguments, _kind(text))
        for name, text in queries.items()
        for words, arguments in examples(text)
        if arguments or "$1" not in text
    ]
    return sorted(calls, key=lambda call: ("read", "insert", "update", "merge", "delete").index(call.kind))


def _kind(text: str) -> str:
    with suppress(ParseError):
        for statement in split_statements(text):
            for node in walk(statement.parse()):  # also in a WITH
                if isinstance(node, WRITES):
                    return type(node).__name__.removesuffix("Stmt").lower()
    return "read"


@dataclass
class Wait:
    """The longest time that a statement took."""

    query: str = ""
    milliseconds: float = 0.0


@dataclass
class Met:
    """Events of the sessions during one direction of a migration."""

    statements: int = 0
    longest_read: Wait = field(default_factory=Wait)
    longest_write: Wait = field(default_factory=Wait)
    errors: dict[str, set[str]] = field(default_factory=dict)  # SQLSTATE and message: names of queries
    deadlocks: set[str] = field(default_factory=set)  # the queries, and "the migration", that a deadlock ended


class Session(Thread):
    """Session that sends its calls in turn until it is stopped. Each call names another row."""

    def __init__(self, traffic: "Traffic", number: int, calls: Sequence[Call], *, is_awaited: bool) -> None:
        super().__init__(daemon=True)
        self.calls = calls
        self.cycles = 0
        self.is_awaited = is_awaited  # by a pause of the trial
        self.process = 0
        self.is_idle = False
        self.failure: BaseException | None = None
        self._traffic = traffic
        self._row = traffic.first_row + number
        self._prepared: set[Call] = set()
        self._connection: Connection | None = None

    def cancel(self) -> None:
        """End the statement that runs."""
        if self._connection:
            with suppress(psycopg.Error):
                self._connection.cancel_safe()

    def run(self) -> None:
        """Send the calls."""
        try:
            with closing(open_session(self._traffic.url, self._traffic.role, MAX_WAIT)) as connection:
                self._connection = connection
                self.process = connection.info.backend_pid
                while not self._traffic.is_stopping.is_set():
                    self.is_idle = self._traffic.is_paused.is_set()
                    if self.is_idle:
                        time.sleep(POLL_INTERVAL)
                        continue
                    for call in self.calls:
                        if self._traffic.is_stopping.is_set():
                            return
                        self._row += len(self._traffic.sessions)
                        self._send(connection, call)
                    self.cycles += 1
        except psycopg.Error as error:
            self.failure = error

    def _send(self, connection: Connection, call: Call) -> None:
        began = time.perf_counter()
        try:
            try:
                self._execute(connection, call)
            except psycopg.Error as error:
                self._prepared.discard(call)
                if error.sqlstate != STALE_PLAN:
                    raise
                self._execute(connection, call)
        except psycopg.Error as error:
            if connection.closed:
                raise
            self._traffic.record_error(call, error)
        self._traffic.record_time(call, began, time.perf_counter())

    def _execute(self, connection: Connection, call: Call) -> None:
        name = f"call_{self.calls.index(call)}"
        if call not in self._prepared:
            with suppress(psycopg.errors.InvalidSqlStatementName):
                connection.execute(SQL("DEALLOCATE {}").format(Identifier(name)))
            connection.execute(f"PREPARE {name} AS {call.text}".encode())
            self._prepared.add(call)
        arguments = call.of_row(self._row)
        execute = (f"EXECUTE {name} ({arguments})" if arguments else f"EXECUTE {name}").encode()
        # Without a row number, a query would change the same row again and again, for which later calls look.
        if not call.is_numbered:
            with connection.transaction(force_rollback=True):
                connection.execute(execute)
        else:
            connection.execute(execute)


class Traffic:
    """Sessions of the service on a database, while something else changes its schema."""

    def __init__(self, url: str, role: str | None, calls: Sequence[Call], first_row: int) -> None:
        self.url, self.role, self.first_row = url, role, first_row
        self.is_stopping, self.is_paused = Event(), Event()
        self.met = Met()
        self._has_begun = False
        self._known_errors: set[tuple[str, str | None]] = set()  # query and SQLSTATE, from before
        self._lock = Lock()
        self._pauses: list[tuple[float, float]] = []
        writes = [call for call in calls if call.is_write]
        reads = list({call.query: call for call in reversed(calls) if not call.is_write}.values())
        shares = [writes[number:] + writes[:number] for number in range(SESSIONS)] if writes else []
        self.sessions: list[Session] = []
        for number, share in enumerate([*shares, reads]):
            if share:
                self.sessions.append(Session(self, number, share, is_awaited=share is not reads or not shares))

    def start(self) -> None:
        """Start the sessions, and return when each has sent all its calls."""
        for session in self.sessions:
            session.start()
        self.settle()
        self.begin()

    def begin(self) -> None:
        """Forget what was met so far."""
        with self._lock:
            self.met = Met()
            self._pauses.clear()
            self._has_begun = True

    def stop(self) -> None:
        """End the sessions. Raises psycopg.Error if one failed."""
        self.is_stopping.set()
        for session in self.sessions:
            if session.is_alive():
                session.join(MAX_PAUSE)
            while session.is_alive():  # a query that needs the index of a later migration
                session.cancel()
                session.join(MAX_PAUSE)
        for session in self.sessions:
            if session.failure:
                raise session.failure

    def settle(self) -> None:
        """Return when each session that writes has sent all its calls, or waits for a lock, or is paused."""
        began = time.perf_counter()
        first = {session: session.cycles for session in self.sessions}
        waited: dict[Session, int] = {}  # cycles when it was last seen waiting
        with closing(connect(self.url)) as connection:
            while time.perf_counter() - began < MAX_PAUSE:
                waiting = {
                    process
                    for (process,) in run(
                        connection,
                        "find_waiting",
                        "review",
                        processes=[session.process for session in self.sessions],
                    )
                }
                left = []
                for session in (session for session in self.sessions if session.is_awaited):
                    is_waiting = session.process in waiting
                    is_done = session.is_idle or not session.is_alive() or session.cycles >= first[session] + CYCLES
                    if not is_done and not (is_waiting and waited.get(session) == session.cycles):
                        left.append(session)
                    if is_waiting:
                        waited[session] = session.cycles
                if not left:
                    break
                time.sleep(POLL_INTERVAL)
        with self._lock:
            self._pauses.append((began, time.perf_counter()))

    def record_error(self, call: Call, error: psycopg.Error) -> None:
        """Record that a call failed, unless it failed in this way before the migration too."""
        with self._lock:
            if self.is_stopping.is_set():
                pass
            elif not self._has_begun:
                self._known_errors.add((call.query, error.sqlstate))
            elif (call.query, error.sqlstate) in self._known_errors:
                pass
            elif error.sqlstate == DEADLOCK:
                self.met.deadlocks.add(call.query)
            else:
                self.met.errors.setdefault(explained(error), set()).add(call.query)

    def record_time(self, call: Call, began: float, ended: float) -> None:
        """Record the time of a call, without that in which the trial itself waited."""
        with self._lock:
            pauses = sum(max(0.0, min(ended, last) - max(began, first)) for first, last in self._pauses)
            took = (ended - began - pauses) * 1000
            longest = self.met.longest_write if call.is_write else self.met.longest_read
            self.met.statements += 1
            if took > longest.milliseconds:
                longest.query, longest.milliseconds = call.query, took


def explained(error: psycopg.Error) -> str:
    """Return the SQLSTATE and the message of an error."""
    message = error.diag.message_primary or str(error)
    return f"{error.sqlstate}: {one_line(message)}" if error.sqlstate else one_line(message)


def open_session(url: str, role: str | None, limit: float = MAX_TIME) -> Connection:
    """Connect as the service does. `role` is its role, or None for that of the review. `limit` is in seconds."""
    connection = connect(url)
    with suppress(psycopg.errors.InsufficientPrivilege):
        connection.execute("SET deadlock_timeout = '50ms'")
    connection.execute(SQL("SET statement_timeout = {}").format(Literal(f"{limit * 1000:.0f}ms")))
    if role:
        connection.execute(SQL("SET ROLE {}").format(Identifier(role)))
    return connection


def first_free_row(calls: Iterable[Call]) -> int:
    """Return the first row number that no example names."""
    return max((int(match[2]) for call in calls for match in NUMBER.finditer(call.arguments)), default=0) + 1
