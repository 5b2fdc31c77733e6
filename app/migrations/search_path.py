"""Search path of the migrator: reject one that would split an installation over two schemas, or hide one."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from app.errors import CommandError
from app.migrations.connection import RESTORE, SEARCH_PATH, Connection, run
from app.project import current
from app.schema.files import read_own

HISTORY = "_yoyo_migration"
COLUMN = re.compile(r"^-- column (.+)\.(.+?): ", re.MULTILINE)  # in schema.sql


@dataclass(frozen=True)
class _Found:
    """A table of this project, or yoyo's history: a row of find_installations.sql."""

    schema: str
    table: str
    here: str  # the schema that new tables go to
    can_read: bool
    is_chosen: bool  # the URL sets the search_path
    columns: Sequence[str]

    @property
    def is_here(self) -> bool:
        return self.schema == self.here


def reject_other_schema(connection: Connection) -> None:
    """Raise CommandError if the project has tables in another schema than the one that new tables would go to.

    Raise it too if one of the migrator's own tables is that of another program, or is incomplete.

    Then half of the statements would use one schema, and half the other. "$user" in a search_path can cause this. A
    search_path that leads to no schema would find no table, and an installed database would look like a new one.
    """
    tables = list(current().tables)
    if row := run(connection, "find_schemas", tables=tables).fetchone():
        schema, found, table = row
        if schema is None:
            raise CommandError(
                "the search_path leads to no schema for tables that this role may use.",
                f"set the search_path to the schema of the tables: {SEARCH_PATH}",
            )
        raise _elsewhere(schema, found, f"the table {table}" if table in tables else "an installation")
    if row := run(connection, "find_foreign_tables").fetchone():
        table, lacks, beside = row
        if lacks == "":
            raise CommandError(
                f"the database has {beside} without {table}.",
                f"if a dump was restored without all of yoyo's tables, {RESTORE}",
            )
        what = f"has no column {lacks}" if lacks else "is not a table"
        raise CommandError(
            f"{table} is not yoyo's: it {what}.",
            f"if it belongs to another program, rename it, or use another schema: {SEARCH_PATH}",
        )
    _reject_hidden(connection, tables)


def _elsewhere(schema: str, found: str, what: str, otherwise: str = "") -> CommandError:
    return CommandError(
        f"the search_path leads to schema {schema}, but schema {found} has {what}.",
        f"set the search_path to one of them: {SEARCH_PATH}{otherwise}",
    )


def _reject_hidden(connection: Connection, tables: Collection[str]) -> None:
    """Raise CommandError if a schema outside of the search_path has this project, and the schema of new tables has not.

    A second installation is possible beside a complete one, if the URL itself sets the search_path.
    """
    found = [_Found(*row) for row in run(connection, "find_installations", tables=list(tables))]
    here = {each.table for each in found if each.is_here}
    has_tables, has_history = bool(here - {HISTORY}), HISTORY in here
    if has_history and (has_tables or not tables):
        return
    for schema in sorted({each.schema for each in found if not each.is_here}):
        there = [each for each in found if each.schema == schema]
        like = [each.table for each in there if each.table != HISTORY and _is_like_ours(each)]
        is_installed = any(each.table == HISTORY and _is_ours(connection, each) for each in there)
        if has_tables and (like or not is_installed):  # the tables here are to be adopted
            continue
        new = there[0].here
        if has_tables:
            move = f". Then move yoyo's tables there: ALTER TABLE ... SET SCHEMA {new}"
            raise _elsewhere(new, schema, "their history", move)
        if is_installed and not there[0].is_chosen:
            raise _elsewhere(new, schema, "an installation")
        if like and not is_installed:
            rename = f". If the table {schema}.{like[0]} is not for this project, rename it"
            raise _elsewhere(new, schema, f"the table {like[0]}", rename)


def _is_like_ours(found: _Found) -> bool:
    """Return whether half of a table's columns are in schema.sql. Other programs can have a table of the same name."""
    file = current().schema_file
    columns = COLUMN.findall(read_own(file)) if file.exists() else []
    expected = {column for table, column in columns if table == found.table}
    return not expected or 2 * len(expected.intersection(found.columns)) >= max(len(found.columns), 1)


def _is_ours(connection: Connection, history: _Found) -> bool:
    """Return whether the history has migrations of this project, as far as this role may read it."""
    if not history.can_read or "migration_id" not in history.columns:
        return False
    ids = [path.stem for path in current().migrations.glob("*.sql")]
    with connection.transaction(force_rollback=True):
        run(connection, "enter_schema", schema=history.schema)
        return run(connection, "find_own", ids=ids).fetchone() == (True,)
