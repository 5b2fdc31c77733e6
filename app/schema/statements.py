"""SQL files: load one by its name, split one into statements, and list its tokens, with PostgreSQL's own parser."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from app.settings import ROOT

if TYPE_CHECKING:
    from pglast import ast  # at run time only inside the functions: the import takes 65 ms

# A string constant may have parts on several lines: 'a', a line break, and 'b' are one constant of PostgreSQL.
PLAIN_PART = re.compile(r"'(?:[^']|'')*'")
ESCAPED_PART = re.compile(r"'(?:[^'\\]|''|\\.)*'", re.DOTALL)
BETWEEN_PARTS = re.compile(r"(?:\s|--[^\n]*(?:\n|$))*")


class Statement(NamedTuple):
    """One statement of a file."""

    node: ast.Node
    text: str  # without the semicolon; comments between the statement before and this one may come first
    line: int  # of the file, from 1
    start: int  # offset in the file, in characters


@cache
def statement(name: str, folder: str = "queries") -> str:
    """Return the text of sql/FOLDER/NAME.sql with its header, which pg_stat_activity then shows.

    `name` may contain the folder, such as inspect/schema.
    """
    path = name if "/" in name else f"{folder}/{name}"
    return (ROOT / "sql" / f"{path}.sql").read_text(encoding="utf-8")


def parse(text: str) -> list[Statement]:
    """Return the statements of a file in order. Raises pglast.parser.ParseError."""
    from pglast import parse_sql

    parsed = []
    for raw in parse_sql(text):
        assert raw.stmt is not None
        start = raw.stmt_location or 0
        own = text[start : start + raw.stmt_len] if raw.stmt_len else text[start:]
        parsed.append(Statement(raw.stmt, own, text.count("\n", 0, start) + 1, start))
    return parsed


def statements(text: str) -> list[tuple[int, str]]:
    """Return each statement of a file as its line and its text. Raises pglast.parser.ParseError."""
    return [(each.line, each.text.strip()) for each in parse(text)]


def tokens(text: str) -> list[str]:
    """Return the tokens of SQL as PostgreSQL's scanner reads them, without comments and the white space between.

    A string constant is one token, and so is the body of a function or DO block. Raises pglast.parser.ParseError.
    """
    from pglast.parser import scan

    scanned = ((token.name, text[token.start : token.end + 1]) for token in scan(text))
    return [
        _joined(word) if name.endswith("CONST") and not word.startswith("$") else word
        for name, word in scanned
        if not name.endswith("_COMMENT")
    ]


def _joined(constant: str) -> str:
    """Return a constant in quotes with one line break between its parts, whatever stands there."""
    start = constant.find("'")
    if start < 0:  # a number
        return constant
    part = ESCAPED_PART if constant[:start].lower() == "e" else PLAIN_PART
    words = []
    while match := part.match(constant, start):
        words.append(match[0])
        between = BETWEEN_PARTS.match(constant, match.end())
        start = between.end() if between else len(constant)
    return constant[: constant.find("'")] + "\n".join(words) if start == len(constant) else constant
