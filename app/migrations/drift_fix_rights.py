"""Rights, owners and comments, as statements that take them back to sql/schema.sql."""

import re
from collections.abc import Iterator, Mapping

from app.migrations.drift_fix_created import key_of
from app.schema.drift import Difference
from app.schema.schema_file import quoted

VIEW = re.compile("CREATE ((?:MATERIALIZED )?VIEW|FOREIGN TABLE) ")
OPTION = " WITH GRANT OPTION"
GRANTABLE = 2  # level of a right: 0 none, 1 without the grant option, 2 with it


def restore_comment(
    difference: Difference, shipped: Mapping[str, str], gone: Mapping[str, str]
) -> Iterator[tuple[float, str]]:
    thing = difference.thing.removeprefix("comment on ")
    kind, _, name = thing.partition(" ")
    table, _, part = name.partition(".")
    if not gone.keys().isdisjoint({thing, f"table {table}", f"column {name}", f"type {table}"}):
        return
    if kind == "domain" and f"type {table.removeprefix('constraint ')}" in gone:
        return
    key = f"comment on {key_of(thing)}"
    if difference.expected is not None:
        yield 50, shipped.get(key, f"-- {difference}: restore it by hand")
        return
    match kind:
        case "constraint" | "trigger" | "rule" | "policy":
            yield 50, f"COMMENT ON {kind.upper()} {quoted(part)} ON {quoted(table)} IS NULL;"
        case "domain":
            domain = quoted(table.removeprefix("constraint "))
            yield 50, f"COMMENT ON CONSTRAINT {quoted(part)} ON DOMAIN {domain} IS NULL;"
        case "other":
            yield 50, f"COMMENT ON {name} IS NULL;"
        case "table" if match := VIEW.match(shipped.get(thing, "")):
            yield 50, f"COMMENT ON {match[1]} {quoted(name)} IS NULL;"
        case "column":
            yield 50, f"COMMENT ON COLUMN {quoted(table)}.{quoted(part)} IS NULL;"
        case "function":
            yield 50, f"COMMENT ON ROUTINE {name} IS NULL;"
        case _:
            yield 50, f"COMMENT ON {kind.upper()} {quoted(name)} IS NULL;"


def restore_owner(difference: Difference, gone: Mapping[str, str]) -> Iterator[tuple[float, str]]:
    object_name = difference.thing.removeprefix("owner of ")
    kind, _, name = object_name.partition(" ")
    if object_name in gone or f"table {name}" in gone:
        return
    if difference.found is None or difference.expected is not None:
        yield 90, f"-- {difference}: restore it by hand"
        return
    owner = difference.found.rpartition(", not ")[2]
    target = name if kind == "other" else f"ROUTINE {name}" if kind == "function" else f"{kind.upper()} {quoted(name)}"
    yield 60, f"ALTER {target} OWNER TO {owner};"


def restore_rights(
    difference: Difference, object_name: str, role: str, gone: Mapping[str, str]
) -> Iterator[tuple[float, str]]:
    kind, _, name = object_name.partition(" ")
    table, _, column = name.partition(".")
    if object_name in gone or f"table {table}" in gone:
        return
    wanted, found = levels(difference.expected), levels(difference.found)
    if difference.expected is None:  # the default of the kind
        wanted = _default(kind, role)
    elif difference.found is None:
        found = _default(kind, role)
    target = f"ROUTINE {name}" if kind == "function" else f"{kind.upper()} {quoted(name)}"
    if object_name.startswith("default privileges"):
        yield 70, f"-- {difference}: {'revoke' if difference.expected is None else 'restore'} it by hand"
    elif role == "owner":
        yield 70, f"GRANT ALL ON {target} TO CURRENT_USER;"
    else:
        column_name = quoted(column) if kind == "column" else ""
        target = f"TABLE {quoted(table)}" if kind == "column" else target
        yield from ((70, text) for text in changes(wanted, found, target, column_name, role))


def changes(wanted: dict[str, int], found: dict[str, int], target: str, column: str, role: str) -> Iterator[str]:
    """Yield REVOKE and GRANT for the rights whose levels differ."""
    rights = sorted(wanted.keys() | found.keys())
    pairs = {right: (wanted.get(right, 0), found.get(right, 0)) for right in rights}

    def listed(chosen: list[str]) -> str:
        return ", ".join(f"{right} ({column})" if column else right for right in chosen)

    if removed := [right for right, (to, since) in pairs.items() if to == 0 < since]:
        yield f"REVOKE {listed(removed)} ON {target} FROM {role};"
    if reduced := [right for right, pair in pairs.items() if pair == (1, GRANTABLE)]:
        yield f"REVOKE GRANT OPTION FOR {listed(reduced)} ON {target} FROM {role};"
    if added := [right for right, pair in pairs.items() if pair == (1, 0)]:
        yield f"GRANT {listed(added)} ON {target} TO {role};"
    if grantable := [right for right, (to, since) in pairs.items() if to == GRANTABLE > since]:
        yield f"GRANT {listed(grantable)} ON {target} TO {role} WITH GRANT OPTION;"


def levels(rights: str | None) -> dict[str, int]:
    """Return 1 for each right, or GRANTABLE."""
    listed = [] if rights in {None, "nothing"} else (rights or "").split(", ")
    return {right.removesuffix(OPTION): GRANTABLE if right.endswith(OPTION) else 1 for right in listed}


def _default(kind: str, role: str) -> dict[str, int]:
    """Return the rights that a role has on a new object of this kind."""
    return {"function": {"EXECUTE": 1}, "type": {"USAGE": 1}}.get(kind, {}) if role == "PUBLIC" else {}
