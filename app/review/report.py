"""Report of a review as text, Markdown, HTML or JSON, with the templates report.txt, report.md and report.html."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from pydantic_core import to_jsonable_python
from pygments.lexers.sql import PostgresLexer
from pygments.token import Comment, Keyword, Number, String

from app.program import SCHEMA
from app.review import verdict
from app.review.review import PlanChange, Reviewed
from app.review.trial_summary import Tried
from app.review.verdict import Verdict
from app.review.write_cost import WriteCost
from app.settings import ROOT

MAX_NAMES = 5  # relations of one lock
MARGIN = 20  # characters before a difference
SUFFIXES = {"text": "txt", "markdown": "md", "html": "html"}
SIZES = ("B", "kB", "MB", "GB", "TB")
SHADES = {
    "safe": "good",
    "care": "care",
    "unknown": "bad",
    "unsafe": "bad",
    "none": "",
}  # classes of the pages' style sheet
KINDS = {Comment: "c", String: "s", Number: "n", Keyword: "k"}


@dataclass(frozen=True)
class Part:
    """One migration of the report, with its verdicts."""

    reviewed: Reviewed
    apply: Verdict
    rollback: Verdict | None
    order: str

    @property
    def tried(self) -> Tried | None:
        """Return what the service met while the migration was applied."""
        trial = self.reviewed.trial
        return Tried(trial, trial.up) if trial and trial.sessions else None

    @property
    def tried_back(self) -> Tried | None:
        """Return what the service met during the rollback."""
        trial = self.reviewed.trial
        return Tried(trial, trial.down) if trial and trial.down else None

    @property
    def proved(self) -> str:
        """Return in words the result of up, down, and up again."""
        reviewed, proof = self.reviewed, self.reviewed.proof
        if reviewed.header.irreversible is not None:
            return f"none: irreversible: {reviewed.header.irreversible}"
        if reviewed.down is None or reviewed.down.error:
            return "none: the migration or its rollback failed"
        same = "up, down, up: the schema and all earlier rows are the same"
        if proof.schema_not_restored or proof.schema_differs_on_reapply or proof.lost_after_rollback:
            same = "up, down, up: NOT the same, see the verdicts"
        elif proof.filled:
            same = f"up, down, up: the schema is the same, and no value is lost. {', '.join(proof.filled)} stay filled"
        counted = f" (counted just before: {proof.counted_rows:,} rows)" if proof.counted_rows is not None else ""
        return f"{same}. By its header, the rollback loses {reviewed.header.loses}{counted}"

    @property
    def is_unproved(self) -> bool:
        """Return whether the rollback does not undo the migration, or loses data that its header does not name."""
        reviewed, proof = self.reviewed, self.reviewed.proof
        return bool(
            reviewed.stuck
            or proof.schema_not_restored
            or proof.schema_differs_on_reapply
            or verdict.silent_losses(reviewed)
        )

    @property
    def changed_plans(self) -> list[PlanChange]:
        """Return the plans that changed in shape, with those that read the most more first."""
        return sorted((plan for plan in self.reviewed.plans if plan.changed), key=_more_buffers, reverse=True)

    @property
    def tables(self) -> str:
        """Return the rows of each table before the migration."""
        rows = [f"{name} {count:,}" for name, count in self.reviewed.rows.items()]
        return f"rows before: {', '.join(rows)}" if rows else "no table before"

    @property
    def release(self) -> str:
        """Return how many queries of the previous release fail on the new schema."""
        one = self.reviewed
        if one.up.error:
            return "it is not known which queries fail on the new schema"
        whose = f"the previous release, {one.previous}," if one.previous else "this release (git knows no earlier one)"
        failing = one.outdated.keys() if one.is_contract else one.failing
        if len(failing) > 1:
            return f"{len(failing)} queries of {whose} fail on the new schema"
        return f"{len(failing) or 'no'} query of {whose} fails on the new schema"


@dataclass(frozen=True)
class Report:
    """Report on all reviewed migrations."""

    parts: Sequence[Part]
    rows: int  # requested for each table
    server: str  # PostgreSQL's version
    at: datetime
    skipped: Sequence[str] = ()  # not reviewed, because an earlier migration failed

    @property
    def width(self) -> int:
        """Return the length of the longest migration ID."""
        return max(len(part.reviewed.id) for part in self.parts)

    @property
    def level(self) -> str:
        """Return the worst verdict on applying."""
        return verdict.highest(part.apply.level for part in self.parts)

    @property
    def rollback_level(self) -> str:
        """Return the worst verdict on a rollback."""
        return verdict.highest(part.rollback.level for part in self.parts if part.rollback)

    @property
    def words(self) -> dict[str, str]:
        """Return the words of each level."""
        return verdict.LEVEL_WORDS

    def most(self, what: str) -> float:
        """Return the largest figure of an apply, for the bars."""
        return max(float(getattr(part.reviewed.up, what)) for part in self.parts)

    @property
    def other(self) -> str:
        """Return the second version of PostgreSQL, or ""."""
        elsewhere = self.parts[0].reviewed.elsewhere
        return elsewhere.server if elsewhere else ""

    @property
    def few(self) -> int:
        """Return the rows under traffic if they were fewer than the others, or 0."""
        trial = self.parts[0].reviewed.trial
        return trial.rows if trial and trial.rows < self.rows else 0

    @property
    def is_unsafe(self) -> bool:
        """Return whether a migration is unsafe, or a rollback does not do what its header says."""
        return self.level == "unsafe" or any(part.is_unproved for part in self.parts)

    @property
    def is_unknown(self) -> bool:
        """Return whether something that a verdict rests on could not be measured."""
        return "unknown" in (self.level, self.rollback_level)


def report(reviewed: Sequence[Reviewed], rows: int, server: str, at: datetime, skipped: Sequence[str] = ()) -> Report:
    """Return the report on reviewed migrations. `rows` were requested for each table."""
    parts = [Part(one, verdict.of_migration(one), verdict.of_rollback(one), verdict.order(one)) for one in reviewed]
    return Report(parts, rows, server, at, skipped)


def render(outcome: Report, format: str) -> str:
    """Return the report in a format: "text", "markdown", "html" or "json"."""
    if format == "json":
        return json.dumps(to_jsonable_python(_plain(outcome)), indent=2)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"count": _count, "size": _size, "time": _time, "short": _short, "md": _markdown}
    environment.filters |= {"changes": _changes, "few": _few}
    environment.filters |= {"sql": _sql, "shade": SHADES.get, "cost": _cost}
    style = Markup((ROOT / "app" / "static" / "style.css").read_text(encoding="utf-8"))  # noqa: S704 our own file
    return environment.get_template(f"report.{SUFFIXES[format]}").render(report=outcome, style=style, command=SCHEMA)


def _plain(outcome: Report) -> dict[str, object]:
    return {
        "server": outcome.server,
        "at": outcome.at,
        "rows": outcome.rows,
        "not_reviewed": outcome.skipped,
        "migrations": [
            {
                "id": part.reviewed.id,
                "verdict": part.apply.words,
                "rollback_verdict": part.rollback and part.rollback.words,
                "order": part.order,
                "apply": part.apply,
                "rollback": part.rollback,
                "measured": part.reviewed,
            }
            for part in outcome.parts
        ],
    }


def _more_buffers(plan: PlanChange) -> int:
    return plan.after.buffers - plan.before.buffers if plan.before and plan.after else 0


def _count(number: float) -> str:
    return f"{number:,.0f}"


def _size(count: int) -> str:
    """Return a number of bytes for people, in steps of 1024."""
    size = float(count)
    if not count:
        return "0"
    for unit in SIZES:
        if abs(size) < 1024 or unit == SIZES[-1]:
            return f"{size:.0f} {unit}" if unit == "B" or abs(size) >= 10 else f"{size:.1f} {unit}"
        size /= 1024
    raise AssertionError


def _cost(cost: WriteCost) -> str:
    hot = "" if cost.hot is None else f", {cost.hot:.0%} of the updates are HOT"
    return f"{_size(cost.wal)} of WAL and {cost.pages} pages{hot}"


def _few(names: Sequence[str]) -> str:
    """Return names in words, but only the first MAX_NAMES of very many."""
    more = len(names) - MAX_NAMES
    return ", ".join(names) if more <= 0 else f"{', '.join(names[:MAX_NAMES])} and {more} more"


def _time(milliseconds: float) -> str:
    if milliseconds == 0:
        return "0"
    if milliseconds >= 1000:
        return f"{milliseconds / 1000:.1f} s"
    return f"{milliseconds:.0f} ms" if milliseconds >= 10 else f"{milliseconds:.1f} ms"


def _short(sql: str, length: int = 90) -> str:
    text = " ".join(sql.split())
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _changes(lines: Sequence[str], length: int = 110) -> list[str]:
    """Return the lines of a diff, each short. If it begins as its counterpart does, it has the part that differs."""
    shown = []
    for number, line in enumerate(lines):
        name = line.partition(": ")[0]
        others = [each for each in lines[max(0, number - 1) : number + 2] if each.partition(": ")[0][2:] == name[2:]]
        pairs = zip(*(each[2:] for each in others), strict=False) if len(others) > 1 else ()
        same = sum(1 for _ in takewhile(lambda pair: len({*pair}) == 1, pairs))
        is_hidden = len(line) > length and same > length - MARGIN
        shown.append(_short(f"{name}: …{line[2 + same - MARGIN :]}" if is_hidden else line, length))
    return shown


def _sql(text: str) -> Markup:
    """Return SQL with highlighting, as on the schema's page."""
    lexer = PostgresLexer(stripnl=False, ensurenl=False)
    return Markup("").join(_token(kind, word) for kind, word in lexer.get_tokens(text))


def _token(kind: object, word: str) -> str | Markup:
    shade = next((shade for of, shade in KINDS.items() if kind in of and (shade != "k" or word.isupper())), None)
    return Markup('<span class="{}">{}</span>').format(shade, word) if shade else word


def _markdown(text: str) -> str:
    """Return the text with the characters escaped that Markdown would read as markup."""
    return re.sub(r"([\\`*_|<>\[\]])", r"\\\1", text)
