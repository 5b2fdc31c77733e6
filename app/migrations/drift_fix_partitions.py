"""Partitions, in the fix of drift: the parts that come or go with the partitioned table itself."""

import re
from collections.abc import Iterable, Mapping

from app.schema.drift import Difference

NAME = r'(?:"(?:[^"]|"")+"|[^\s",.]+)'  # as PostgreSQL quotes it
FOUND = re.compile(rf"table (?P<table>.+?): kind .*?, child of (?P<parent>{NAME})(?: |,|$)", re.DOTALL)
ATTACHED = re.compile(rf"ALTER TABLE ONLY (?P<parent>{NAME}) ATTACH PARTITION (?P<table>{NAME}) ")
INHERITED = re.compile(rf"^CREATE TABLE (?P<table>{NAME}) \([^;]*\)\nINHERITS \((?P<parent>{NAME})\);", re.MULTILINE)
INDEX = re.compile(rf"CREATE (?:UNIQUE )?INDEX {NAME} ON (?P<only>ONLY )?(?P<table>{NAME}) (?P<rest>.*)", re.DOTALL)


def unquoted(name: str) -> str:
    """Return a name without the quotes that PostgreSQL writes around it."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def parents(differences: Iterable[Difference], schema_file: str) -> dict[str, str]:
    """Return the partitioned table of each partition, or the table that it inherits, by their names without quotes."""
    found = [*ATTACHED.finditer(schema_file), *INHERITED.finditer(schema_file)]
    shipped = {unquoted(match["table"]): unquoted(match["parent"]) for match in found}
    lines = [f"{each.thing}: {each.found or each.expected}" for each in differences]
    return shipped | {match["table"]: unquoted(match["parent"]) for line in lines if (match := FOUND.match(line))}


def is_of_parent(difference: Difference, whole: Mapping[str, str], parents: Mapping[str, str]) -> bool:
    """Return whether it comes or goes with the same column, constraint, trigger or index of the partitioned table."""
    kind, _, name = difference.thing.partition(" ")
    if difference.thing not in whole:
        return False
    if kind != "index":
        table, _, part = name.partition(".")
        return kind in {"column", "constraint", "trigger"} and f"{kind} {parents.get(table)}.{part}" in whole
    if difference.expected is not None:  # schema.sql has ON ONLY, and creates and attaches each of them
        return False
    own = INDEX.match(whole[difference.thing])
    parent = parents.get(unquoted(own["table"])) if own else None
    others = [INDEX.match(text) for thing, text in whole.items() if thing.startswith("index ")]
    return any(
        each["only"] and unquoted(each["table"]) == parent and each["rest"] == own["rest"]
        for each in others
        if each and own
    )
