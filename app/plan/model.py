"""Model of a plan: migrations, statements, locks, and the tables that they use."""

from dataclasses import dataclass, field
from typing import Literal

from app.errors import ExitCode
from app.plan.live import LockHolder, Table

Operation = Literal["apply", "rollback"]


@dataclass(frozen=True)
class PlannedLock:
    """A lock that a statement takes, beyond those that the transaction has already."""

    relation: str  # a table, or an index that the statement names
    mode: str
    blocks: list[str]  # reads, writes, other DDL
    seconds: float | None  # from the statement's begin to the end of its transaction
    blockers: list[LockHolder]


@dataclass
class PlannedStatement:
    """One statement of a migration or rollback."""

    line: int
    sql: str
    seconds: float | None = None  # None: cannot tell
    measured: bool = False  # the estimate is that of a review of this very file
    locks: list[PlannedLock] = field(default_factory=list)
    work: list[str] = field(default_factory=list)  # in words
    waits_for: list[LockHolder] = field(default_factory=list)  # transactions: CONCURRENTLY waits for their end
    unknown: str = ""  # why the plan cannot tell everything
    conditional: bool = False  # it is a DO block: some of the locks and the work may not happen


@dataclass
class PlannedMigration:
    """One migration or rollback, with what its rollback would lose now."""

    id: str
    title: str
    transactional: bool
    backfill: str = ""  # the table whose rows it writes in batches
    rows_done: int = 0  # of a backfill that was begun
    rows_expected: int = 0
    stops: str = ""  # why the command would stop at it
    phase: str = "expand"
    seconds: float | None = None
    statements: list[PlannedStatement] = field(default_factory=list)
    loses: str = ""  # of the rollback's header
    rows_to_lose: int | None = None  # now; None: nothing is counted, or it cannot be counted
    irreversible: str | None = None

    @property
    def unknown(self) -> list[str]:
        """Return why the plan cannot tell everything."""
        return list(dict.fromkeys(f"{self.id}: {each.unknown}" for each in self.statements if each.unknown))


@dataclass
class Plan:
    """The plan, in the order of execution."""

    operation: Operation
    migrations: list[PlannedMigration]
    tables: dict[str, Table]  # those that a statement locks or works on
    problems: list[str]  # nothing runs while there is one
    running: str | None  # the migrator that is running now
    waiting: list[str] = field(default_factory=list)  # migrations that another command applies, with the reason

    @property
    def exit_code(self) -> ExitCode:
        """Return ACTION_NEEDED if there is something to do, or if something is wrong."""
        return ExitCode.ACTION_NEEDED if self.migrations or self.problems else ExitCode.DONE
