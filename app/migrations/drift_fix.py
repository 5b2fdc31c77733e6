"""Fix of drift: the statements, for a person to run, that take a live schema back to sql/schema.sql.

The text of schema.sql has the statements for missing things. This program prints the statements, and never runs them.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from app.migrations.drift_fix_created import (
    AFTER_COLUMN,
    BY_HAND,
    ENABLED,
    HOW_ENABLED,
    create,
    key_of,
    place_of,
)
from app.migrations.drift_fix_partitions import NAME, is_of_parent, parents, unquoted
from app.migrations.drift_fix_rights import restore_comment, restore_owner, restore_rights
from app.migrations.drift_fix_schema import restore_schema
from app.migrations.drift_fix_tables import (
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
)
TYPE = 46  # place of a type that is removed: columns that had it have another one then
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
    "collation": TYPE + 1,
}
REPLACED = 40  # place of a trigger among all statements. Comments, owners and rights come after it
COMMENT = 50  # place
INDEX = re.compile(r"(CREATE (?:UNIQUE )?INDEX)( \S+ ON (?!ONLY )(?P<table>\S+) .*)", re.DOTALL)
CREATE_TRIGGER = re.compile(r"\ACREATE TRIGGER\b")
DISABLED = "triggers disabled on "  # and the tables, after the definition of a foreign key
NEW = "_new"  # ends the name of an index that replaces another one
MAX_NAME = 63  # bytes of a name in PostgreSQL
CLUSTERED, IDENTITY = ", clustered", ", replica identity"
MARKS = re.compile(f"(, INVALID|{CLUSTERED}|{IDENTITY})+$")
INDEX_TABLE = re.compile(rf" INDEX {NAME} ON (?:ONLY )?({NAME}) ")
CREATE_FUNCTION = re.compile(r"\ACREATE (?:OR REPLACE )?(FUNCTION|PROCEDURE|AGGREGATE)")
SIGNATURE = re.compile(
    r" DEFAULT [^,)]+|(?: STABLE| IMMUTABLE)? LANGUAGE .*|\n.*", re.DOTALL
)  # parts that OR REPLACE may change
MADE_BY_QUERY = re.compile(r"CREATE (?:MATERIALIZED )?VIEW ")
OF_TYPE = re.compile(r"CREATE TABLE \S+ OF ")
DROP = re.compile(r"(?P<what>DROP (?:TABLE|VIEW|MATERIALIZED VIEW|ROUTINE|TYPE)) (?P<name>.+?);(?P<note>  -- .*)?")


def statements(differences: Iterable[Difference], schema_file: str, schema: str = "public") -> list[str]:
    """Return the statements in an order in which they can run. A comment stands for what cannot be made.

    `schema` is the one of the live tables, quoted as in SQL.
    """
    shipped = statements_by_thing(schema_file)
    differences = list(differences)
    gone = {each.thing: each.found or "" for each in differences if each.expected is None}
    missing = {each.thing: each.expected or "" for each in differences if each.found is None}
    tables = parents(differences, schema_file)
    steps = [
        step
        for difference in differences
        if not is_of_parent(difference, gone | missing, tables)
        for step in restore_schema(difference, schema) or _of(difference, shipped, gone, missing)
    ]
    texts = [text for _, text in sorted(_together(steps), key=lambda step: step[0])]
    if any(map(CREATE_FUNCTION.match, texts)):  # as in pg_dump: a function can name what is created after it
        texts.insert(0, "SET check_function_bodies = off;")
    return [_concurrently(text, missing) for text in texts]


def _together(steps: Iterable[tuple[float, str]]) -> Iterator[tuple[float, str]]:
    """Yield the steps, with one DROP for all tables, and the same for other kinds: they can depend on each other."""
    drops: dict[tuple[float, str], tuple[list[str], str]] = {}
    for place, text in steps:
        if match := DROP.fullmatch(text):
            names, note = drops.get((place, match["what"]), ([], ""))
            drops[place, match["what"]] = ([*names, match["name"]], match["note"] or note)
        else:
            yield place, text
    for (place, what), (names, note) in drops.items():
        yield place, f"{what} {', '.join(names)};{note}"


def _concurrently(text: str, missing: Mapping[str, str]) -> str:
    """Return a CREATE INDEX that does not block writes, unless its table is new or partitioned."""
    match = INDEX.match(text)
    return f"{match[1]} CONCURRENTLY{match[2]}" if match and f"table {match['table']}" not in missing else text


def _of(
    difference: Difference, shipped: dict[str, str], gone: dict[str, str], missing: dict[str, str]
) -> Iterator[tuple[float, str]]:
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
    elif kind not in (*KINDS, "type"):
        yield _other(name, difference, shipped)
    elif _is_covered(difference, gone | missing, shipped):
        if kind == "index" and difference.expected:
            yield from _mark(name, difference.expected, "")
    elif difference.expected is None:
        yield from _drop(kind, name, difference)
    elif difference.found is None:
        yield from create(kind, name, difference, shipped)
        if kind == "index":
            yield from _mark(name, difference.expected, "")
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
        of = INDEX_TABLE.search(difference.found or "")
        is_gone = of is not None and difference.expected is None and f"table {unquoted(of[1])}" in whole
        return is_gone or any(thing.startswith("constraint ") and thing.endswith(f".{name}") for thing in whole)
    if kind == "constraint" and (difference.expected or difference.found or "").startswith("TRIGGER"):
        return True  # the trigger makes it
    made = shipped.get(f"table {table}", "")
    if (
        kind == "column"
        and (MADE_BY_QUERY.match(made) or OF_TYPE.match(made))
        and None in (difference.expected, difference.found)
    ):
        return True
    if f"table {table}" in whole and kind in {"column", "constraint", "trigger", "rule", "policy"}:
        return (
            difference.expected is None
            or kind == "column"
            or (kind == "constraint" and difference.thing not in shipped)
        )
    if kind == "sequence" and f"table {name}" in whole:
        return True
    owner = OWNER.search(whole.get(f"sequence {name}", "")) if kind == "table" else None
    if owner is None:
        return False
    column = f"{unquoted(owner['table'])}.{owner['column']}"
    if difference.expected is None:
        return f"table {unquoted(owner['table'])}" in whole or f"column {column}" in whole
    return f"table {unquoted(owner['table'])}" in whole and f"identity {column}" in shipped


def _other(name: str, difference: Difference, shipped: Mapping[str, str]) -> tuple[float, str]:
    if difference.found is None and (key := key_of(difference.thing)) in shipped:
        return place_of(key, shipped), shipped[key]
    for kind, place in OTHERS.items():
        if difference.expected is None and name.startswith(f"{kind} "):
            return place, f"DROP {kind.upper()} {name.removeprefix(f'{kind} ')};"
    return BY_HAND, f"-- {difference}: restore it by hand"


def _drop(kind: str, name: str, difference: Difference) -> Iterator[tuple[float, str]]:
    place: float = TYPE if kind == "type" else KINDS.index(kind)
    table, _, part = name.partition(".")
    match kind:
        case "trigger" | "rule" | "policy":
            yield place, f"DROP {kind.upper()} {quoted(part)} ON {quoted(table)};"
        case "constraint":
            yield place, f"ALTER TABLE {quoted(table)} DROP CONSTRAINT {quoted(part)};"
        case "column":
            yield place, f"ALTER TABLE {quoted(table)} DROP COLUMN {quoted(part)};  -- loses its values"
        case "function":
            yield place, f"DROP ROUTINE {name};"
        case "table":
            match = TABLE.fullmatch(difference.found or "")
            what = {"v": "VIEW", "m": "MATERIALIZED VIEW", "S": "SEQUENCE", "f": "FOREIGN TABLE"}.get(
                match["kind"] if match else "r", "TABLE"
            )
            place = place - 0.5 if what.endswith("VIEW") else place  # it can depend on a table
            yield place, f"DROP {what} {quoted(name)};{'  -- loses its rows' if what == 'TABLE' else ''}"
        case "index" if " ON ONLY " not in (difference.found or ""):
            yield place, f"DROP INDEX CONCURRENTLY {quoted(name)};"
        case "index" | "statistics" | "type":
            yield place, f"DROP {kind.upper()} {quoted(name)};"
        case _:
            yield BY_HAND, f"-- {difference}: restore it by hand"


def _mark(index: str, expected: str, found: str) -> Iterator[tuple[float, str]]:
    """Yield the settings of a table that name one of its indexes. If another index has them, that one sets them."""
    alter = f"ALTER TABLE {INDEX_TABLE.findall(expected)[0]}"
    if CLUSTERED in found and CLUSTERED not in expected:
        yield 37, f"{alter} SET WITHOUT CLUSTER;"
    if CLUSTERED in expected and CLUSTERED not in found:
        yield 41, f"{alter} CLUSTER ON {quoted(index)};"
    if IDENTITY in expected and IDENTITY not in found:
        yield 41, f"{alter} REPLICA IDENTITY USING INDEX {quoted(index)};"


def _change(kind: str, name: str, difference: Difference, shipped: dict[str, str]) -> Iterator[tuple[float, str]]:
    expected, found = difference.expected or "", difference.found or ""
    table, _, part = name.partition(".")
    match kind:
        case "column":
            own_types = {quoted(thing.removeprefix("type ")) for thing in shipped if thing.startswith("type ")}
            yield from change_column(difference, quoted(table), quoted(part), own_types)
        case "table":
            yield from change_table(difference, quoted(name))
        case "constraint" if found.startswith(f"{expected}, {DISABLED}"):
            for each in found.removeprefix(f"{expected}, {DISABLED}").split(" and "):
                yield 37, f"ALTER TABLE {each} ENABLE TRIGGER ALL;  -- as a superuser"
        case "constraint" if found == f"{expected} NOT VALID":
            yield 35, f"ALTER TABLE {quoted(table)} VALIDATE CONSTRAINT {quoted(part)};"
        case "index" if MARKS.sub("", expected) == MARKS.sub("", found) and "INVALID" not in found + expected:
            yield from _mark(name, expected, found)
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
            yield REPLACED, text
        case "index" if (match := INDEX.match(shipped.get(difference.thing, ""))) and "INVALID" not in found:
            # Between DROP and CREATE, queries would not have it.
            new = f"{name[: MAX_NAME - len(NEW)]}{NEW}"
            place = place_of(difference.thing, shipped)
            yield place, f"{match[1]} {quoted(new)}{match[2].removeprefix(f' {quoted(name)}')}"
            yield place, f"DROP INDEX CONCURRENTLY {quoted(name)};"
            yield place, f"ALTER INDEX {quoted(new)} RENAME TO {quoted(name)};"
            if f"comment on {difference.thing}" in shipped:
                yield COMMENT, shipped[f"comment on {difference.thing}"]
        case "function" if key_of(difference.thing) in shipped:
            place, text = place_of(key_of(difference.thing), shipped), shipped[key_of(difference.thing)]
            if SIGNATURE.sub("", expected) != SIGNATURE.sub("", found) and "aggregate" not in expected[:9]:
                yield BY_HAND, f"-- {difference}: drop and create it by hand"
            else:
                yield place, CREATE_FUNCTION.sub(r"CREATE OR REPLACE \1", text)
        case "sequence":
            yield from change_sequence(difference, quoted(name))
        case "function" | "type":
            yield BY_HAND, f"-- {difference}: restore it by hand"
        case _:
            yield from _drop(kind, name, difference)
            yield from create(kind, name, difference, shipped)
            if f"comment on {difference.thing}" in shipped:
                yield COMMENT, shipped[f"comment on {difference.thing}"]
