"""SQL headers: the sections, directives, and examples in the comment that a SQL file begins with."""

import re
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from app.schema.files import read_text

# The directives, and patterns for the beginning of their values: `-- depend: 0001_x` is a misspelt one, and not prose.
DIRECTIVE_VALUES = {
    "transactional": "true|false|on|off",
    "depends": "[0-9]",
    "backfill": '[a-z_"]',
    "phase": "expand|background|contract",
    "irreversible": "",
    "baseline": r"[\w.+/-]+, for [0-9]",
    "loses": "",
    "rows to lose": "",
}
HEADER_LINE = re.compile(r"\s*(--.*)?")
DIRECTIVE = re.compile(rf"\s*--\s*({'|'.join(DIRECTIVE_VALUES)})\s*:\s*(.*)")
SECTION = re.compile(rf"(What|Why|Locks|Cost|{'|'.join(DIRECTIVE_VALUES)}):\s+(.*)")
NOTHING = re.compile(r"nothing\s*([(,;:.].*)?")  # not "nothing but the titles"

SENTENCE = re.compile(r".*?[.](?=\s|$)", re.DOTALL)
AFTER_PURPOSE = ("$", "Index:")  # how the lines between the purpose of a query and its examples begin
EXAMPLE = re.compile(r"--\s*example\b\s*([^:]*?)\s*:\s*(.*?)\s*")


@dataclass(frozen=True)
class Example:
    """Example of a query's parameters, from a line `-- example WORDS: EXPRESSION, ...` of its header."""

    line: int
    words: str  # which case it is
    expressions: str  # SQL, one for each parameter


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
    by_name = {"": ""}
    name = ""
    for line in _header(text):
        words = line.strip()
        if match := SECTION.fullmatch(line):
            name, by_name[match[1]] = match[1], match[2]
        elif words:
            by_name[name] += ("\n" if words.startswith("* ") else " " if by_name[name] else "") + words
    return by_name


def purpose(text: str) -> str:
    """Return the purpose of a query: the first sentence of its header, without its name."""
    end = next((example.line - 1 for example in example_lines(text)), None)
    lines = takewhile(lambda line: not line.startswith(AFTER_PURPOSE), _header(text)[:end])
    words = " ".join(line.strip() for line in lines).partition(": ")[2]
    match = SENTENCE.match(words)
    return match[0] if match else words


def directives(path: Path) -> dict[str, str]:
    """Return the directives of a migration file by their keys. Raises OSError or UnicodeError."""
    return directives_of(read_text(path))


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


def example_lines(sql: str) -> list[Example]:
    """Return the examples in a query's header, also those without words or expressions.

    The first line is none, because it has the name and the purpose of the query.
    """
    lines = enumerate(_comments(sql), 1)
    matches = [(number, EXAMPLE.fullmatch(line)) for number, line in lines if number > 1]
    return [Example(number, match[1], match[2]) for number, match in matches if match]


def examples(sql: str) -> list[tuple[str, str]]:
    """Return the words and the expressions of each example in a query's header.

    Return one example with neither if the header has none.
    """
    return [(each.words, each.expressions) for each in example_lines(sql)] or [("", "")]


def _comments(text: str) -> list[str]:
    """Return the lines of the comment that the file begins with."""
    return list(takewhile(lambda line: line.startswith("--"), text.split("\n")))


def _header(text: str) -> list[str]:
    """Return the lines of the comment that the file begins with, without their marks."""
    return [re.sub("^-- ?", "", line).rstrip() for line in _comments(text)]
