"""Creation of missing things, in the fix of drift: the statements of sql/schema.sql, in the order of that file."""

import re
from collections.abc import Iterator, Mapping

from app.migrations.drift_fix_partitions import NAME, unquoted
from app.migrations.drift_fix_tables import COLUMN, TABLE
from app.schema.drift import Difference
from app.schema.schema_file import function_key, quoted

# Places among all statements. Columns can need types, sequences and what types need, so these come before changes of
# columns. The others come after them.
FIRST_NEEDED = 15  # place
FIRST_CREATED = 30  # place
SPAN = 9  # places of created things
AFTER_COLUMN = 40  # place
ATTACHED = 44  # place of a partition. Its indexes are created before, and attached after it
VALIDATED = 45  # place
BY_HAND = 90  # place
FAILS = "  -- fails if rows violate it"
NEEDED = ("CREATE SEQUENCE ", "CREATE TYPE ", "CREATE DOMAIN ", "CREATE COLLATION ", "CREATE TEXT SEARCH ")
FUNCTION = re.compile(rf"(?P<name>{NAME.replace(',.', ',.(')})\((?P<parameters>.*)\)", re.DOTALL)
HOW_ENABLED = {None: "ENABLE", "D": "DISABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}
ENABLED = re.compile(r"(?P<text>.+?)(?:, enabled (?P<enabled>[DRA]))?", re.DOTALL)


def key_of(thing: str) -> str:
    """Return the key of the thing in statements_by_thing()."""
    kind, _, name = thing.partition(" ")
    match = FUNCTION.fullmatch(name)
    if kind == "other":
        return thing.replace('"', "")
    if kind != "function" or not match:
        return thing
    return function_key(unquoted(match["name"]), len(match["parameters"].split(",")) if match["parameters"] else 0)


def place_of(key: str, shipped: Mapping[str, str]) -> float:
    """Return the place of a statement of schema.sql: those before it in the file run before it."""
    position = [*shipped].index(key) / len(shipped) if key in shipped else 1.0
    return (FIRST_NEEDED if shipped.get(key, "").startswith(NEEDED) else FIRST_CREATED) + SPAN * position


def create(kind: str, name: str, difference: Difference, shipped: Mapping[str, str]) -> Iterator[tuple[float, str]]:
    """Yield the statements that create a thing, each with its place."""
    key = key_of(difference.thing)
    table, _, part = name.partition(".")
    place = place_of(f"table {table}" if kind == "column" else key, shipped)
    if kind == "column" and (match := COLUMN.fullmatch(difference.expected or "")):
        yield place + bool(match["generated"]), _add_column(quoted(table), quoted(part), match)
    elif kind == "sequence":
        return
    elif kind == "constraint" and _can_be_validated(difference.expected or "", shipped.get(key, "")):
        # With NOT VALID, PostgreSQL does not read the table under ACCESS EXCLUSIVE.
        add = f"ALTER TABLE {quoted(table)} ADD CONSTRAINT {quoted(part)} {difference.expected}"
        yield place, f"{add} NOT VALID;"
        yield VALIDATED, f"ALTER TABLE {quoted(table)} VALIDATE CONSTRAINT {quoted(part)};{FAILS}"
    elif kind == "constraint":
        add = f"ALTER TABLE {quoted(table)} ADD CONSTRAINT {quoted(part)} {difference.expected};"
        yield place, f"{shipped.get(key, add)}{FAILS}"
    elif key in shipped:
        yield place, shipped[key]
        if kind == "trigger" and (match := ENABLED.fullmatch(difference.expected or "")) and match["enabled"]:
            yield place, f"ALTER TABLE {quoted(table)} {HOW_ENABLED[match['enabled']]} TRIGGER {quoted(part)};"
        if kind == "index" and f"partition {name}" in shipped:
            yield ATTACHED + 0.5, shipped[f"partition {name}"]
        if kind == "table":
            yield from _complete_table(name, difference, shipped)
    elif kind == "index" and any(thing.endswith(f".{name}") for thing in shipped):
        return  # its constraint makes it
    else:
        yield BY_HAND, f"-- {difference}: schema.sql has no statement that makes it"


def _complete_table(name: str, difference: Difference, shipped: Mapping[str, str]) -> Iterator[tuple[float, str]]:
    """Yield the statements that schema.sql has for a table or a sequence apart."""
    if shipped[f"table {name}"].startswith("CREATE MATERIALIZED VIEW "):  # the file has WITH NO DATA
        yield AFTER_COLUMN, f"REFRESH MATERIALIZED VIEW {quoted(name)};"
    for thing, text in shipped.items():
        if thing.startswith((f"identity {name}.", f"default {name}.")) or thing == f"owner of numbers {name}":
            yield AFTER_COLUMN, text
        elif thing == f"partition {name}":
            yield ATTACHED, text
    match = TABLE.fullmatch(difference.expected or "")
    if match and match["security"]:
        yield AFTER_COLUMN, f"ALTER TABLE {quoted(name)} ENABLE ROW LEVEL SECURITY;"
    if match and match["forced"]:
        yield AFTER_COLUMN, f"ALTER TABLE {quoted(name)} FORCE ROW LEVEL SECURITY;"


def _add_column(table: str, column: str, match: re.Match[str]) -> str:
    default = match["default"]
    options = f" COLLATE {match['collation']}" if match["collation"] else ""
    if match["generated"]:
        options += f" GENERATED ALWAYS AS ({default}) {'STORED' if match['generated'] == 's' else 'VIRTUAL'}"
    elif default:
        options += f" DEFAULT {default}"
    options += " NOT NULL" if match["required"] else ""
    options += {"a": " GENERATED ALWAYS AS IDENTITY", "d": " GENERATED BY DEFAULT AS IDENTITY"}.get(
        match["identity"] or "", ""
    )
    fails = "  -- fails if the table has rows" if match["required"] and not default and not match["identity"] else ""
    return f"ALTER TABLE {table} ADD COLUMN {column} {match['type']}{options};{fails}"


def _can_be_validated(definition: str, shipped: str) -> bool:
    """Return whether the constraint can be added NOT VALID first. A foreign key of a partitioned table cannot."""
    is_key = definition.startswith("FOREIGN KEY ") and shipped.startswith("ALTER TABLE ONLY ")
    return (is_key or definition.startswith("CHECK ")) and not re.search(r" NOT (?:VALID|ENFORCED)$", definition)
