"""Schema drift: the differences between a live schema and sql/schema.sql.

`schema status` and GET /v1/schema compare the lines of sql/inspect/schema.sql, each with its own driver.
"""

from collections.abc import Iterable

from app.program import SCHEMA
from app.project import current

THINGS = f"""
-- One line for each thing, in the format of sql/inspect/schema.sql. `{SCHEMA} status` finds drift with it:
"""


def drift(lines: Iterable[str]) -> list[str]:
    """Return each difference in words, sorted. `lines` are those of a live database. Comments do not count."""
    text = current().schema_file.read_text(encoding="utf-8")
    expected = _by_thing(line.removeprefix("-- ") for line in text.partition(THINGS)[2].splitlines())
    actual = _by_thing(line for line in lines if not line.startswith("comment on "))
    differences = [f"{thing}: expected, not found" for thing in sorted(expected.keys() - actual.keys())]
    differences += [f"{thing}: not in schema.sql" for thing in sorted(actual.keys() - expected.keys())]
    differences += [
        f"{thing}: expected {expected[thing]}, found {actual[thing]}"
        for thing in sorted(expected.keys() & actual.keys())
        if expected[thing] != actual[thing]
    ]
    return differences


def _by_thing(lines: Iterable[str]) -> dict[str, str]:
    return {thing: definition for thing, _, definition in (line.partition(": ") for line in lines)}
