"""Changes of columns, tables and sequences, as statements that take them back to sql/schema.sql."""

import re
from collections.abc import Iterator, Mapping

from app.schema.drift import Difference
from app.schema.schema_file import quoted

COLUMN = re.compile(
    r"(?P<type>.+?)(?:, collate (?P<collation>\S+))?(?P<required>, not null)?(?:, default (?P<default>.+?))?"
    r"(?:, identity (?P<identity>[ad]))?(?:, generated (?P<generated>[sv]))?"
)
TABLE = re.compile(
    r"kind (?P<kind>.), persistence (?P<persistence>.)(?P<security>, row security)?(?P<forced>, forced row security)?"
    r"(?:, replica identity (?P<identity>.))?"
    r"(?:, options (?P<options>[^,]*))?(?:, toast options (?P<toast>[^,]*))?(?P<rest>.*)",
    re.DOTALL,
)


def change_column(difference: Difference, table: str, column: str) -> Iterator[tuple[int, str]]:
    wanted, found = COLUMN.fullmatch(difference.expected or ""), COLUMN.fullmatch(difference.found or "")
    if not wanted or not found or wanted["generated"] != found["generated"]:
        yield 90, f"-- {difference}: restore it by hand"
        return
    alter = f"ALTER TABLE {table} ALTER COLUMN {column}"
    if found["default"] and (wanted["default"] != found["default"] or wanted["type"] != found["type"]):
        yield 20, f"{alter} DROP DEFAULT;"
    if wanted["identity"] != found["identity"] and found["identity"]:
        yield 20, f"{alter} DROP IDENTITY;"
    if (wanted["type"], wanted["collation"]) != (found["type"], found["collation"]):
        collation = f" COLLATE {wanted['collation']}" if wanted["collation"] else ""
        yield 21, f"{alter} TYPE {wanted['type']}{collation} USING {column}::{wanted['type']};"
    if wanted["default"] and (wanted["default"] != found["default"] or wanted["type"] != found["type"]):
        yield 22, f"{alter} SET DEFAULT {wanted['default']};"
    if wanted["required"] != found["required"]:
        yield 23, f"{alter} {'SET' if wanted['required'] else 'DROP'} NOT NULL;"
    if wanted["identity"] != found["identity"] and wanted["identity"]:
        how = "ALWAYS" if wanted["identity"] == "a" else "BY DEFAULT"
        yield 24, f"{alter} ADD GENERATED {how} AS IDENTITY;"


def change_table(difference: Difference, table: str) -> Iterator[tuple[int, str]]:
    wanted, found = TABLE.fullmatch(difference.expected or ""), TABLE.fullmatch(difference.found or "")
    if not wanted or not found or wanted["rest"] != found["rest"] or wanted["kind"] != found["kind"]:
        yield 90, f"-- {difference}: restore it by hand"
        return
    alter = f"ALTER TABLE {table}"
    if wanted["persistence"] != found["persistence"]:
        yield 25, f"{alter} SET {'LOGGED' if wanted['persistence'] == 'p' else 'UNLOGGED'};"
    if wanted["security"] != found["security"]:
        yield 25, f"{alter} {'ENABLE' if wanted['security'] else 'DISABLE'} ROW LEVEL SECURITY;"
    if wanted["forced"] != found["forced"]:
        yield 25, f"{alter} {'FORCE' if wanted['forced'] else 'NO FORCE'} ROW LEVEL SECURITY;"
    if wanted["identity"] != found["identity"]:
        how = {None: "DEFAULT", "f": "FULL", "n": "NOTHING"}.get(wanted["identity"])
        if how:
            yield 25, f"{alter} REPLICA IDENTITY {how};"
        else:
            yield 90, f"-- {difference}: set REPLICA IDENTITY by hand"
    for key, prefix in (("options", ""), ("toast", "toast.")):
        yield from ((25, text) for text in _options(alter, wanted[key], found[key], " ", prefix))


def change_sequence(difference: Difference, name: str) -> Iterator[tuple[int, str]]:
    pattern = re.compile(
        r"as (?P<type>.+?), start (?P<start>-?\d+), increment (?P<step>-?\d+), from (?P<low>-?\d+) to (?P<high>-?\d+), "
        r"cache (?P<cache>\d+)(?P<cycle>, cycle)?(?:, owned by (?P<owner>.+))?"
    )
    if wanted := pattern.fullmatch(difference.expected or ""):
        owner = f" OWNED BY {wanted['owner']}" if wanted["owner"] and "owned by" not in (difference.found or "") else ""
        yield (
            25,
            f"ALTER SEQUENCE {name} AS {wanted['type']} START {wanted['start']} INCREMENT {wanted['step']} "
            f"MINVALUE {wanted['low']} MAXVALUE {wanted['high']} CACHE {wanted['cache']} "
            f"{'CYCLE' if wanted['cycle'] else 'NO CYCLE'}{owner};",
        )


def _options(alter: str, wanted: str | None, found: str | None, separator: str, prefix: str = "") -> Iterator[str]:
    new = dict(option.split("=", 1) for option in (wanted or "").split(separator) if option)
    old = dict(option.split("=", 1) for option in (found or "").split(separator) if option)
    if removed := sorted(old.keys() - new.keys()):
        yield f"{alter} RESET ({', '.join(prefix + name for name in removed)});"
    if changed := sorted(name for name, value in new.items() if old.get(name) != value):
        yield f"{alter} SET ({', '.join(f'{prefix}{name} = {new[name]}' for name in changed)});"


def change_column_setting(difference: Difference, gone: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    setting, _, name = difference.thing.partition(" of ")
    table, _, column = name.partition(".")
    if f"column {name}" in gone or f"table {table}" in gone:
        return
    alter = f"ALTER TABLE {quoted(table)} ALTER COLUMN {quoted(column)}"
    wanted, found = difference.expected, difference.found
    match setting:
        case "statistics target":
            yield 41, f"{alter} SET STATISTICS {wanted or -1};"
        case "compression":
            yield 41, f"{alter} SET COMPRESSION {wanted or 'default'};"
        case "storage" if wanted is None:
            yield 41, f"{alter} SET STORAGE {'EXTENDED' if found != 'EXTENDED' else 'MAIN'};"
        case "storage":
            yield 41, f"{alter} SET STORAGE {wanted};"
        case _:
            yield from ((41, text) for text in _options(alter, wanted, found, ", "))
