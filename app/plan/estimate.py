"""Estimate of a statement's duration, from what a review measured and from the rows of the live tables.

A statement that a review measured takes as long again for each row. Any other one takes as long as that kind of work
took per row when the shipped migrations were measured.
"""

from dataclasses import dataclass, field

from app.plan.effects import Effects
from app.plan.live import Live
from app.review.measured_times import MeasuredFile, MeasuredStatement
from app.text import count

# Seconds for a million rows, by the kind of work. They come from the shipped migrations at a million rows of 0.5 kB,
# on two busy cores, with PostgreSQL 18 and without fsync.
# The writes are those of the backfills 0041 and 0060, whose tables have indexes and triggers: 155 and 93 s.
RATES = {"rewrite": 20.0, "scan": 1.0, "build": 5.0, "write": 100.0}
CONSTANT = 0.005  # seconds of a statement that changes only the system catalog
SAMPLE = 1.0  # seconds of an ANALYZE, which reads a sample of a limited number of rows
FEW = 1000  # rows: too few to tell the time of a row


def estimated(rows: int) -> str:
    """Return a number of rows in words: PostgreSQL knows it only from its last ANALYZE."""
    return f"about {count(rows, 'row')}" if rows else "no rows"


@dataclass
class Rows:
    """Rows of each table when a statement begins: those of now, and those that earlier pending statements change."""

    live: Live
    filled: set[str] = field(default_factory=set)  # tables into which an earlier pending statement inserts
    scale: float = 1.0  # the largest table now, by the same table when the file was measured
    measured: dict[str, int] = field(default_factory=dict)

    def of(self, table: str) -> int:
        """Return the rows of a table: an estimate of those that earlier migrations insert is included."""
        rows = self.live.rows(table)
        if table in self.filled:
            expected = self.measured.get(table)
            rows += max(map(self.live.rows, self.live.tables), default=0) if expected is None else 0
            rows = max(rows, round((expected or 0) * self.scale))
        return rows

    def use(self, file: MeasuredFile | None) -> None:
        """Compare with the tables of a measured file."""
        self.measured = file.rows if file else {}
        large = [name for name in self.measured if self.measured[name] >= FEW]
        known = [name for name in large if name in self.live.tables] or large  # a table that does not exist has no rows
        largest = max(known, key=lambda name: self.measured[name], default=None)
        self.scale = self.live.rows(largest) / self.measured[largest] if largest else 1.0


def seconds(effects: Effects, measured: MeasuredStatement | None, rows: Rows, backfilled: str = "") -> float | None:
    """Return the estimated seconds of a statement, or None if they are not known.

    `backfilled` is the table whose rows a backfill reads: it may write them into an empty one.
    """
    if effects.unread and measured is None:
        return None
    if measured is None:
        return _by_rates(effects, rows, backfilled)
    growing = [work.table for work in effects.work if work.kind != "sample"]
    if not growing and not effects.unread:  # a sample or a removed file is smaller in a smaller table
        return measured.milliseconds / 1000 * min(1.0, rows.scale)
    base = max((rows.measured.get(table, 0) for table in growing), default=0)
    if effects.unread:
        return max(measured.milliseconds / 1000 * rows.scale, CONSTANT)
    now = max(map(rows.of, growing))
    if effects.fills:  # it reads as many rows as it writes, of a table that the plan does not know
        return max(measured.milliseconds / 1000 * rows.scale, CONSTANT)
    if base < FEW:
        return max(_by_rates(effects, rows), measured.milliseconds / 1000)
    return max(measured.milliseconds / 1000 * now / base, CONSTANT)


def _by_rates(effects: Effects, rows: Rows, backfilled: str = "") -> float:
    total = CONSTANT
    for work in effects.work:
        number = rows.of(work.table)
        if work.kind == "write" and work.table in effects.fills:
            number = max(number, rows.of(backfilled))
        if work.kind == "sample":
            total += min(SAMPLE, RATES["scan"] * number / 1e6)
        else:
            total += RATES[work.kind] * number / 1e6
    return total
