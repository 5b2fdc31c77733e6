"""SQL files: load one by its name, split one into statements, and list its tokens, with PostgreSQL's own parser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from app.settings import ROOT
from app.text import LineFinder

if TYPE_CHECKING:
    from pglast import ast  # at run time only inside the functions: the import takes 65 ms

# A string constant may have parts on several lines: 'a', a line break, and 'b' are one constant of PostgreSQL.
PLAIN_PART = re.compile(r"'(?:[^']|'')*'")
ESCAPED_PART = re.compile(r"'(?:[^'\\]|''|\\.)*'", re.DOTALL)
MAX_TOKENS = 20_000  # between two commas: pglast 8 crashes at 30,000 times "+ 1", which are 60,000
# Tokens that the scanner of PostgreSQL and this pattern read alike. Its own scan() makes an object for each token: that
# takes five times as long for a file of 20,000 INSERTs.
OPERATOR = r"[~!@\#^&|`?+\-*/%<>=]"
PLAIN_TOKEN = re.compile(
    rf"""
    [A-Za-z_][A-Za-z0-9_$]*+(?!['"&])         # a word, and not the beginning of E'...' or U&"..."
    | [0-9]++(?:\.[0-9]++)?(?![\w.$'"])        # a number without an exponent
    | '(?:[^'\\]|'')*+'(?=[ \t\n\r\f]*(?:[,);]|\Z))  # a string that has no second part on another line
    | [(),;\[\]]
    | \.(?=[A-Za-z_])
    | (?<!:)::(?![:=])
    | (?<!{OPERATOR})(?:<=|>=|<>|\|\||[=<>+*-])(?!{OPERATOR})
    """,
    re.VERBOSE | re.ASCII,
)
PLAIN = re.compile(rf"(?:[ \t\n\r\f]|{PLAIN_TOKEN.pattern})*+", re.VERBOSE | re.ASCII)
BETWEEN_PARTS = re.compile(r"(?:\s|--[^\n]*(?:\n|$))*")


class Statement(NamedTuple):
    """One statement of a file. Its parse tree is not kept, because those of a large file would fill the memory."""

    text: str  # without the semicolon and without comments around it
    line: int  # of the file, from 1
    start: int  # offset in the file, in characters

    def parse(self) -> ast.Node:
        """Return the parse tree. The locations of its nodes count from the beginning of the statement."""
        from pglast import parse_sql

        node = parse_sql(self.text)[0].stmt
        assert node is not None
        return node


@cache
def statement(name: str, folder: str = "queries") -> str:
    """Return the text of sql/FOLDER/NAME.sql with its header, which pg_stat_activity then shows.

    `name` may contain the folder, such as inspect/schema.
    """
    path = name if "/" in name else f"{folder}/{name}"
    return (ROOT / "sql" / f"{path}.sql").read_text(encoding="utf-8")


def split_statements(text: str) -> list[Statement]:
    """Return the statements of a file in order, in a time that grows with the file's size only.

    Raises pglast.parser.ParseError if PostgreSQL's parser rejects the file. If an expression in it is nested too
    deeply, PostgreSQL would reject it too, and the parse tree would need more stack than Python has.
    """
    from pglast import split
    from pglast.parser import ParseError

    line_of = LineFinder(text)
    found = []
    try:
        for part in split(text, only_slices=True):
            assert isinstance(part, slice)
            statement = Statement(text[part], line_of(part.start), part.start)
            if len(statement.text) > MAX_TOKENS and (at := _too_deep(statement.text)) is not None:
                raise ParseError(f"an expression is longer than {MAX_TOKENS:,} words without a comma", part.start + at)
            found.append(statement)
    except UnicodeEncodeError as error:
        raise ParseError("a character is half of a surrogate pair", error.start) from None
    return found


def statements(text: str) -> list[tuple[int, str]]:
    """Return each statement of a file as its line and its text. Raises pglast.parser.ParseError."""
    return [(each.line, each.text) for each in split_statements(text)]


def parts(text: str) -> Iterator[str]:
    """Yield a file in parts that PostgreSQL's scanner can read one by one: the statements, and the text between.

    A file that is not SQL is one part.
    """
    from pglast.parser import ParseError

    end = 0
    try:
        found = split_statements(text)
    except ParseError:
        found = []
    for each in found:
        yield text[end : each.start]
        yield each.text
        end = each.start + len(each.text)
    yield text[end:]


def comments(text: str) -> list[tuple[int, int]]:
    """Return the start and the end of each comment of SQL, in order. Raises pglast.parser.ParseError."""
    from pglast.parser import scan

    spans = []
    start = 0
    for part in parts(text):
        if "--" in part or "/*" in part:  # rarely: scan() makes an object for each token
            found = (token for token in scan(part) if token.name.endswith("_COMMENT"))
            spans += [(start + token.start, start + token.end + 1) for token in found]
        start += len(part)
    return spans


def _too_deep(text: str) -> int | None:
    """Return the offset at which a statement has more than MAX_TOKENS tokens between commas. Each may be a level."""
    from pglast.parser import scan

    counts, total = [0], 0  # by open parenthesis
    for token in scan(text):
        match text[token.start : token.end + 1]:
            case "(" | "[":
                counts.append(0)
            case ")" | "]" if len(counts) > 1:
                total -= counts.pop()
            case ",":
                total -= counts[-1]
                counts[-1] = 0
        counts[-1] += 1
        total += 1
        if total > MAX_TOKENS:
            return token.start
    return None


def tokens(text: str) -> list[str]:
    """Return the tokens of SQL as PostgreSQL's scanner reads them, without comments and the white space between.

    A string constant is one token, and so is the body of a function or DO block. Raises pglast.parser.ParseError.
    """
    if PLAIN.fullmatch(text):
        return PLAIN_TOKEN.findall(text)
    return scanned_tokens(text)


def scanned_tokens(text: str) -> list[str]:
    """Do what `tokens` does, with PostgreSQL's scanner for every text."""
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
