"""Schema drift: the differences between a live schema and sql/schema.sql.

`schema status`, `schema drift` and GET /v1/schema compare the lines of sql/inspect/schema.sql, each with its driver.
sql/drift.ignore names, with a reason, what others may change.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from app.errors import CommandError
from app.program import SCHEMA
from app.project import current
from app.schema.files import read_own
from app.schema.view_definition import is_same

THINGS = f"""
-- One line for each thing, in the format of sql/inspect/schema.sql. `{SCHEMA} status` finds drift with it:
"""
IGNORE = "drift.ignore"  # the file, in sql/
RULE = re.compile(r"(?P<pattern>\S.*?)\s+#\s*(?P<reason>\S.*)")
GRANT = re.compile(r"grant on (?P<object>.+) to (?P<role>.+)")
PART = re.compile(
    r"(?:column|constraint|trigger|rule|policy|storage of|compression of|statistics target of|options of) (.+?)\."
)
OF_INDEX = re.compile(r"CREATE (?:UNIQUE )?INDEX \S+ ON (?:ONLY )?(\S+) ")
ABOUT = re.compile(r"(?:comment on|owner of|grant on) (.+?)(?: to .+)?")
# Patterns with a letter of the system catalogs, and its words, by the kind of thing.
ENABLED = {r"(?<=, )enabled ([DRA])$": {"D": "disabled", "R": "enabled on replicas only", "A": "enabled always"}}
WORDS: dict[str, dict[str, dict[str, str]]] = {
    "table": {
        r"^kind ([rpvmSf])": {
            "r": "table",
            "p": "partitioned table",
            "v": "view",
            "m": "materialized view",
            "S": "sequence",
            "f": "foreign table",
        },
        r"(?<=, )persistence ([put])": {"p": "logged", "u": "unlogged", "t": "temporary"},
        r"(?<=, replica identity )([fin])": {"f": "full", "i": "by an index", "n": "nothing"},
    },
    "column": {
        r"(?<=, identity )([ad])(?=$|, generated .$)": {"a": "always", "d": "by default"},
        r"(?<=, generated )([sv])$": {"s": "stored", "v": "virtual"},
    },
    "type": {
        r"^kind ([bcdepr])": {
            "b": "base type",
            "c": "composite",
            "d": "domain",
            "e": "enum",
            "p": "shell type",
            "r": "range",
        }
    },
    "trigger": ENABLED,
    "rule": ENABLED,
}
NO_RIGHT = "nothing"  # in sql/inspect/schema.sql: a role lacks the rights that PostgreSQL gives by default
BY_DEFAULT = "the rights that PostgreSQL gives by default"
FIXED_ROLES = {"PUBLIC", "owner"}


@dataclass(frozen=True)
class Difference:
    """One thing in which the schemas differ. None: it is not there."""

    thing: str
    expected: str | None
    found: str | None

    def __str__(self) -> str:
        if self.thing.startswith("grant on ") and NO_RIGHT in (self.expected, self.found):
            # Without a line, a role has what PostgreSQL gives by default: for example, PUBLIC may call each function.
            return f"{self.thing}: expected {self.expected or BY_DEFAULT}, found {self.found or BY_DEFAULT}"
        if self.found is None:
            return f"{self.thing}: expected, not found"
        if self.expected is None:
            is_plain = not self.thing.startswith(("grant on ", "owner of ", "statistics target of "))
            return f"{self.thing}: not in schema.sql" if is_plain else f"{self.thing}: {self.found}, not in schema.sql"
        return f"{self.thing}: expected {in_words(self.thing, self.expected)}, found {in_words(self.thing, self.found)}"


def in_words(thing: str, definition: str) -> str:
    """Return a definition with words for the letters of the system catalogs: `enabled D` is `disabled`."""
    for pattern, words in WORDS.get(thing.partition(" ")[0], {}).items():
        if match := re.search(pattern, definition):
            definition = f"{definition[: match.start()]}{words[match[1]]}{definition[match.end() :]}"
    return definition


@dataclass(frozen=True)
class Rule:
    """A line of drift.ignore."""

    line: int
    pattern: str
    reason: str  # "" if the line is wrong: it ignores nothing

    def covers(self, difference: Difference) -> bool:
        """Return whether the pattern matches the thing, or the table that it belongs to."""
        names = {difference.thing, f"table {_table_of(difference)}"}
        return bool(self.reason) and any(fnmatchcase(name, self.pattern) for name in names)


@dataclass(frozen=True)
class Drift:
    """Result of a comparison. `every` also has the parts of things that are missing or too many as a whole."""

    differences: list[Difference]
    every: list[Difference]
    ignored: list[tuple[Difference, Rule]]
    unused: list[Rule]
    wrong: list[Rule]

    @property
    def words(self) -> list[str]:
        """Return each difference in words, and each wrong line of drift.ignore."""
        lines = [str(each) for each in self.differences]
        return lines + [
            f"{IGNORE} line {rule.line}: {rule.pattern!r} has no reason: write PATTERN  # REASON" for rule in self.wrong
        ]


def drift(lines: Iterable[str]) -> list[str]:
    """Return each difference in words. `lines` are those of a live database."""
    return compare_with_file(lines).words


def compare_with_file(lines: Iterable[str]) -> Drift:
    """Compare the lines of a live database with schema.sql, without what drift.ignore covers."""
    project = current()
    text = read_schema_file()
    expected = _by_thing(line.removeprefix("-- ") for line in text.partition(THINGS)[2].splitlines())
    ignore = project.sql / IGNORE
    rules = read_rules(read_own(ignore)) if ignore.exists() else []
    return compare(expected, _by_thing(lines), rules)


def read_schema_file() -> str:
    """Return the text of schema.sql. Raises CommandError: the project does not have the file yet."""
    file = current().schema_file
    try:
        return read_own(file)
    except CommandError as error:
        raise CommandError(
            f"the schema cannot be compared, because {error.message}",
            f"write it from a migrated database: {SCHEMA} dump --output {current().shown(file)}",
        ) from error


def schemas(text: str) -> list[str]:
    """Return the schemas that schema.sql creates, as quoted in SQL."""
    return re.findall(r"^CREATE SCHEMA (.+);$", text.partition(THINGS)[0], re.MULTILINE)


def read_rules(text: str) -> list[Rule]:
    """Return the rules of drift.ignore. A line that begins with # is a comment."""
    rules = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            match = RULE.fullmatch(line.strip())
            rules.append(Rule(number, match["pattern"], match["reason"]) if match else Rule(number, line.strip(), ""))
    return rules


def compare(expected: Mapping[str, str], actual: Mapping[str, str], rules: Iterable[Rule] = ()) -> Drift:
    """Return the differences, sorted: the missing things, those that are too many, and those that differ."""
    rules = list(rules)
    expected = _with_live_roles(expected, actual)
    found = [Difference(thing, expected[thing], None) for thing in sorted(expected.keys() - actual.keys())]
    found += [Difference(thing, None, actual[thing]) for thing in sorted(actual.keys() - expected.keys())]
    found += [
        Difference(thing, expected[thing], actual[thing])
        for thing in sorted(expected.keys() & actual.keys())
        if expected[thing] != actual[thing] and not is_same(expected[thing], actual[thing])
    ]
    covered = {each: rule for each in found for rule in reversed(rules) if rule.covers(each)}
    left = [each for each in found if each not in covered]
    whole = {each.thing for each in left if each.expected is None or each.found is None}
    return Drift(
        [each for each in left if not _is_part_of(each, whole)],
        left,
        list(covered.items()),
        [rule for rule in rules if rule.reason and not any(rule.covers(each) for each in found)],
        [rule for rule in rules if not rule.reason],
    )


def _is_part_of(difference: Difference, whole: set[str]) -> bool:
    match = ABOUT.fullmatch(difference.thing)
    return match is not None and match[1] in whole


def _table_of(difference: Difference) -> str:
    """Return the table that a thing belongs to, or ""."""
    thing = difference.thing
    if match := ABOUT.fullmatch(thing):
        thing = match[1]
    if thing.startswith("table "):
        return thing.removeprefix("table ")
    if match := PART.match(thing):
        return match[1]
    match = OF_INDEX.match(difference.expected or difference.found or "")
    return match[1] if match else ""


def _with_live_roles(expected: Mapping[str, str], actual: Mapping[str, str]) -> dict[str, str]:
    """Return what is expected with the names of the live roles.

    A role without any right here does not exist, or the service connects as the owner: nothing is expected of it. If
    another role has exactly its rights, it is the same role under the name of this installation.
    """
    wanted, live = _rights(expected), _rights(actual)
    names: dict[str, str | None] = {}
    for role, rights in wanted.items():
        if role not in live and role not in FIXED_ROLES:
            alike = [
                other for other in live if other not in wanted and other not in FIXED_ROLES and live[other] == rights
            ]
            names[role] = alike[0] if alike else None
    renamed = {}
    for thing, definition in expected.items():
        match = GRANT.fullmatch(thing)
        if match is None or match["role"] not in names:
            renamed[thing] = definition
        elif live_role := names[match["role"]]:
            renamed[f"grant on {match['object']} to {live_role}"] = definition
    return renamed


def _rights(things: Mapping[str, str]) -> dict[str, dict[str, str]]:
    rights: dict[str, dict[str, str]] = {}
    for thing, definition in things.items():
        if match := GRANT.fullmatch(thing):
            rights.setdefault(match["role"], {})[match["object"]] = definition
    return rights


def _by_thing(lines: Iterable[str]) -> dict[str, str]:
    return {thing: definition for thing, _, definition in (line.partition(": ") for line in lines)}
