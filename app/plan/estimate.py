"""Estimate of a statement's duration, from what a review measured and from the rows of the live tables.

A statement that a review measured takes as long again for each row, and longer on a slower server. For any other one,
the kind of work, the size of the table and of its indexes, and the speed of the server count.
"""

from dataclasses import dataclass, field

from app.plan.effects import ONE_ROW, Effects
from app.plan.live import REFERENCE, Live
from app.review.measured_times import MeasuredFile, MeasuredStatement
from app.text import count


@dataclass(frozen=True)
class Cost:
    """Cost of one kind of work, in seconds: for a million rows, for a gigabyte of the table, and of its indexes."""

    rows: float
    table: float = 0.0
    indexes: float = 0.0


# Processor time of PostgreSQL 18 on the machine of REFERENCE in app/plan/live.py. 115 statements were measured, on
# tables with 50 to 900 bytes a row, and with 0 to 4 indexes. Each took a third to three times as long, except GIN
# indexes: a quarter to four times.
COSTS = {
    "scan": Cost(0.05, 0.45),
    "foreign key": Cost(0.25, 0.5),
    "rewrite": Cost(0.6, 3.5, 14.0),
    "build": Cost(0.25, 0.5),
    "text": Cost(0.7, 0.6),
    "hash": Cost(0.7, 0.6),
    "gin": Cost(7.0, 4.0),
    "reindex": Cost(0.2, 0.3, 14.0),
    "write": Cost(0.9, 3.3, 130.0),
    "insert": Cost(0.4, 4.0, 70.0),
    "delete": Cost(0.3, 0.4),
}
TRIGGER = 5.0  # seconds for a million rows and a trigger that writes a row
ROW_BYTES = 200  # of a table that does not exist yet
CONSTANT = 0.005  # seconds of a statement that changes only the system catalog
# Seconds of a small statement after one of its kind, when the catalog is in the caches. INSERT, COMMENT and GRANT took
# 0.1 ms, with the way from the migrator. ADD COLUMN took 0.3 ms, and CREATE TABLE 0.5 to 1 ms.
REPEATED = 0.0003
SAMPLE = 30_000  # rows that an ANALYZE reads at most
SAMPLED = Cost(5.0)
FEW = 1000  # rows: too few to tell the time of a row


def estimated(rows: int) -> str:
    """Return a number of rows in words: PostgreSQL knows it only from its last ANALYZE."""
    return f"about {count(rows, 'row')}" if rows else "no rows"


@dataclass
class Rows:
    """Rows of each table when a statement begins: those of now, and those that earlier pending statements change."""

    live: Live
    filled: dict[str, int] = field(default_factory=dict)  # rows that earlier pending statements insert, by table
    scale: float = 1.0  # the largest table now, by the same table when the file was measured
    measured: dict[str, int] = field(default_factory=dict)
    slowness: float = 1.0  # of the server now, by that of the machine on which the file was measured

    def of(self, table: str) -> int:
        """Return the rows of a table: an estimate of those that earlier migrations insert is included."""
        rows = self.live.rows(table) + self.filled.get(table, 0)
        return max(rows, round(self.measured.get(table, 0) * self.scale)) if table in self.filled else rows

    def inserted(self, effects: Effects, backfilled: str = "") -> int:
        """Return the rows that a statement inserts at most: those of the tables that it reads.

        `backfilled` is the table whose rows a backfill reads.
        """
        read = map(self.of, effects.sources | ({backfilled} if backfilled else set()))
        return max(read, default=max(effects.values, 1))

    def fill(self, effects: Effects, backfilled: str = "") -> None:
        """Add what a statement inserts."""
        for table in effects.fills:
            self.filled[table] = self.filled.get(table, 0) + self.inserted(effects, backfilled)

    def sizes(self, table: str) -> tuple[float, float]:
        """Return the bytes for each row of a table, and of its indexes."""
        known = self.live.tables.get(table)
        if known is None or known.rows < FEW:
            return ROW_BYTES, 0.0
        return known.table_bytes / known.rows, (known.index_bytes or 0) / known.rows

    def triggers(self, table: str) -> int:
        """Return the number of triggers of a table that a write can fire."""
        return self.live.tables[table].triggers if table in self.live.tables else 0

    def use(self, file: MeasuredFile | None) -> None:
        """Compare with the tables of a measured file."""
        self.measured = file.rows if file else {}
        self.slowness = self.live.slowness * REFERENCE / file.speed if file and file.speed else 1.0
        large = [name for name in self.measured if self.measured[name] >= FEW]
        known = [name for name in large if name in self.live.tables] or large  # a table that does not exist has no rows
        largest = max(known, key=lambda name: self.measured[name], default=None)
        self.scale = self.live.rows(largest) / self.measured[largest] if largest else 1.0


def seconds(
    effects: Effects,
    measured: MeasuredStatement | None,
    rows: Rows,
    backfilled: str = "",
    *,
    is_repeated: bool = False,
) -> float | None:
    """Return the estimated seconds of a statement, or None if they are not known.

    `backfilled` is the table whose rows a backfill reads: it may write them into an empty one. `is_repeated` tells that
    an earlier statement of the file is of the same kind.
    """
    is_small = all(work.kind == "write" for work in effects.work)
    least = REPEATED if is_repeated and is_small else CONSTANT
    if effects.unread and measured is None:
        return None
    if measured is None:
        return _by_kind(effects, rows, backfilled, least)
    took = measured.milliseconds / 1000 * rows.slowness
    growing = [work.table for work in effects.work if work.kind != "sample" and work.method != ONE_ROW]
    if not growing and not effects.unread:  # a sample or a removed file is smaller in a smaller table
        return took * min(1.0, rows.scale)
    base = max((rows.measured.get(table, 0) for table in growing), default=0)
    if effects.unread:
        return max(took * rows.scale, least)
    now = max(map(rows.of, growing))
    if effects.fills:  # it reads as many rows as it writes, of a table that the plan does not know
        return max(took * rows.scale, least)
    if base < FEW:
        return max(_by_kind(effects, rows, "", least), took)
    return max(took * now / base, least)


def _by_kind(effects: Effects, rows: Rows, backfilled: str, least: float) -> float:
    """Return the seconds by the kinds of work, on the machine of the database as it is now: `least`, and the work."""
    total = 0.0
    for work in effects.work:
        number = 1 if work.method == ONE_ROW else rows.of(work.table)
        if work.kind == "write" and work.table in effects.fills:
            number = rows.inserted(effects, backfilled)
        if work.kind == "sample":
            total += _seconds(SAMPLED, work.table, min(number, SAMPLE), rows)
        else:
            cost = COSTS.get(work.method, COSTS[work.kind])
            triggers = rows.triggers(work.table) if work.kind == "write" else 0
            total += _seconds(cost, work.table, number, rows) + TRIGGER * triggers * number / 1e6
    return least + total * rows.live.slowness


def _seconds(cost: Cost, table: str, number: int, rows: Rows) -> float:
    """Return the seconds of a kind of work for so many rows, on the machine of REFERENCE."""
    table_bytes, index_bytes = rows.sizes(table)
    return number / 1e6 * (cost.rows + (cost.table * table_bytes + cost.indexes * index_bytes) / 1000)
