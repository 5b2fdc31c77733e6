"""Live state for a plan: rows, size and traffic of each table, and the sessions that hold locks now."""

import time
from collections.abc import Iterable
from dataclasses import dataclass

from app.migrations.connection import Connection, run
from app.review.measure import MODE_NAMES
from app.review.work_clock import measure_speed
from app.schema.blockers import HIDDEN
from app.text import one_line

# The modes that conflict with each mode: the table of PostgreSQL's manual ("Explicit Locking").
CONFLICTS = {
    "ACCESS SHARE": {"ACCESS EXCLUSIVE"},
    "ROW SHARE": {"EXCLUSIVE", "ACCESS EXCLUSIVE"},
    "ROW EXCLUSIVE": {"SHARE", "SHARE ROW EXCLUSIVE", "EXCLUSIVE", "ACCESS EXCLUSIVE"},
    "SHARE UPDATE EXCLUSIVE": {
        "SHARE UPDATE EXCLUSIVE",
        "SHARE",
        "SHARE ROW EXCLUSIVE",
        "EXCLUSIVE",
        "ACCESS EXCLUSIVE",
    },
    "SHARE": {"ROW EXCLUSIVE", "SHARE UPDATE EXCLUSIVE", "SHARE ROW EXCLUSIVE", "EXCLUSIVE", "ACCESS EXCLUSIVE"},
    "SHARE ROW EXCLUSIVE": set(MODE_NAMES.values()) - {"ACCESS SHARE", "ROW SHARE"},
    "EXCLUSIVE": set(MODE_NAMES.values()) - {"ACCESS SHARE"},
    "ACCESS EXCLUSIVE": set(MODE_NAMES.values()),
}
MAX_QUERY = 60  # characters of a blocker's statement
PASSING = 1.0  # seconds: a transaction that is younger is not a reason to wait
REFERENCE = 0.008  # seconds of measure_speed.sql on the machine of the costs in app/plan/estimate.py


@dataclass(frozen=True)
class Table:
    """A table now: a row of read_relations.sql."""

    name: str
    rows: int  # estimated
    table_bytes: int  # with TOAST
    index_bytes: int | None  # None: it is locked
    reads: int  # scans since the statistics were reset
    writes: int  # rows
    seconds: float | None  # since then; None: since the database was created
    triggers: int = 0  # that a write fires


@dataclass(frozen=True)
class LockHolder:
    """A session or a prepared transaction that holds a lock, or queues for it: a row of find_lock_holders.sql."""

    relation: str | None  # None: a session that has a snapshot
    mode: str
    granted: bool  # False: it queues for the lock, and so do later sessions behind it
    process: int | None
    gid: str | None  # of a prepared transaction
    application: str
    state: str
    seconds: float | None  # that its transaction is open; None if this role may not know
    query: str

    def __str__(self) -> str:
        since = f", its transaction open for {self.seconds:,.0f} s" if self.seconds is not None else ""
        holds = " has a transaction open"
        if self.relation:
            holds = f" {'holds' if self.granted else 'waits for'} {self.mode} on {self.relation}"
        if self.gid is not None:
            gid = self.gid.replace("'", "''")
            return f"prepared transaction '{gid}'{holds}{since}: ROLLBACK PREPARED or COMMIT PREPARED ends it"
        statement = f": {self.query}" if self.query else ""
        if self.query == "<insufficient privilege>":
            statement = f", {HIDDEN}"
        state = f", {self.state}" if self.state else ""
        name = self.application or "no application_name"
        return f"process {self.process} ({name}){holds}{state}{since}{statement}"


@dataclass(frozen=True)
class Live:
    """The tables and the locks of a database at one moment."""

    version: int  # of PostgreSQL
    tables: dict[str, Table]
    holders: list[LockHolder]
    slowness: float = 1.0  # of the server's machine now: see measure_slowness()

    def rows(self, table: str) -> int:
        """Return the rows of a table, or 0 if it does not exist."""
        return self.tables[table].rows if table in self.tables else 0

    def blockers(self, relation: str, mode: str) -> list[LockHolder]:
        """Return the sessions for which a lock on a table or index in this mode would wait."""
        return _each_once(each for each in self.holders if each.relation == relation and each.mode in CONFLICTS[mode])

    def writers(self, table: str) -> list[LockHolder]:
        """Return the transactions that have written the table, or any if it is "": batches would wait for them."""
        tables = {table} if table else self.tables
        return _each_once(
            each for each in self.holders if each.relation in tables and each.mode == "ROW EXCLUSIVE" and each.granted
        )

    def users(self, relation: str, mode: str) -> list[LockHolder]:
        """Return the transactions with a lock on a table that conflicts with this mode."""
        return [each for each in self.blockers(relation, mode) if each.granted]

    def snapshots(self) -> list[LockHolder]:
        """Return the sessions with a snapshot."""
        return [each for each in self.holders if each.relation is None]


def read_live(connection: Connection) -> Live:
    """Read tables and locks. Raises psycopg.Error."""
    tables = {row[0]: Table(*row) for row in run(connection, "read_relations").fetchall()}
    holders = []
    for relation, mode, granted, *session in run(connection, "find_lock_holders"):
        process, gid, application, state, seconds, query = session
        text = one_line("\n".join(line for line in (query or "").splitlines() if not line.lstrip().startswith("--")))
        name = MODE_NAMES.get(mode or "", "")
        if relation is None or name:
            holders.append(
                LockHolder(
                    relation, name, granted, process, gid, application or "", state or "", seconds, text[:MAX_QUERY]
                )
            )
    return Live(connection.info.server_version // 10000, tables, _without_passing(connection, holders))


def measure_slowness(connection: Connection) -> float:
    """Return how many times slower the server is now than the machine of the costs in app/plan/estimate.py."""
    return measure_speed(connection) / REFERENCE


def _each_once(holders: Iterable[LockHolder]) -> list[LockHolder]:
    """Return one lock of each session, and one that it holds if there is one."""
    return list({(each.process, each.gid): each for each in sorted(holders, key=lambda each: each.granted)}.values())


def _without_passing(connection: Connection, holders: list[LockHolder]) -> list[LockHolder]:
    """Return the holders without those whose age is hidden from this role, and whose transaction soon ends.

    Such transactions are those of the service, which last milliseconds.
    """
    if all(each.seconds is not None or each.process is None for each in holders):
        return holders
    before = {tuple(row) for row in run(connection, "find_open_transactions")}
    time.sleep(PASSING)
    stay = {process for process, _ in before & {tuple(row) for row in run(connection, "find_open_transactions")}}
    return [each for each in holders if each.seconds is not None or each.process is None or each.process in stay]
