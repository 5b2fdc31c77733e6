"""Blockers: the sessions and prepared transactions that block the statement of the running migrator, in words.

The migrator, `schema status` and GET /v1/schema read sql/queries/find_blockers.sql, each with its own driver.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from app.schema.history import statement_words

MAX_NAMED = 3  # blockers in one line
HIDDEN = "its statement is hidden from this role, GRANT pg_monitor shows it"


@dataclass(frozen=True)
class Blocker:
    """One blocker: a row of find_blockers.sql, in the order of its columns."""

    process: int | None  # None: a prepared transaction
    gid: str | None  # of a prepared transaction
    program: str  # application_name
    kind: str  # backend_type, or "prepared transaction"; "" if this role may not know
    other_database: str | None  # None: the migrator's own
    mode: str | None  # of its lock; None if it has just released it
    object: str | None  # target of the lock; None: its transaction
    holds: bool  # False: it queues for the lock in front of the migrator
    behind: Sequence[int] | None  # the processes that it waits for
    state: str | None  # None if this role may not know
    transaction_seconds: float | None  # its age
    query_seconds: float | None
    statement: str
    total: int  # how many blockers there are

    def __str__(self) -> str:
        parts = [f"{self._who} {self._lock}"]
        if self.behind:
            parts[0] += f" behind process {', '.join(map(str, self.behind))}"
        if self.state and self.state.startswith("idle"):
            parts.append(f"{self.state} for {self.query_seconds or 0:.0f} s")
        if self.transaction_seconds is not None:
            parts.append(f"its transaction open for {self.transaction_seconds:.0f} s")
        if self.state == "active" and self.query_seconds is not None:
            parts.append(f"its query for {self.query_seconds:.0f} s")
        if self.process is not None:
            parts.append(HIDDEN if self.is_hidden else f"at: {statement_words(self.statement)}")
        return ", ".join(parts)

    @property
    def is_hidden(self) -> bool:
        """Return whether this role may not see what the session does."""
        return self.process is not None and self.statement == "<insufficient privilege>"

    @property
    def prevents_wraparound(self) -> bool:
        """Return whether this is an autovacuum to prevent wraparound, which does not give way to other sessions."""
        return self.kind == "autovacuum worker" and "(to prevent wraparound)" in self.statement

    @property
    def is_endable(self) -> bool:
        """Return whether it is a session that an operator may end."""
        return self.gid is None and self.kind != "autovacuum worker" and not self.behind

    @property
    def advice(self) -> str:
        """Return what to do about it."""
        if self.gid is not None:
            literal = self.gid.replace("'", "''")
            where = f" in database {self.other_database}" if self.other_database else ""
            return f"end the prepared transaction{where}: ROLLBACK PREPARED '{literal}', or COMMIT PREPARED '{literal}'"
        if self.prevents_wraparound:
            return "let that autovacuum finish, because it begins again if it is ended. Then run the command again"
        if self.kind == "autovacuum worker":
            return "run the command again: this autovacuum gives way by itself"
        if self.behind:
            return f"process {self.process} waits itself. Look at the whole queue: psql -f sql/inspect/blocking.sql"
        return f"wait until it ends, or end it if its program forgot it: SELECT pg_terminate_backend({self.process})"

    @property
    def _who(self) -> str:
        if self.process is None:
            return f"prepared transaction '{self.gid}'"
        name = self.program or ("no application_name" if self.kind in ("", "client backend") else self.kind)
        if self.kind == "autovacuum worker":
            name = "autovacuum to prevent wraparound" if self.prevents_wraparound else "autovacuum, which gives way"
        where = f", database {self.other_database}" if self.other_database else ""
        return f"process {self.process} ({name}{where})"

    @property
    def _lock(self) -> str:
        if self.mode is None:
            return "holds the lock"
        if not self.holds:
            return f"waits in front for {self.mode} on {self.object or 'a transaction'}"
        return f"holds {self.mode} on {self.object}" if self.object else "has a transaction that must end first"


def advice(blockers: Sequence[Blocker]) -> str:
    """Return what to do about the oldest blockers, in one line. Sessions that can be ended share one statement."""
    endable = [each for each in blockers[:MAX_NAMED] if each.is_endable]
    lines = [each.advice for each in blockers[:MAX_NAMED] if not each.is_endable]
    if len(endable) == 1:
        lines.insert(0, endable[0].advice)
    elif endable:
        calls = ", ".join(f"pg_terminate_backend({each.process})" for each in endable)
        lines.insert(0, f"wait until they end, or end those that their programs forgot: SELECT {calls}")
    return ". Then ".join(dict.fromkeys(lines))


def in_words(blockers: Sequence[Blocker]) -> str:
    """Return the oldest blockers in one line, and the number of the others. Return "" if there are none."""
    words = "; ".join(map(str, blockers[:MAX_NAMED]))
    more = blockers[0].total - MAX_NAMED if blockers else 0
    return f"{words}, and {more:,} more: psql -f sql/inspect/blocking.sql" if more > 0 else words
