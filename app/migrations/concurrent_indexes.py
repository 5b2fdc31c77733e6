"""CREATE INDEX CONCURRENTLY: repair an interrupted build. It left an INVALID index, or a valid one without a record."""

import re

from yoyo.migrations import Migration

from app.errors import CommandError
from app.migrations.connection import run
from app.migrations.migrator import DONE, Migrator

BUILD = re.compile(r"^\s*CREATE\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\s+(\w+)\s+ON\s", re.IGNORECASE)


def repair_index(migrator: Migrator, migration: Migration, operation: str) -> bool:
    """Repair what an interrupted build left, and return whether its index exists already and is valid.

    An INVALID index is dropped by the statement that reverses this one. If the index is valid and has the definition of
    this statement, only its record is missing. Any other statement returns False.

    Raises CommandError if another index has the name.
    """
    step = migration.steps[0].step
    sql, reverse = {"apply": (step._apply, "rollback"), "rollback": (step._rollback, "apply")}[operation]
    name = built_by(sql or "")
    row = name and run(migrator.connection, "find_index", name=name).fetchone()
    if not row:
        return False
    is_valid, definition = row
    if not is_valid:
        migrator.report(f"{migration.id}: dropping the INVALID index {name} that an interrupted build left")
        migration.process_steps(migrator, reverse)
        return False
    if not same(sql, definition):
        raise CommandError(
            f"{migration.id} was not {DONE[operation]}: another index has the name {name}: {definition}.",
            "drop or rename that index",
        )
    migrator.report(f"{migration.id}: the index {name} exists already and is valid")
    return True


def built_by(sql: str) -> str | None:
    """Return the name of the index that the statement builds. Return None for any other statement."""
    match = BUILD.match(sql)
    return match and match[1]


def same(sql: str, definition: str) -> bool:
    """Return whether the statement would build an index with this definition, as pg_get_indexdef() writes it."""
    return _bare(sql) == _bare(definition)


def _bare(definition: str) -> str:
    """Return the definition without what PostgreSQL adds or leaves out: CONCURRENTLY, schemas, the default method.

    Blanks, double quotes, and semicolons go too. Single quotes go only from numbers: PostgreSQL writes WITH (a = 1) as
    WITH (a='1').
    """
    text = re.sub(r'--[^\n]*|"', " ", definition.lower())
    text = re.sub(r"\bconcurrently\b|\busing\s+btree\b|\b\w+\.(?=\w)", " ", text)
    return re.sub(r"[\s;]+|'(?=\d+')|(?<=\d)'", "", text)
