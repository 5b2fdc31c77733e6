"""Reasons against a migration that the service's queries give: failures, worse plans, and what they met under traffic.

Each reason is given once, with the number of queries that it concerns.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from app.review.plans import SLOWER_FACTOR, Plan, is_slower, is_worse
from app.review.review import Reviewed
from app.review.trial import Direction, Trial

LARGE_TABLE = 1000  # rows: work on a smaller table takes no time
MAX_NAMES = 3  # queries that a reason names
LESS_HOT = 0.5  # of the updates, which are no longer HOT
MORE_WAL = 2  # times the WAL that a write needed before
MORE_PAGES = 4  # times the pages that a write looked at before
PAGES_NOISE = 200  # pages that a write may look at more than before
SLOWER_WRITE = 20.0  # milliseconds that a write may need more than before, beside SLOWER_FACTOR
WAL_NOISE = 2000  # bytes that a write may need more than before


@dataclass(frozen=True)
class Reason:
    """Reason against a migration."""

    level: str  # care, unsafe, or unknown: it could not be measured
    text: str


def of_queries(reviewed: Reviewed) -> Iterator[Reason]:
    """Yield the queries that fail, and those with a worse plan."""
    former = (reviewed.previous or "").partition(" (")[0]  # the commit, without its subject
    is_former = reviewed.previous and not reviewed.is_contract
    release = f"of the previous release, {former}," if is_former else "of this release"
    release_of: dict[str, str] = {}  # by error
    broken = dict(_by_error(reviewed.broken)) if is_former else {}
    for error, names in _by_error(reviewed.unfit):
        if broken.get(error) == names:
            release_of[error] = f"of the previous release, {former}, and of this one"
            continue
        which, is_one = _queries(names, "of this release")
        yield Reason("unsafe", f"{which} {'fails on its' if is_one else 'fail on their'} own schema: {error}")
    # Without an earlier release, those are the same queries.
    for error, names in (broken or dict(_by_error(dict(reviewed.broken.items() - reviewed.unfit.items())))).items():
        which, is_one = _queries(names, release_of.get(error, release))
        yield Reason("unsafe", f"{which} {'fails' if is_one else 'fail'} afterwards: {error}")
    if reviewed.outdated:
        which, is_one = _queries(set(reviewed.outdated), f"of the previous release, {former},")
        fails = f"{which} {'fails' if is_one else 'fail'} afterwards"
        yield Reason("care", f"{fails}, so `schema contract` waits until that release has stopped")
    yield from _of_plans(reviewed)


def _of_plans(reviewed: Reviewed) -> Iterator[Reason]:
    groups: dict[tuple[str, str], list[tuple[str, Plan, Plan]]] = {}  # by level and fault
    for change in reviewed.plans:
        before, after = change.before, change.after
        if before is None or after is None:
            continue
        name = f"{change.query} ({change.example})" if change.example else change.query
        new = sorted(after.sequential - before.sequential)
        scanned = [table for table in new if reviewed.rows.get(table, 0) >= LARGE_TABLE]
        if scanned and after.buffers > before.buffers:
            level, fault = "unsafe", f"now reads the whole of {', '.join(scanned)}"
        elif is_worse(before, after):
            level, fault = "care", "reads more"
        elif is_slower(before, after):
            level, fault = "care", "takes longer"
        else:
            continue
        groups.setdefault((level, fault), []).append((name, before, after))
    for (level, fault), found in groups.items():
        name, before, after = found[0]
        others = {other.partition(" (")[0] for other, _, _ in found} - {name.partition(" (")[0]}
        also = f"; so {'does' if len(others) == 1 else 'do'} {listed(others)}" if others else ""
        figures = f"{before.buffers:,} buffers before, {after.buffers:,} after"
        if fault == "takes longer":
            figures = f"{before.milliseconds:,.0f} ms before, {after.milliseconds:,.0f} ms after"
        yield Reason(level, f"{name} {fault}: {figures}{also}")


def of_trial(reviewed: Reviewed, *, rollback: bool) -> Iterator[Reason]:
    """Yield what the sessions met while the migration was applied or rolled back, and afterwards."""
    trial, run = reviewed.trial, reviewed.down if rollback else reviewed.up
    if not trial or not run or run.error:
        return
    yield from (Reason("unknown", f"it could not be measured: {what}") for what in trial.unmeasured)
    direction = trial.down if rollback else trial.up
    if not direction:
        return
    if direction.error:
        yield Reason("unsafe", f"it fails under traffic: {direction.error}")
        return
    if ended := direction.met.deadlocks:
        yield Reason("care", f"under traffic, a deadlock ended {listed(ended)}: it takes locks in another order")
    known = reviewed.broken.keys()
    whose = f"as {trial.role}, " if trial.role else ""
    for error, names in direction.refused.items():
        if names - known:
            which, is_one = _queries(names - known, "of the running release")
            yield Reason("unsafe", f"{whose}{which} {'fails' if is_one else 'fail'} afterwards: {error}")
    lasting = known | {name for names in direction.refused.values() for name in names}
    for error, names in direction.met.errors.items():
        if names - lasting:
            which, is_one = _queries(names - lasting, "of the running release")
            yield Reason("care", f"{whose}{which} {'fails' if is_one else 'fail'} while it runs: {error}")
    if empty := direction.emptied - lasting:
        which, is_one = _queries(empty, "of the running release")
        yield Reason("unsafe", f"{whose}{which} {'finds' if is_one else 'find'} no row afterwards, but did before")
    if new := direction.awakened - lasting:
        which, is_one = _queries(new, "of the running release")
        how = (
            f"{'writes' if is_one else 'write'} a row afterwards with values with which there was none to write before"
        )
        yield Reason("unsafe", f"{whose}{which} {how}")
    for (verb, old, type), names in direction.retyped.items():
        if names - lasting:
            which, is_one = _queries(names - lasting, "of the running release")
            how = f"{verb}{'s' * is_one} a value of type {type} afterwards, and of type {old} before"
            yield Reason("care", f"{which} {how}, which a driver may not convert")
    if queued := direction.queued:
        which, is_one = _queries(queued, "of the running release")
        how = f"{'waits' if is_one else 'wait'} until the same query of another session commits, also for another row"
        yield Reason("unsafe", f"{whose}{which} {how}, so all such writes run one after the other")
    for fault in direction.inconsistent:
        yield Reason("unsafe", f"afterwards the rows are not consistent: {fault}")
    allowed = _allowed(reviewed)
    for fault in direction.outdated:
        if allowed:
            yield Reason("care", f"the earlier rows are not consistent: {fault}: confirm the reason in `{allowed}`")
        else:
            yield Reason("unsafe", f"afterwards the rows are not consistent: {fault}")
    for fault in direction.unchecked:
        what = f"whether the rows are consistent. The schema lacks what sql/review/{fault}"
        yield Reason("unknown", f"it could not be measured: {what}. Change the check with the migration")
    yield from _of_row_security(direction, whose)
    for fault in direction.unfilled:
        yield Reason("care", f"its new table is not filled yet, so no release may read it: {fault}")
    if not rollback:
        yield from _of_costs(trial, direction)
        for error, names in trial.forbidden.items():
            which, is_one = _queries(names, "of this release")
            yield Reason("care", f"{whose}{which} {'fails' if is_one else 'fail'}: {error}")


def _allowed(reviewed: Reviewed) -> str:
    """Return the comment that allows other results of a function for the rows that are there, or "".

    The rollback then gives them back, and its file needs no comment.
    """
    whys = (why for finding, why in reviewed.allowed if finding.rule == "function-results")
    return next((f"-- allow: function-results because {why}" for why in whys), "")


def _of_row_security(direction: Direction, whose: str) -> Iterator[Reason]:
    """Yield that queries read more for the service than for a role without row security."""
    if not direction.slower:
        return
    call, without, with_it = max(direction.slower, key=lambda each: each[2].buffers - each[1].buffers)
    others = {each.query for each, *_ in direction.slower} - {call.query}
    also = f"; so {'does' if len(others) == 1 else 'do'} {listed(others)}" if others else ""
    figures = f"{without.buffers:,} buffers without row security, {with_it.buffers:,} with it"
    yield Reason("unsafe", f"{whose}{call.query} reads more: {figures}{also}")


def of_other_version(reviewed: Reviewed, *, rollback: bool) -> Iterator[Reason]:
    """Yield what differs on the second version of PostgreSQL."""
    other = reviewed.elsewhere
    if other is None:
        return
    for difference in other.down if rollback else other.up:
        if difference.there:
            yield Reason("unsafe" if difference.fails else "care", f"on PostgreSQL {other.server}: {difference.text}")
        elif not difference.fails:
            yield Reason("care", f"not on PostgreSQL {other.server}: {difference.text}")


def _of_costs(trial: Trial, direction: Direction) -> Iterator[Reason]:
    for name, before in trial.costs.items():
        after = direction.costs.get(name)
        if after is None:
            continue
        if before.hot is not None and after.hot is not None and before.hot - after.hot >= LESS_HOT:
            yield Reason("care", f"{after.hot:.0%} of the updates of {name} are HOT, {before.hot:.0%} before")
        if after.scanned - before.scanned >= LARGE_TABLE:
            rows = f"{after.scanned:,} rows, {before.scanned:,} before"
            yield Reason("unsafe", f"each {name} now reads {rows}, and more if the tables grow")
        elif after.pages > MORE_PAGES * before.pages + PAGES_NOISE:
            yield Reason("care", f"{name} looks at {after.pages:,} pages, {before.pages:,} before")
        if after.milliseconds > SLOWER_FACTOR * before.milliseconds + SLOWER_WRITE:
            times = f"{after.milliseconds:,.0f} ms, {before.milliseconds:,.1f} ms before"
            yield Reason("care", f"each {name} takes at least {times}")
        if after.wal > MORE_WAL * before.wal + WAL_NOISE:
            yield Reason("care", f"{name} writes {after.wal:,} bytes of WAL, {before.wal:,} before")


def _by_error(failing: dict[str, str]) -> Iterable[tuple[str, set[str]]]:
    groups: dict[str, set[str]] = {}
    for name, error in failing.items():
        groups.setdefault(error, set()).add(name)
    return groups.items()


def _queries(names: set[str], whose: str) -> tuple[str, bool]:
    """Return queries in words, and whether it is one."""
    if len(names) == 1:
        return f"the query {next(iter(names))} {whose}", True
    return f"{len(names)} queries {whose} ({listed(names)})".replace(",)", ")"), False


def listed(names: set[str]) -> str:
    """Return names in words: at most MAX_NAMES of them."""
    shown = sorted(names)[:MAX_NAMES]
    more = len(names) - len(shown)
    if more:
        return f"{', '.join(shown)} and {more} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
