"""Verdict of a plan: the answer to "shall I run it now?", with its reasons."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from app.plan.live import PASSING
from app.plan.model import Plan, PlannedMigration

Level = Literal["nothing to do", "yes", "with care", "not now", "no"]
LEVELS: tuple[Level, ...] = ("nothing to do", "yes", "with care", "not now", "no")

LONG_WAIT = 1.0  # seconds that requests may wait without a word of care


@dataclass(frozen=True)
class Reason:
    """One reason against running the plan now."""

    level: Level
    text: str


@dataclass(frozen=True)
class Verdict:
    """The worst level, and the reasons."""

    level: Level
    reasons: list[Reason]


def verdict_of(plan: Plan) -> Verdict:
    """Return the verdict of a plan."""
    reasons = [Reason("no", problem) for problem in plan.problems]
    if plan.running:
        reasons.append(Reason("not now", f"a migrator is running: {plan.running}"))
    named: set[tuple[int | None, str | None]] = set()  # a blocker is named for the first migration that it blocks
    for migration in plan.migrations:
        if migration.stops and plan.operation == "apply":
            reasons.append(Reason("no", migration.stops))
        reasons += _of_migration(migration, named)
    least: Level = "yes" if plan.migrations else "nothing to do"
    level = max([least, *(reason.level for reason in reasons)], key=LEVELS.index)
    return Verdict(level, sorted(dict.fromkeys(reasons), key=lambda reason: -LEVELS.index(reason.level)))


def _of_migration(migration: PlannedMigration, named: set[tuple[int | None, str | None]]) -> Iterator[Reason]:
    for statement in migration.statements:
        waited_for = [blocker for lock in statement.locks for blocker in lock.blockers] + statement.waits_for
        for blocker in waited_for:
            is_passing = blocker.gid is None and blocker.seconds is not None and blocker.seconds < PASSING
            name = blocker.process, blocker.gid
            if name not in named and not is_passing:
                named.add(name)
                yield Reason("not now", f"{migration.id} would wait: {blocker}")
    longest: dict[tuple[str, str], float] = {}
    for statement in migration.statements:
        for lock in statement.locks:
            what = " and ".join(word for word in ("reads", "writes") if word in lock.blocks)
            if what and lock.seconds is not None and lock.seconds >= LONG_WAIT:
                key = what, lock.relation
                longest[key] = max(longest.get(key, 0.0), lock.seconds)
    for (what, relation), seconds in longest.items():
        yield Reason("with care", f"{what} of {relation} wait {duration(seconds)} for {migration.id}")
    for unknown in migration.unknown:
        if "cannot tell" in unknown:
            yield Reason("with care", unknown)


def duration(seconds: float | None) -> str:
    """Return estimated seconds for people, with about two digits."""
    if seconds is None:
        return "an unknown time"
    if seconds < 0.01:
        return "less than 10 ms"
    if seconds < 1:
        return f"about {seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"about {seconds:.1f} s"
    if seconds < 100:
        return f"about {seconds:.0f} s"
    if seconds < 6000:
        return f"about {seconds / 60:.0f} min"
    return f"about {seconds / 3600:.1f} h"
