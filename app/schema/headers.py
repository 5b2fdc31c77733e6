"""What the headers of the SQL files tell people; directives too, as they stand."""

import re
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

SECTION = re.compile(r"(What|Why|Locks|Cost|loses|rows to lose|transactional|depends|irreversible):\s+(.*)")
SENTENCE = re.compile(r".*?[.](?=\s|$)", re.DOTALL)
REST = ("$", "Index:", "example ")


def sections(text: str) -> dict[str, str]:
    """The header of a migration or a rollback: its title as "", and each section by its name, as "Locks" and "loses".

    Lines that were wrapped are joined; a point of a list has a line of its own.
    """
    found = {"": ""}
    name = ""
    for line in _header(text):
        word = line.strip()
        if match := SECTION.fullmatch(line):
            name, found[match[1]] = match[1], match[2]
        elif word:
            found[name] += ("\n" if word.startswith("* ") else " " if found[name] else "") + word
    return found


def purpose(text: str) -> str:
    """What a query is for: the first sentence of its header, without its name."""
    lines = takewhile(lambda line: not line.startswith(REST), _header(text))
    words = " ".join(line.strip() for line in lines).partition(": ")[2]
    match = SENTENCE.match(words)
    return match[0] if match else words


def _header(text: str) -> list[str]:
    """The lines of the comment that the file begins with, without their marks."""
    comments = takewhile(lambda line: line.startswith("--"), text.splitlines())
    return [re.sub("^-- ?", "", line).rstrip() for line in comments]


# The directives, and what a value begins with: by that `-- depend: 0001_x` is told from prose.
KEYS = {"transactional": "true|false|on|off", "depends": "[0-9]", "irreversible": "", "loses": "", "rows to lose": ""}
HEADER_LINE = re.compile(r"\s*(--.*)?")
DIRECTIVE = re.compile(rf"\s*--\s*({'|'.join(KEYS)})\s*:\s*(.*)")
NOTHING = re.compile(r"nothing\s*([(,;:.].*)?")  # not "nothing but the titles"


@dataclass(frozen=True)
class Rollback:
    """What the headers say of a rollback. `loses` begins with "nothing" where that is so; "" where there is no twin."""

    loses: str
    rows_to_lose: str | None
    irreversible: str | None


def rollback_of(migration: Path) -> Rollback:
    """Read the headers of a migration and of its twin. Raises OSError or UnicodeError where `faults` would tell it."""
    twin = migration.with_suffix(".rollback.sql")
    header = directives(twin) if twin.exists() else {}
    return Rollback(header.get("loses", ""), header.get("rows to lose"), directives(migration).get("irreversible"))


def transactional(migration: Path) -> bool:
    """Whether yoyo runs it in a transaction. Raises OSError or UnicodeError as `rollback_of` does."""
    return directives(migration).get("transactional") != "false"


def directives(path: Path) -> dict[str, str]:
    """Return the directives of a migration file by their keys. Raises OSError or UnicodeError."""
    lines = takewhile(HEADER_LINE.fullmatch, path.read_text(encoding="utf-8").split("\n"))
    return {match[1]: match[2].strip() for line in lines if (match := DIRECTIVE.fullmatch(line))}


EXAMPLE = re.compile(r"^-- example ([^:]+): (.+)$", re.MULTILINE)


def examples(sql: str) -> list[tuple[str, str]]:
    """The examples in a query's header, each its words and its arguments; one without either where it has no header."""
    return EXAMPLE.findall(sql) or [("", "")]
