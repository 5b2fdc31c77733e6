"""Verification of derived rows, `schema verify`: runs the checks of sql/verify/ range by range, and repairs.

A check NAME.sql names its table with `-- table: TABLE`, and takes a range of the table's key as a backfill does. It
returns how many faults are in the range, and one of them as text. It is one statement, so it sees one moment of all
tables. NAME.repair.sql takes the same range, and repairs it in one transaction.
"""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from psycopg.errors import DeadlockDetected, DuplicateTable, LockNotAvailable, UniqueViolation

from app.errors import CommandError, ExitCode
from app.migrations.backfill_batches import Plan, execute, find_range, plan_of
from app.migrations.backfill_statement import RANGE, range_columns
from app.migrations.connection import Connection, run
from app.project import current
from app.schema.files import read_own
from app.schema.headers import purpose
from app.schema.statements import split_statements

FOLDER = "verify"
TABLE = re.compile(r"^-- table: (.+)$", re.MULTILINE)
ROWS = 2_000  # of the table, in one range
PENDING_HINT = "apply the pending migrations: yoyo apply. If there are none, correct the file of the check"
LOCK_WAIT = 60.0  # seconds that a check waits for a lock, such as that of a migration


@dataclass
class Check:
    """One check of the project, and what it has found so far."""

    name: str
    purpose: str
    plan: Plan
    repairs: Sequence[str] = ()  # the statements of its repair
    rows: int = 0
    faults: int = 0
    repaired: int = 0
    example: str | None = None  # one of the faults
    seconds: float = 0.0

    @property
    def left(self) -> int:
        """Return how many faults were not repaired."""
        return self.faults - self.repaired


def prepare(connection: Connection) -> list[Check]:
    """Return the checks of the project, and create the table of their results. Raises CommandError."""
    paths = sorted(path for path in (current().sql / FOLDER).glob("*.sql") if "." not in path.stem)
    checks = [_read(connection, path) for path in paths]
    if checks and not _has_table(connection):
        with suppress(DuplicateTable, UniqueViolation), connection.transaction():  # another run creates it
            run(connection, "create_checks")
    return checks


def _has_table(connection: Connection) -> bool:
    return bool((run(connection, "has_checks").fetchone() or [False])[0])


def _read(connection: Connection, path: Path) -> Check:
    text = read_own(path)
    table, statements = TABLE.search(text), split_statements(text)
    columns = range_columns(statements[0].parse()) if len(statements) == 1 else None
    if not table or not columns:
        shown = current().shown(path)
        raise CommandError(
            f"{shown} is not a check: it needs `-- table: TABLE`, and one statement with one range of the key.",
            RANGE,
            ExitCode.ACTION_NEEDED,
        )
    try:
        plan = plan_of(connection, path, table[1].strip(), statements[0].text, columns)
    except CommandError as error:
        if error.exit_code != ExitCode.ACTION_NEEDED:  # PostgreSQL is silent
            raise
        raise CommandError(error.message, PENDING_HINT) from error
    if plan is None:
        raise CommandError(f"{path.stem}: there is no table {table[1].strip()}.", PENDING_HINT)
    repair = path.with_suffix(".repair.sql")
    repairs = split_statements(read_own(repair)) if repair.exists() else []
    return Check(path.stem, purpose(text), plan, [each.text for each in repairs])


def verify(
    connection: Connection, check: Check, names: Sequence[str], advance: Callable[[int], None], *, repairs: bool
) -> None:
    """Run a check over its table, and record the result. If it `repairs`, repair each range with faults.

    Rows that are inserted at the end of the table meanwhile are not checked. Raises psycopg.Error.
    """
    began = monotonic()
    first, last = (execute(connection, query).fetchone() for query in (check.plan.first_key, check.plan.last_key))
    position = first and first[0]
    while position and last:
        rows, end, following = find_range(connection, check.plan, position, last[0], ROWS)
        if rows:
            _verify_range(connection, check, [*position, *end], repairs=repairs)
        check.rows += rows
        advance(rows)
        position = following
    check.seconds = monotonic() - began
    run(
        connection,
        "record_check",
        names=list(names),
        name=check.name,
        table_name=check.plan.table,
        seconds=check.seconds,
        rows_checked=check.rows,
        faults=check.faults,
        repaired=check.repaired,
    )


def _verify_range(connection: Connection, check: Check, ends: list[str], *, repairs: bool) -> None:
    faults, example = _find(connection, check, ends)
    check.faults += faults
    check.example = check.example or example
    if faults and repairs and check.repairs:
        with suppress(LockNotAvailable, DeadlockDetected):  # the rows are in use, and stay as they are
            _repair(connection, check, ends)
            check.repaired += max(0, faults - _find(connection, check, ends)[0])


def _find(connection: Connection, check: Check, ends: list[str]) -> tuple[int, str | None]:
    with connection.transaction():
        run(connection, "prepare_batch")
        row = execute(connection, check.plan.sql, ends).fetchone()
    return (row[0], row[1]) if row else (0, None)


def _repair(connection: Connection, check: Check, ends: list[str]) -> None:
    with connection.transaction():
        run(connection, "limit_repair")
        run(connection, "prepare_batch")
        for statement in check.repairs:
            execute(connection, statement, ends if "$" in statement else ())
