"""Restored dump without yoyo's tables: say how to record the migrations that the schema has."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from app.errors import CommandError, ExitCode
from app.migrations.connection import RESTORE, Connection
from app.migrations.dump import inspect
from app.program import SCHEMA
from app.project import current
from app.schema.drift import drift
from app.schema.files import read_own

TABLE = re.compile("(table [^:]+): ")
LOST = (
    "the database has tables of this project, but no history. If a dump was restored without yoyo's tables, "
    f"{RESTORE}. Or record what it has: yoyo mark -r NAME. Then compare: {SCHEMA} status"
)


@contextmanager
def known_version() -> Iterator[None]:
    """Raise CommandError if yoyo does not know the version of its own tables, for which it has only an assertion."""
    try:
        yield
    except AssertionError as error:
        raise CommandError(
            "_yoyo_version has no version, or one that this yoyo does not know.",
            f"if a newer yoyo wrote it, use that yoyo. If a dump was restored without its rows, {RESTORE}",
        ) from error


@contextmanager
def without_history(connection: Connection) -> Iterator[None]:
    """Run the first migration on a database without a history. Raises CommandError if its schema is complete already.

    If it has several tables of this project, a failure of the block gets a hint about a restored dump.
    """
    tables, is_complete = _find_tables(connection)
    if is_complete:
        raise CommandError(
            "nothing was done: the database has the schema of this release, but not its history.",
            f"if a dump was restored without yoyo's tables, {RESTORE}. Or record the migrations: yoyo mark --all",
            ExitCode.ACTION_NEEDED,
        )
    try:
        yield
    except CommandError as error:
        if len(tables) > 1:
            error.hint = LOST
        raise


def explain_lost_history(connection: Connection) -> str:
    """Return what to do if a database without a history has tables of this project. Return "" if there are none.

    One table can be that of an ORM, which is adopted.
    """
    tables, is_complete = _find_tables(connection)
    return LOST if is_complete or len(tables) > 1 else ""


def _find_tables(connection: Connection) -> tuple[list[str], bool]:
    """Return the tables that the schema file has too, and whether the whole schema is that of the file."""
    lines = inspect(connection, comments=True)
    expected = read_own(current().schema_file) if current().schema_file.exists() else ""
    tables = [match[1] for line in lines if (match := TABLE.match(line)) and f"-- {match[1]}: " in expected]
    return tables, bool(tables) and not drift(lines)
