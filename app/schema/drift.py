"""In what a live schema differs from sql/schema.sql: for `images schema status`, and for GET /v1/schema.

Each reads sql/inspect/schema.sql, by its own driver.
"""

from collections.abc import Iterable

from app.settings import ROOT

THINGS = """
-- The same in a line for each thing, as sql/inspect/schema.sql tells it, for `images schema status` to find drift by:
"""


def drift(lines: Iterable[str]) -> list[str]:
    """Each thing that differs, in words. `lines` are those of a live database; comments do not count."""
    text = (ROOT / "sql" / "schema.sql").read_text(encoding="utf-8")
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
