"""Rules about backfills: the table of `-- backfill: TABLE` exists, and the range is that of a key."""

from collections.abc import Iterable
from itertools import islice
from typing import Any

from pglast import parse_sql
from pglast.parser import ParseError

from app.lint.findings import Fault, Faults
from app.lint.nodes import relation_name
from app.lint.parser import Statement
from app.lint.state import MigrationState
from app.migrations.backfill_statement import WrongBackfillError, key_columns


def backfill_faults(state: MigrationState, directive: str, statements: Iterable[Statement]) -> Faults:
    """Yield the faults of a backfill of the table that the directive names.

    The migrator itself rejects a statement without a range.
    """
    for statement in islice(statements, 1):
        try:
            key = tuple(key_columns(statement.node))
        except WrongBackfillError:
            return
        table = table_of(directive)
        known = state.catalog.tables.get(table)
        if known is None:
            yield Fault(statement.line, "backfill", f"there is no table {table}", "correct `-- backfill: TABLE`")
        elif known.kind == "view":
            yield Fault(statement.line, "backfill", f"{table} is not a table", "correct `-- backfill: TABLE`")
        elif known.is_complete and not _has_key(state, table, key):
            why = f"{table} has no key ({', '.join(key)}), so each batch would read the whole table"
            hint = (
                "use the range of the primary key, or of NOT NULL columns that contain a unique key and have an index"
            )
            yield Fault(statement.line, "backfill", why, hint)


def table_of(directive: str) -> str:
    """Return the table that `-- backfill: TABLE` names, as the catalog knows it: also `"Odd"` and `public.odd`."""
    try:
        [raw] = parse_sql(f"TABLE {directive}")
    except (ParseError, ValueError):
        return directive
    select: Any = raw.stmt
    return relation_name(select.fromClause[0])


def _has_key(state: MigrationState, table: str, key: tuple[str, ...]) -> bool:
    """Return whether the columns are those of an index, and contain those of a primary or unique key."""
    constraints = state.catalog.tables[table].constraints.values()
    unique = [each.columns for each in constraints if each.kind in ("pkey", "key")]
    indexes = [each for each in state.catalog.indexes.values() if each.table == table and each.is_plain]
    unique += [each.columns for each in indexes if each.unique]
    return key in [*unique, *(each.columns for each in indexes)] and any(set(each) <= set(key) for each in unique)
