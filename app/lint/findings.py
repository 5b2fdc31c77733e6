"""Findings of `schema check`: file, line, rule, reason and hint."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from app.errors import CommandError
from app.lint.rules import SQUAWK_DOCS, SQUAWK_RULES
from app.project import current


class CannotCheckError(CommandError):
    """The files cannot be checked, so there are no findings to report."""


class Fault(NamedTuple):
    """A rule that a line breaks. `hint` and `level` replace those of the rule if they are not empty."""

    line: int  # of the file, from 1
    rule: str
    why: str
    hint: str = ""
    level: str = ""


Faults = Iterator[Fault]


@dataclass(frozen=True, order=True)
class Finding:
    """A rule that a line of a file breaks, with the reason and the safe way."""

    path: Path
    line: int  # from 1
    rule: str
    level: str  # "unsafe", or "care": safe if a person has looked at it
    why: str
    instead: str

    @property
    def link(self) -> str:
        """Return the page about the rule: a section of docs/reference/lint-rules.md, or a page of squawk."""
        return f"{SQUAWK_DOCS}{self.rule}" if self.rule in SQUAWK_RULES else f"docs/reference/lint-rules.md#{self.rule}"

    @property
    def place(self) -> str:
        """Return the path, relative to the project if the file is in it."""
        return str(current().shown(self.path.absolute()))

    def __str__(self) -> str:
        return f"{self.place}:{self.line}: {self.rule} ({self.level}): {self.why}\n  hint: {self.instead} ({self.link})"
