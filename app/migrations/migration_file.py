"""Migration file: its text, directives, statements, and yoyo's steps, with the faults that show while it is read.

yoyo ignores a directive that is misspelt or in another place, and its splitter, sqlparse, can cut a statement in two.
Here PostgreSQL's own parser reads the file too, and each difference is a fault.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

import sqlparse

from app.project import current
from app.schema.headers import DIRECTIVE, DIRECTIVE_VALUES, HEADER_LINE
from app.schema.phases import PHASES
from app.schema.statements import parse
from app.text import one_line

if TYPE_CHECKING:
    from pglast import ast  # at run time only inside the functions: the import takes 65 ms

# The directives that have no effect, by whether the file is a rollback.
MISPLACED = {False: ("loses", "rows to lose"), True: ("depends", "irreversible", "backfill", "phase")}
LIKE_A_DIRECTIVE = re.compile(r"[-/*#\s]*([a-z][a-z _-]*?)\s*[:=]\s*(.*)", re.IGNORECASE)
SIMILARITY = 0.82  # of a misspelt directive to the right one, from 0 to 1

COPY_DATA = re.compile(r"\bCOPY\b[^;]*\bFROM\s+STDIN\b[^;]*;\s*\Z", re.IGNORECASE)
COPY_PROBLEM = "COPY FROM STDIN and COPY TO STDOUT are for psql: yoyo sends no data"
COPY_ADVICE = "write INSERT ... VALUES, or remove it"

Span = tuple[int, int]  # start and end in the text, in characters


@dataclass(frozen=True, order=True)
class Fault:
    """One fault of a migration's file."""

    path: Path
    line: int  # from 1
    what: str  # the problem
    todo: str  # the advice
    rule: str = "syntax-error"  # its heading in sql/README.md

    def __str__(self) -> str:
        return f"{current().shown(self.path.absolute())}:{self.line}: {self.what}: {self.todo}"


@dataclass
class MigrationFile:
    """A migration or a rollback as read from its file."""

    path: Path
    text: str | None = None  # with \n as line end; None if it cannot be read
    directives: dict[str, tuple[int, str]] = field(default_factory=dict)  # line and value by key
    statements: list[tuple[int, ast.Node]] = field(default_factory=list)  # line and node; empty if it does not parse
    steps: list[int] = field(default_factory=list)  # lines of the statements that yoyo would run
    faults: list[Fault] = field(default_factory=list)

    @property
    def transactional(self) -> bool:
        """Return whether yoyo runs the file in a transaction."""
        return self.directives.get("transactional", (1, "true"))[1] != "false"

    def add(self, rule: str, line: int, what: str, todo: str) -> None:
        """Add a fault."""
        self.faults.append(Fault(self.path, line, what, todo, rule))


def read_file(path: Path) -> MigrationFile:
    """Read a file. A file that is no text has one fault, and no statements."""
    file = MigrationFile(path)
    content = b""
    try:
        content = path.read_bytes()
        text = re.sub("\r\n?", "\n", content.decode())
    except OSError as error:
        todo = "put a file here that the migrator's user may read, or remove it"
        file.add("file-text", 1, f"cannot be read: {error.strerror}", todo)
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
    from pglast.parser import ParseError, scan

    end = len(text.rstrip())
    spans: list[Span] = []
    try:
        for each in parse(text):
            spans.append((each.start, min(each.start + len(each.text), end)))
            file.statements.append((each.line, each.node))
        if not spans:
            file.add("syntax-error", 1, "has no statement", "write one, or remove the file")
    except ParseError as error:
        message, index = error.args
        end = end if index is None else index
        _add_syntax_error(file, text, end, message)
    comments = [(token.start, token.end + 1) for token in scan(text[:end]) if token.name.endswith("_COMMENT")]
    _read_directives(file, text, comments)
    if spans:
        _compare_steps(file, text, spans, comments)


def _add_syntax_error(file: MigrationFile, text: str, end: int, message: str) -> None:
    if data := COPY_DATA.search(text, 0, end):
        file.add("client-copy", _line(text[: data.start()]), COPY_PROBLEM, COPY_ADVICE)
    elif text.startswith("\\", end):
        what = f"{text[end:].split()[0].rstrip(';')} is a command of psql, not SQL"
        file.add("syntax-error", _line(text[:end]), what, "remove it, or write it in SQL")
    else:
        todo = "fix the statement: PostgreSQL's parser rejects it"
        file.add("syntax-error", _line(text[:end]), one_line(message)[:150], todo)


def _read_directives(file: MigrationFile, text: str, comments: list[Span]) -> None:
    """Read the directives, misspelt ones too. It is a fault if yoyo or `directives` would read it otherwise."""
    rollback = ".rollback" in file.path.name
    lines = text.split("\n")
    header = len(list(takewhile(HEADER_LINE.fullmatch, lines)))
    numbered = [pair for start, end in comments for pair in enumerate(text[start:end].split("\n"), _line(text[:start]))]
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
            file.add("directive", line, f"`-- {key}:` is given twice", "keep one")
        elif key == "transactional" and value not in {"true", "false"}:
            todo = "write `-- transactional: false`, and nothing after it"
            file.add("directive", line, f"transactional is {value!r}", todo)
        elif key == "phase" and value.strip() not in PHASES:
            todo = "write `-- phase: expand`, `background` or `contract`, and nothing after it"
            file.add("directive", line, f"phase is {value!r}", todo)
        elif key in {"irreversible", "loses", "backfill"} and not value.strip():
            todo = {"loses": "name the loss, or write nothing", "backfill": "name the table"}.get(
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


def _compare_steps(file: MigrationFile, text: str, spans: list[Span], comments: list[Span]) -> None:
    """Compare what yoyo would run, step by step, with PostgreSQL's statements and comments."""
    end = 0
    for step in filter(None, sqlparse.split(text)):
        start = text.index(step, end)
        end = start + len(step)
        file.steps.append(_line(text[:start]))
        begun = [span for span in spans if start <= span[0] < end]
        cut = [span for span in [*begun, *comments] if span[0] < end < span[1]]
        if cut:
            todo = "write it without nested comments" if "/*" in step else "write it in another way"
            file.add("splitting", _line(text[: min(cut)[0]]), "yoyo's splitter would cut this statement in two", todo)
        elif len(begun) > 1:
            what = "yoyo's splitter would run this statement and the one before it as one"
            todo = "quote the names before it that are keywords, or split the file"
            file.add("splitting", _line(text[: begun[1][0]]), what, todo)
