"""Trial in words: what the service met under traffic, and what its writes cost, for the report."""

from dataclasses import dataclass

from app.review.trial import Direction, Trial
from app.review.write_cost import WriteCost

NOTABLE = 1.5  # times the WAL of a write: two inserts with random keys differ by up to 1.4
NOISE = 200  # bytes of WAL
NOTABLE_HOT = 0.1  # of the updates


@dataclass(frozen=True)
class Tried:
    """One direction of a trial."""

    trial: Trial
    direction: Direction

    @property
    def words(self) -> str:
        """Return what the sessions did, and how long they waited."""
        trial, met = self.trial, self.direction.met
        whose = f" as {trial.role}" if trial.role else ""
        words = f"{trial.sessions} sessions{whose} sent {met.statements:,} statements"
        for kind, wait in (("read", met.longest_read), ("write", met.longest_write)):
            if wait.query:
                words += f", the longest {kind} took {wait.milliseconds:,.0f} ms ({wait.query})"
        if self.direction.rows_checked:
            new = (
                "and all new ones are consistent" if self.direction.has_written else "are consistent, without new ones"
            )
            words += f"; {self.direction.rows_checked:,} earlier rows {new}"
        return words

    @property
    def failing(self) -> list[tuple[str, str]]:
        """Return all queries that failed, with their errors."""
        errors = [*self.direction.refused.items(), *self.direction.met.errors.items()]
        return sorted({(name, error) for error, names in errors for name in names})

    @property
    def costs(self) -> list[tuple[str, WriteCost, WriteCost]]:
        """Return each query that writes, with its cost before and afterwards."""
        after = self.direction.costs
        return [(name, before, after[name]) for name, before in self.trial.costs.items() if name in after]

    @property
    def changed_costs(self) -> list[tuple[str, WriteCost, WriteCost]]:
        """Return the queries whose cost has notably changed."""
        return [(name, before, after) for name, before, after in self.costs if _differs(before, after)]


def _differs(before: WriteCost, after: WriteCost) -> bool:
    less, more = sorted((before.wal, after.wal))
    return more > NOTABLE * less + NOISE or abs((before.hot or 0) - (after.hot or 0)) > NOTABLE_HOT
