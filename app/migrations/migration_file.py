"""Migration file: its text, directives, statements, and yoyo's steps, with the faults that show while it is read.

yoyo ignores a directive that is misspelt or in another place, and its splitter, sqlparse, can cut a statement in two.
Here PostgreSQL's own parser reads the file too, and each difference is a fault.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import takewhile
from pathlib import Path

import sqlparse

from app.project import current
from app.schema.files import ADVICE, read_bytes
from app.schema.headers import DIRECTIVE, DIRECTIVE_VALUES, HEADER_LINE, directives
from app.schema.phases import PHASES
from app.schema.statements import Statement, comments, split_statements
from app.text import LineFinder, one_line

# The directives that have no effect, by whether the file is a rollback.
MISPLACED = {False: ("loses", "rows to lose"), True: ("depends", "irreversible", "backfill", "phase", "baseline")}
LIKE_A_DIRECTIVE = re.compile(r"[-/*#\s]*([a-z][a-z _-]*?)\s*[:=]\s*(.*)", re.IGNORECASE)
SIMILARITY = 0.82  # of a misspelt directive to the right one, from 0 to 1

COPY_DATA = re.compile(r"\bCOPY\b[^;]*\bFROM\s+STDIN\b[^;]*;\s*\Z", re.IGNORECASE)
COPY_PROBLEM = "COPY FROM STDIN and COPY TO STDOUT are for psql: yoyo sends no data"
COPY_ADVICE = "write INSERT ... VALUES, or remove it"

# A statement in which sqlparse can find no other end than its semicolon, and the text between two.
PLAIN = re.compile(r"""(?:[\w\s.,()=<>+*:]+|-(?!-)|'[^'\\;]*'|"[^"\\;]*")*+""", re.ASCII)
SPLITTING = re.compile(r"\b(BEGIN|CASE|DECLARE|END|FOR|FOREACH|IF|LOOP|WHILE)\b", re.IGNORECASE)
SPACE = r"\s*(?:--[^\n]*\n\s*)*+"  # and comments
BEFORE, AFTER = re.compile(SPACE), re.compile(r";?\s*")

Span = tuple[int, int]  # start and end in the text, in characters


@dataclass(frozen=True, order=True)
class Fault:
    """One fault of a migration's file."""

    path: Path
    line: int  # from 1
    what: str  # the problem
    todo: str  # the advice
    rule: str = "syntax-error"  # its heading in docs/reference/lint-rules.md

    def __str__(self) -> str:
        return f"{current().shown(self.path.absolute())}:{self.line}: {self.what}: {self.todo}"


@dataclass
class MigrationFile:
    """A migration or a rollback as read from its file."""

    path: Path
    text: str | None = None  # with \n as line end; None if it cannot be read
    directives: dict[str, tuple[int, str]] = field(default_factory=dict)  # line and value by key
    statements: list[Statement] = field(default_factory=list)  # empty if it does not parse
    steps: list[int] = field(default_factory=list)  # lines of the statements that yoyo would run
    faults: list[Fault] = field(default_factory=list)

    @property
    def transactional(self) -> bool:
        """Return whether yoyo runs the file in a transaction."""
        return self.directives.get("transactional", (1, "true"))[1] != "false"

    def add(self, rule: str, line: int, what: str, todo: str) -> None:
        """Add a fault."""
        self.faults.append(Fault(self.path, line, what, todo, rule))


def read_header(path: Path) -> MigrationFile:
    """Read only the directives of a file. Raises OSError or UnicodeError."""
    return MigrationFile(path, directives={name: (1, value) for name, value in directives(path).items()})


def read_file(path: Path) -> MigrationFile:
    """Read a file. A file that is no text has one fault, and no statements."""
    file = MigrationFile(path)
    content = b""
    try:
        content = read_bytes(path)
        text = re.sub("\r\n?", "\n", content.decode())
    except OSError as error:
        file.add("file-text", 1, f"cannot be read: {error.strerror}", ADVICE)
    except UnicodeDecodeError as error:
        line = _line(content[: error.start].decode().replace("\r\n", "\n").replace("\r", "\n"))
        file.add("file-text", line, f"byte 0x{content[error.start]:02x} is not UTF-8", "save the file as UTF-8")
    else:
        if text.startswith("\ufeff"):
            file.add("file-text", 1, "begins with a byte order mark", "save the file as UTF-8 without one")
        elif "\0" in text:
            file.add("file-text", _line(text[: text.index("\0")]), "contains a NUL character", "remove it")
        else:
            file.text = text
            _parse(file, text)
    return file


def _line(before: str) -> int:
    return before.count("\n") + 1


def _parse(file: MigrationFile, text: str) -> None:
    from pglast.parser import ParseError  # here, because the import takes 65 ms

    end = len(text)
    try:
        file.statements = split_statements(text)
        if not file.statements:
            file.add("syntax-error", 1, "has no statement", "write one, or remove the file")
    except ParseError as error:
        message, index = error.args
        end = len(text.rstrip()) if index is None else index
        _add_syntax_error(file, text, end, message)
    spans = _comments(text, end)
    _read_directives(file, text, spans)
    if file.statements:
        _compare_steps(file, text, spans)


def _comments(text: str, end: int) -> list[Span]:
    """Return the comments before the end, which is that of the text or a syntax error."""
    from pglast.parser import ParseError, scan

    try:
        if end == len(text):
            return comments(text)
        return [(token.start, token.end + 1) for token in scan(text[:end]) if token.name.endswith("_COMMENT")]
    except ParseError:  # the scanner rejects it too: what is left is the header
        spans, start = [], 0
        for line in takewhile(HEADER_LINE.fullmatch, text.split("\n")):
            spans.append((start, start + len(line)))
            start += len(line) + 1
        return spans


def _add_syntax_error(file: MigrationFile, text: str, end: int, message: str) -> None:
    if data := COPY_DATA.search(text, 0, end):
        file.add("client-copy", _line(text[: data.start()]), COPY_PROBLEM, COPY_ADVICE)
    elif text.startswith("\\", end):
        what = f"{text[end:].split()[0].rstrip(';')} is a command of psql, not SQL"
        file.add("syntax-error", _line(text[:end]), what, "remove it, or write it in SQL")
    else:
        todo = "fix the statement: PostgreSQL's parser rejects it"
        file.add("syntax-error", _line(text[:end]), one_line(message)[:150], todo)


def _read_directives(file: MigrationFile, text: str, spans: list[Span]) -> None:
    """Read the directives, misspelt ones too. It is a fault if yoyo or `directives` would read it otherwise."""
    rollback = ".rollback" in file.path.name
    lines = text.split("\n")
    header = len(list(takewhile(HEADER_LINE.fullmatch, lines)))
    line_of = LineFinder(text)
    numbered = [pair for start, end in spans for pair in enumerate(text[start:end].split("\n"), line_of(start))]
    for line, comment in numbered:
        match = LIKE_A_DIRECTIVE.match(comment)
        key = match and _meant(match[1], match[2])
        if not match or not key:
            continue
        exact = DIRECTIVE.fullmatch(lines[line - 1])
        value = exact[2] if exact else match[2].rstrip("*/ ")
        if key in MISPLACED[rollback]:
            here, other = ("a rollback", "the migration") if rollback else ("a migration", "its rollback")
            todo = f"move `-- {key}: ...` to {other}, or remove it"
            file.add("directive", line, f"`{match[1]}` has no effect in {here}", todo)
        elif line > header:
            todo = f"move `-- {key}: ...` up, to the -- lines before the first statement"
            file.add("directive", line, f"`{match[1]}` is ignored here", todo)
        elif not exact:
            todo = f"write `-- {key}: ...`, in lower case"
            file.add("directive", line, f"`{one_line(comment)[:60]}` is ignored", todo)
        elif key in file.directives:
            todo = "write all names into one line: `-- depends: A B`" if key == "depends" else "keep one"
            file.add("directive", line, f"`-- {key}:` is given twice", todo)
        elif key == "transactional" and value not in {"true", "false"}:
            todo = "write `-- transactional: false`, and nothing after it"
            file.add("directive", line, f"transactional is {value!r}", todo)
        elif key == "phase" and value.strip() not in PHASES:
            todo = "write `-- phase: expand`, `background` or `contract`, and nothing after it"
            file.add("directive", line, f"phase is {value!r}", todo)
        elif key in {"irreversible", "loses", "backfill"} and not value.strip():
            todo = {"loses": "name the loss, or write `-- loses: nothing`", "backfill": "name the table"}.get(
                key, "give the reason"
            )
            file.add("directive", line, f"`-- {key}:` is empty", todo)
        file.directives.setdefault(key, (line, value.strip()))


def _meant(word: str, value: str) -> str | None:
    """Return the directive that a word before a colon stands for. Return None if it stands for no directive."""
    word = re.sub(r"[\s_-]+", " ", word.lower())
    if word in DIRECTIVE_VALUES:
        return word
    candidates = [key for key in DIRECTIVE_VALUES if key[:1] == word[:1]]
    near = next(iter(get_close_matches(word, candidates, 1, SIMILARITY)), None)
    return near if near and re.match(DIRECTIVE_VALUES[near], value, re.IGNORECASE) else None


def _compare_steps(file: MigrationFile, text: str, comments: list[Span]) -> None:
    """Compare what stock yoyo would run, step by step, with PostgreSQL's statements and comments."""
    line_of = LineFinder(text)
    last = len(text.rstrip())
    spans = [(each.start, min(each.start + len(each.text), last)) for each in file.statements]
    starts, ends = [start for start, _ in spans], [end for _, end in comments]
    for step in _steps(text, file.statements):
        start, end = step
        file.steps.append(line_of(start))
        begun = spans[bisect_left(starts, start) : bisect_left(starts, end)]
        open_comment = comments[bisect_right(ends, end) :][:1]
        cut = [span for span in [*begun[-1:], *open_comment] if span[0] < end < span[1]]
        if cut:
            todo = "write it without nested comments" if "/*" in text[start:end] else "write it in another way"
            file.add("splitting", line_of(min(cut)[0]), "yoyo's splitter would cut this statement in two", todo)
        elif len(begun) > 1:
            what = "yoyo's splitter would run this statement and the one before it as one"
            todo = "quote the names before it that are keywords, or split the file"
            file.add("splitting", line_of(begun[1][0]), what, todo)


def _steps(text: str, statements: list[Statement]) -> Iterator[Span]:
    """Yield the statements as sqlparse splits them.

    The library sqlparse needs 9 s for 20,000 INSERTs. So it gets only those that it might split in another way than
    PostgreSQL, each with the one after it. The text before them does not matter: it keeps no state between statements.
    """
    doubtful = None  # offset at which the text for sqlparse begins
    end = 0
    for each, following in zip(statements, [*statements[1:], None], strict=True):
        start, stop = end, each.start + len(each.text)
        end = text.find(";", stop) + 1 or len(text) if following else len(text)
        is_plain = (
            BEFORE.fullmatch(text, start, each.start)
            and PLAIN.fullmatch(each.text)
            and not SPLITTING.search(each.text)
            and (following or AFTER.fullmatch(text, stop))
        )
        if doubtful is None and is_plain:
            yield each.start, end
        elif is_plain or not following:
            yield from _split(text, start if doubtful is None else doubtful, end)
            doubtful = None
        elif doubtful is None:
            doubtful = start


def _split(text: str, start: int, end: int) -> Iterator[Span]:
    for step in filter(None, sqlparse.split(text[start:end])):
        start = text.index(step, start)
        yield start, start + len(step)
        start += len(step)
