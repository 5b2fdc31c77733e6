"""Fix of drift: the statements, for a person to run, that take a live schema back to sql/schema.sql.

The text of schema.sql has the statements for missing things. This program prints the statements, and never runs them.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from app.migrations.drift_fix_partitions import NAME, is_of_parent, parents, unquoted
from app.migrations.drift_fix_rights import restore_comment, restore_owner, restore_rights
from app.migrations.drift_fix_tables import (
    COLUMN,
    OWNER,
    TABLE,
    change_column,
    change_column_setting,
    change_sequence,
    change_table,
)
from app.schema.drift import GRANT, Difference
from app.schema.schema_file import quoted, statements_by_thing

# Things are removed in this order.
KINDS = (
    *("trigger", "rule", "policy", "statistics", "constraint", "index", "table", "sequence", "column", "function"),
    "type",
)
# The place at which a thing of another kind is removed, by its type in PostgreSQL's words. An event trigger may prevent
# all other statements. The function of an operator can be removed after it, and a collation after its domains.
OTHERS = {
    "event trigger": -1,
    **dict.fromkeys(("operator class", "operator family", "operator", "conversion"), KINDS.index("column")),
    **dict.fromkeys(("cast", "transform"), KINDS.index("column")),
    **dict.fromkeys(
        ("text search configuration", "text search dictionary", "text search parser", "text search template"),
        KINDS.index("column"),
    ),
    "collation": len(KINDS),
}
# Their places among all statements when they are created. Comments, owners and rights come after them.
CREATED = ("type", "table", "sequence", "column", "function", "index", "constraint", "statistics", "policy", "rule")
FIRST_CREATED = 30  # place among the statements
VALIDATED = 45  # place
AFTER_COLUMN = 40  # place
COMMENT = 50  # place
BY_HAND = 90  # place
INDEX = re.compile(r"(CREATE (?:UNIQUE )?INDEX)( \S+ ON (?!ONLY )(?P<table>\S+) .*)", re.DOTALL)
CREATE_TRIGGER = re.compile(r"\ACREATE TRIGGER\b")
DISABLED = "triggers disabled on "  # and the tables, after the definition of a foreign key
NEW = "_new"  # ends the name of an index that replaces another one
MAX_NAME = 63  # bytes of a name in PostgreSQL
FUNCTION_NAME = re.compile(NAME.replace(",.", ",.("))
MARKS = re.compile(r"(, INVALID|, clustered|, replica identity)+$")
ENABLED = re.compile(r"(?P<text>.+?)(?:, enabled (?P<enabled>[DRA]))?", re.DOTALL)
HOW_ENABLED = {None: "ENABLE", "D": "DISABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}


def statements(differences: Iterable[Difference], schema_file: str) -> list[str]:
    """Return the statements in an order in which they can run. A comment stands for what cannot be made."""
    shipped = statements_by_thing(schema_file)
    differences = list(differences)
    gone = {each.thing: each.found or "" for each in differences if each.expected is None}
    missing = {each.thing: each.expected or "" for each in differences if each.found is None}
    tables = parents(differences, schema_file)
    steps = [
        step
        for difference in differences
        if not is_of_parent(difference, gone | missing, tables)
        for step in _of(difference, shipped, gone, missing)
    ]
    return [_concurrently(text, missing) for _, text in sorted(steps, key=lambda step: step[0])]


def _concurrently(text: str, missing: Mapping[str, str]) -> str:
    """Return a CREATE INDEX that does not block writes, unless its table is new or partitioned."""
    match = INDEX.match(text)
    return f"{match[1]} CONCURRENTLY{match[2]}" if match and f"table {match['table']}" not in missing else text


def _of(
    difference: Difference, shipped: dict[str, str], gone: dict[str, str], missing: dict[str, str]
) -> Iterator[tuple[int, str]]:
    """Yield the statements of one difference, each with its place in the order."""
    kind, _, name = difference.thing.partition(" ")
    if match := GRANT.fullmatch(difference.thing):
        yield from restore_rights(difference, match["object"], match["role"], gone)
    elif difference.thing.startswith("comment on "):
        yield from restore_comment(difference, shipped, gone)
    elif difference.thing.startswith("owner of "):
        yield from restore_owner(difference, gone)
    elif kind in {"storage", "compression", "statistics", "options"} and " of " in difference.thing:
        yield from change_column_setting(difference, gone)
    elif _is_of_identity(difference, gone | missing, shipped):
        if kind == "sequence" and difference.found is None:
            # With the column, PostgreSQL makes a sequence that has the defaults.
            yield from ((AFTER_COLUMN, text) for _, text in change_sequence(difference, quoted(name)))
    elif kind not in KINDS or _is_covered(difference, gone | missing, shipped):
        if kind not in KINDS:
            yield _other(name, difference)
    elif difference.expected is None:
        yield from _drop(kind, name, difference)
    elif difference.found is None:
        yield from _create(kind, name, difference, shipped)
    else:
        yield from _change(kind, name, difference, shipped)


def _is_of_identity(difference: Difference, whole: dict[str, str], shipped: dict[str, str]) -> bool:
    """Return whether it is the sequence of an identity column whose table stays. It comes and goes with the column."""
    kind, _, name = difference.thing.partition(" ")
    if kind not in {"sequence", "table"} or not (owner := OWNER.search(whole.get(f"sequence {name}", ""))):
        return False
    table = unquoted(owner["table"])
    return f"identity {table}.{owner['column']}" in shipped and f"table {table}" not in whole


def _is_covered(difference: Difference, whole: dict[str, str], shipped: dict[str, str]) -> bool:
    """Return whether a part comes or goes with its whole: a column with its table, an index with its constraint."""
    kind, _, name = difference.thing.partition(" ")
    table = name.partition(".")[0]
    if kind == "index":
        return any(thing.startswith("constraint ") and thing.endswith(f".{name}") for thing in whole)
    if f"table {table}" in whole and kind in {"column", "constraint", "trigger", "rule", "policy"}:
        return (
            difference.expected is None
            or kind == "column"
            or (kind == "constraint" and difference.thing not in shipped)
        )
    if kind == "sequence" and f"table {name}" in whole:
        return True
    owner = OWNER.search(whole.get(f"sequence {name}", "")) if kind == "table" else None
    return owner is not None and (
        f"table {unquoted(owner['table'])}" in whole
        or (difference.expected is None and f"column {unquoted(owner['table'])}.{owner['column']}" in whole)
    )


def _other(name: str, difference: Difference) -> tuple[int, str]:
    for kind, place in OTHERS.items():
        if difference.expected is None and name.startswith(f"{kind} "):
            return place, f"DROP {kind.upper()} {name.removeprefix(f'{kind} ')};"
    return BY_HAND, f"-- {difference}: restore it by hand"


def _drop(kind: str, name: str, difference: Difference) -> Iterator[tuple[int, str]]:
    place = KINDS.index(kind)
    table, _, part = name.partition(".")
    match kind:
        case "trigger" | "rule" | "policy":
            yield place, f"DROP {kind.upper()} {quoted(part)} ON {quoted(table)};"
        case "constraint":
            yield place, f"ALTER TABLE {quoted(table)} DROP CONSTRAINT {quoted(part)};"
        case "column":
            yield place, f"ALTER TABLE {quoted(table)} DROP COLUMN {quoted(part)};  -- loses its values"
        case "function":
            what = "AGGREGATE" if (difference.found or "").startswith("aggregate") else "FUNCTION"
            if "CREATE OR REPLACE PROCEDURE" in (difference.found or ""):
                what = "PROCEDURE"
            yield place, f"DROP {what} {name};"
        case "table":
            match = TABLE.fullmatch(difference.found or "")
            what = {"v": "VIEW", "m": "MATERIALIZED VIEW", "S": "SEQUENCE", "f": "FOREIGN TABLE"}.get(
                match["kind"] if match else "r", "TABLE"
            )
            yield place, f"DROP {what} {quoted(name)};{'  -- loses its rows' if what == 'TABLE' else ''}"
        case "index" if " ON ONLY " not in (difference.found or ""):
            yield place, f"DROP INDEX CONCURRENTLY {quoted(name)};"
        case "index" | "statistics" | "type":
            yield place, f"DROP {kind.upper()} {quoted(name)};"
        case _:
            yield BY_HAND, f"-- {difference}: restore it by hand"


def _key(difference: Difference) -> str:
    """Return the key of the thing in statements_by_thing(). A function has its name there, without its parameters."""
    kind, _, name = difference.thing.partition(" ")
    match = FUNCTION_NAME.match(name)
    return f"function {unquoted(match[0])}" if kind == "function" and match else difference.thing


def _create(kind: str, name: str, difference: Difference, shipped: dict[str, str]) -> Iterator[tuple[int, str]]:
    place = FIRST_CREATED + (CREATED.index(kind) if kind in CREATED else len(CREATED))
    key = _key(difference)
    table, _, part = name.partition(".")
    if kind == "column" and (match := COLUMN.fullmatch(difference.expected or "")) and not match["generated"]:
        options = f" COLLATE {match['collation']}" if match["collation"] else ""
        options += f" DEFAULT {match['default']}" if match["default"] else ""
        options += " NOT NULL" if match["required"] else ""
        needs_value = match["required"] and not match["default"] and not match["identity"]
        fails = "  -- fails if the table has rows" if needs_value else ""
        options += {"a": " GENERATED ALWAYS AS IDENTITY", "d": " GENERATED BY DEFAULT AS IDENTITY"}.get(
            match["identity"] or "", ""
        )
        yield place, f"ALTER TABLE {quoted(table)} ADD COLUMN {quoted(part)} {match['type']}{options};{fails}"
    elif kind == "sequence":
        return
    elif kind == "constraint" and _can_be_validated(difference.expected or "", shipped.get(key, "")):
        # With NOT VALID, PostgreSQL does not read the table under ACCESS EXCLUSIVE.
        add = f"ALTER TABLE {quoted(table)} ADD CONSTRAINT {quoted(part)} {difference.expected}"
        yield place, f"{add} NOT VALID;"
        yield VALIDATED, f"ALTER TABLE {quoted(table)} VALIDATE CONSTRAINT {quoted(part)};"
    elif key in shipped:
        yield place, shipped[key]
        if kind == "table" and shipped[key].startswith("CREATE MATERIALIZED VIEW "):  # the file has WITH NO DATA
            yield AFTER_COLUMN, f"REFRESH MATERIALIZED VIEW {quoted(name)};"
        if kind == "trigger" and (match := ENABLED.fullmatch(difference.expected or "")) and match["enabled"]:
            yield place, f"ALTER TABLE {quoted(table)} {HOW_ENABLED[match['enabled']]} TRIGGER {quoted(part)};"
        if kind == "table":
            yield from ((place, text) for thing, text in shipped.items() if thing.startswith(f"identity {name}."))
        if kind == "table" and (match := TABLE.fullmatch(difference.expected or "")) and match["security"]:
            yield place, f"ALTER TABLE {quoted(name)} ENABLE ROW LEVEL SECURITY;"
    elif kind == "constraint":
        yield place, f"ALTER TABLE {quoted(table)} ADD CONSTRAINT {quoted(part)} {difference.expected};"
    elif kind == "index" and any(thing.endswith(f".{name}") for thing in shipped):
        return  # its constraint makes it
    else:
        yield BY_HAND, f"-- {difference}: schema.sql has no statement that makes it"


def _can_be_validated(definition: str, shipped: str) -> bool:
    """Return whether the constraint can be added NOT VALID first. A foreign key of a partitioned table cannot."""
    is_key = definition.startswith("FOREIGN KEY ") and shipped.startswith("ALTER TABLE ONLY ")
    return (is_key or definition.startswith("CHECK ")) and not re.search(r" NOT (?:VALID|ENFORCED)$", definition)


def _change(kind: str, name: str, difference: Difference, shipped: dict[str, str]) -> Iterator[tuple[int, str]]:
    expected, found = difference.expected or "", difference.found or ""
    table, _, part = name.partition(".")
    match kind:
        case "column":
            yield from change_column(difference, quoted(table), quoted(part))
        case "table":
            yield from change_table(difference, quoted(name))
        case "constraint" if found.startswith(f"{expected}, {DISABLED}"):
            for each in found.removeprefix(f"{expected}, {DISABLED}").split(" and "):
                yield 37, f"ALTER TABLE {each} ENABLE TRIGGER ALL;  -- as a superuser"
        case "constraint" if found == f"{expected} NOT VALID":
            yield 35, f"ALTER TABLE {quoted(table)} VALIDATE CONSTRAINT {quoted(part)};"
        case "index" if found == f"{expected}, clustered" and (match := INDEX.match(expected)):
            yield 38, f"ALTER TABLE {match['table']} SET WITHOUT CLUSTER;"
        case "index" if MARKS.sub("", expected) == MARKS.sub("", found) and "INVALID" not in found:
            yield BY_HAND, f"-- {difference}: CLUSTER and REPLICA IDENTITY are settings of its table"
        case "index" if any(thing.startswith("constraint ") and thing.endswith(f".{name}") for thing in shipped):
            yield 35, f"-- {difference}: a constraint made this index: drop and add the constraint by hand"
        case "trigger" | "rule" if (
            (wanted := ENABLED.fullmatch(expected))
            and (is_now := ENABLED.fullmatch(found))
            and wanted["text"] == is_now["text"]
        ):
            how = HOW_ENABLED[wanted["enabled"]]
            yield 38, f"ALTER TABLE {quoted(table)} {how} {kind.upper()} {quoted(part)};"
        case "trigger" if CREATE_TRIGGER.match(shipped.get(difference.thing, "")) and "CONSTRAINT" not in found[:30]:
            # Between DROP and CREATE, writes would not fire it.
            text = CREATE_TRIGGER.sub("CREATE OR REPLACE TRIGGER", shipped[difference.thing])
            yield FIRST_CREATED + len(CREATED), text
        case "index" if (match := INDEX.match(shipped.get(difference.thing, ""))) and "INVALID" not in found:
            # Between DROP and CREATE, queries would not have it.
            new = f"{name[: MAX_NAME - len(NEW)]}{NEW}"
            place = FIRST_CREATED + CREATED.index("index")
            yield place, f"{match[1]} {quoted(new)}{match[2].removeprefix(f' {quoted(name)}')}"
            yield place, f"DROP INDEX CONCURRENTLY {quoted(name)};"
            yield place, f"ALTER INDEX {quoted(new)} RENAME TO {quoted(name)};"
            if f"comment on {difference.thing}" in shipped:
                yield COMMENT, shipped[f"comment on {difference.thing}"]
        case "function" if _key(difference) in shipped:
            text = shipped[_key(difference)]
            yield (
                FIRST_CREATED + CREATED.index("function"),
                re.sub(r"\ACREATE (FUNCTION|PROCEDURE)", r"CREATE OR REPLACE \1", text),
            )
        case "sequence":
            yield from change_sequence(difference, quoted(name))
        case "function" | "type":
            yield BY_HAND, f"-- {difference}: restore it by hand"
        case _:
            yield from _drop(kind, name, difference)
            yield from _create(kind, name, difference, shipped)
            if f"comment on {difference.thing}" in shipped:
                yield COMMENT, shipped[f"comment on {difference.thing}"]
