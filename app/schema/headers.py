"""SQL headers: the sections, directives, and examples in the comment that a SQL file begins with."""

import re
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

SECTION = re.compile(r"(What|Why|Locks|Cost|loses|rows to lose|transactional|depends|irreversible):\s+(.*)")
SENTENCE = re.compile(r".*?[.](?=\s|$)", re.DOTALL)
AFTER_PURPOSE = ("$", "Index:", "example ")  # how the lines after the purpose of a query begin

# The directives, and patterns for the beginning of their values: `-- depend: 0001_x` is a misspelt one, and not prose.
KEYS = {"transactional": "true|false|on|off", "depends": "[0-9]", "irreversible": "", "loses": "", "rows to lose": ""}
HEADER_LINE = re.compile(r"\s*(--.*)?")
DIRECTIVE = re.compile(rf"\s*--\s*({'|'.join(KEYS)})\s*:\s*(.*)")
NOTHING = re.compile(r"nothing\s*([(,;:.].*)?")  # not "nothing but the titles"

EXAMPLE = re.compile(r"^-- example ([^:]+): (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Rollback:
    """Rollback of a migration, as the headers describe it.

    `loses` is "" if there is no rollback file, and begins with "nothing" if nothing is lost.
    """

    loses: str
    rows_to_lose: str | None  # a SELECT that counts them
    irreversible: str | None  # the reason


def sections(text: str) -> dict[str, str]:
    """Return the header of a migration or a rollback: its title as "", and each section by its name, such as "Locks".

    Wrapped lines are joined. Each item of a list has its own line.
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
    """Return the purpose of a query: the first sentence of its header, without its name."""
    lines = takewhile(lambda line: not line.startswith(AFTER_PURPOSE), _header(text))
    words = " ".join(line.strip() for line in lines).partition(": ")[2]
    match = SENTENCE.match(words)
    return match[0] if match else words


def directives(path: Path) -> dict[str, str]:
    """Return the directives of a migration file by their keys. Raises OSError or UnicodeError."""
    return directives_of(path.read_text(encoding="utf-8"))


def directives_of(text: str) -> dict[str, str]:
    """Return the directives of a migration's text by their keys, as yoyo and the migrator obey them."""
    lines = takewhile(HEADER_LINE.fullmatch, text.split("\n"))
    return {match[1]: match[2].strip() for line in lines if (match := DIRECTIVE.fullmatch(line))}


def rollback_of(migration: Path) -> Rollback:
    """Return the rollback of a migration from its header and that of its rollback file.

    Raises OSError or UnicodeError.
    """
    path = migration.with_suffix(".rollback.sql")
    header = directives(path) if path.exists() else {}
    return Rollback(header.get("loses", ""), header.get("rows to lose"), directives(migration).get("irreversible"))


def transactional(migration: Path) -> bool:
    """Return whether yoyo runs the migration in a transaction. Raises OSError or UnicodeError."""
    return directives(migration).get("transactional") != "false"


def examples(sql: str) -> list[tuple[str, str]]:
    """Return the examples in a query's header, each with its words and its arguments.

    Return one example with neither if the header has none.
    """
    return EXAMPLE.findall(sql) or [("", "")]


def _header(text: str) -> list[str]:
    """Return the lines of the comment that the file begins with, without their marks."""
    comments = takewhile(lambda line: line.startswith("--"), text.splitlines())
    return [re.sub("^-- ?", "", line).rstrip() for line in comments]
