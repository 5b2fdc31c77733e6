"""app.lint.findings: to be described."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.settings import ROOT

if TYPE_CHECKING:  # the import of pglast takes 50 ms
    pass
from app.lint.rules import KEPT, ON


class CannotCheckError(Exception):
    """One line: why there is no verdict."""


@dataclass(frozen=True, order=True)
class Finding:
    path: Path
    line: int  # from 1
    rule: str
    level: str  # "unsafe", or "care": safe where somebody has looked
    why: str
    instead: str

    @property
    def link(self) -> str:
        return f"{ON}{self.rule}" if self.rule in KEPT else f"sql/README.md#{self.rule}"

    @property
    def place(self) -> str:
        path = self.path.absolute()
        return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)

    def __str__(self) -> str:
        return f"{self.place}:{self.line}: {self.rule} ({self.level}): {self.why}: {self.instead} ({self.link})"
