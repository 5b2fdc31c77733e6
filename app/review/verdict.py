"""From what was measured to what it means: the reasons against a migration, and the verdict."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from app.lint.findings import Finding
from app.review.measure import Lock, Run, Step
from app.review.review import PlanChange, Reviewed
from app.schema.headers import NOTHING

LEVELS = ("safe", "care", "unsafe")
WORDS = {"safe": "safe under traffic", "care": "needs care", "unsafe": "not safe under traffic"}

LARGE = 1000  # rows: what is done to a smaller table takes no time
LONG = 1000.0  # milliseconds that reads or writes may wait while nothing is scanned or rewritten
MANY = 0.5  # of a table's rows: so many read or changed is work that grows with the table
SOME = 0.01
WORSE = 4  # times the buffers a query took before
FEW = 4  # lines of a difference: more say no more
FEW_BUFFERS = 1000  # more than before: less is noise


@dataclass(frozen=True)
class Reason:
    level: str  # care or unsafe
    text: str


@dataclass(frozen=True)
class Verdict:
    """Of one direction: what was measured, what the static check says, and where the two differ."""

    measured: list[Reason]
    found: str  # the static check's level
    disagreement: str

    @property
    def level(self) -> str:
        """The worse of the two: a measurement shows what happened, not that nothing else could."""
        return highest([self.found, *(reason.level for reason in self.measured)])

    @property
    def words(self) -> str:
        return WORDS[self.level]


def of_migration(reviewed: Reviewed) -> Verdict:
    reasons = [*_of_run(reviewed.up, reviewed.rows), *_of_losses(reviewed), *_of_queries(reviewed)]
    return _verdict(reasons, reviewed, rollback=False)


def of_rollback(reviewed: Reviewed) -> Verdict | None:
    if reviewed.down is None:
        return None
    reasons = [*_of_run(reviewed.down, reviewed.rows), *_of_proof(reviewed)]
    return _verdict(reasons, reviewed, rollback=True)


def order(reviewed: Reviewed) -> str:
    """In which order code and schema go out."""
    if reviewed.up.error:
        return "not known: it was not applied"
    if reviewed.unfit:
        return "none works: queries of this release fail on its own schema"
    if reviewed.broken and reviewed.needed:
        return "no order works: each release needs its own schema. Split the change: expand, migrate, contract"
    if reviewed.broken:
        return "code first: every instance of the previous release must be gone before the schema changes"
    if reviewed.needed:
        return "schema first, then the code, as the entrypoint does it"
    return "any: each release runs on both schemas"


def _verdict(reasons: list[Reason], reviewed: Reviewed, *, rollback: bool) -> Verdict:
    findings = [finding for finding in reviewed.findings if _is_rollback(finding) is rollback]
    allowed = {
        f"{finding.rule}, because {why}" for finding, why in reviewed.allowed if _is_rollback(finding) is rollback
    }
    found = highest(finding.level for finding in findings)
    measured = highest(reason.level for reason in reasons)
    disagreement = ""
    if allowed and measured != "safe":
        disagreement = f"a comment allows {'; '.join(sorted(allowed))}"
    elif found == "safe" and measured == "unsafe":
        disagreement = "the static check finds nothing"
    elif measured == "safe" != found:
        rules = ", ".join(sorted({finding.rule for finding in findings}))
        disagreement = f"the static check finds {rules}; measured, no large table was read, written or blocked for long"
    return Verdict(sorted(reasons, key=lambda reason: -LEVELS.index(reason.level)), found, disagreement)


def _is_rollback(finding: Finding) -> bool:
    return ".rollback." in finding.path.name


def highest(levels: Iterable[str]) -> str:
    return max(levels, key=LEVELS.index, default="safe")


def _of_run(run: Run, rows: dict[str, int]) -> Iterator[Reason]:
    """What other sessions would have met meanwhile."""
    if run.error:
        invalid = "" if run.transactional else "; an INVALID index that it may leave costs writes"
        yield Reason("unsafe", f"it fails: {run.error}{invalid}")
        return
    empty = {lock.table for step in run.steps for lock in step.locks if lock.waiting and not rows.get(lock.table)}
    if empty:
        yield Reason("care", f"it was tried without rows in {', '.join(sorted(empty))}, which may have many")
    against: dict[str, Reason] = {}  # by table: the worst
    for number, step in enumerate(run.steps):
        for lock in sorted(step.locks, key=lambda lock: "reads" not in lock.blocks):
            reason = _of_lock(lock, run.steps[number:], rows) if lock.waiting else None
            if reason and (lock.table not in against or against[lock.table].level == "care"):
                against[lock.table] = reason
    yield from against.values()
    for step in run.steps:
        for table, changed in step.changed.items():
            if changed < max(LARGE, SOME * rows.get(table, 0)):
                continue
            level = "unsafe" if changed >= MANY * rows.get(table, 0) else "care"
            text = f"line {step.line} changes {changed:,} of {rows.get(table, 0):,} rows of {table}"
            yield Reason(level, f"{text}: whoever writes to one of them waits until the commit")


def _of_lock(lock: Lock, steps: list[Step], rows: dict[str, int]) -> Reason | None:
    """Whether work that grows with a table is done while a lock that blocks reads or writes is held."""
    wait = f"{lock.waiting} of {lock.table} wait {lock.milliseconds:,.0f} ms"
    for step in steps:
        scanned = any(count >= max(LARGE, MANY * rows.get(table, 0)) for table, count in step.read.items())
        rewritten = any(rows.get(name, 0) >= LARGE for name in step.rewritten)
        changed = any(count >= LARGE for count in step.changed.values())
        if scanned or rewritten or changed:
            return Reason("unsafe", f"{wait} while line {step.line} {step.work[0]}")
    if lock.milliseconds >= LONG:
        return Reason("care", wait)
    return None


def _and(names: list[str]) -> str:
    return ", ".join(names)


def _of_losses(reviewed: Reviewed) -> Iterator[Reason]:
    """What is lost upwards for good. Where it is meant a header says so: `irreversible`, or the rollback's `loses`."""
    for_good = [loss for loss in reviewed.proof.lost_upwards if loss in reviewed.proof.lost]
    declared = reviewed.header.irreversible is not None or not NOTHING.fullmatch(reviewed.header.loses or "nothing")
    for loss in for_good:
        if declared:
            yield Reason("care", f"it loses {loss}, for good; the header says so")
        else:
            yield Reason("unsafe", f"it loses {loss}, for good, and no header says so")


def _of_queries(reviewed: Reviewed) -> Iterator[Reason]:
    release = f"of the previous release, {reviewed.previous}," if reviewed.previous else "of this release"
    for name, error in reviewed.unfit.items():
        yield Reason("unsafe", f"the query {name} of this release fails on its own schema: {error}")
    for name, error in reviewed.broken.items():
        yield Reason("unsafe", f"the query {name} {release} fails afterwards: {error}")
    for plan in reviewed.plans:
        if reason := _of_plan(plan, reviewed.rows):
            yield reason


def _of_plan(plan: PlanChange, rows: dict[str, int]) -> Reason | None:
    if plan.before is None or plan.after is None:
        return None
    name = f"{plan.query} ({plan.example})" if plan.example else plan.query
    buffers = f"{plan.before.buffers:,} buffers before, {plan.after.buffers:,} after"
    scanned = [table for table in plan.after.sequential - plan.before.sequential if rows.get(table, 0) >= LARGE]
    if scanned and plan.after.buffers > plan.before.buffers:
        return Reason("unsafe", f"{name} now reads the whole of {_and(scanned)}: {buffers}")
    if plan.after.buffers > WORSE * plan.before.buffers + FEW_BUFFERS:
        return Reason("care", f"{name} reads more: {buffers}")
    return None


def _of_proof(reviewed: Reviewed) -> Iterator[Reason]:
    """Whether the rollback undoes, and loses what it says."""
    assert reviewed.down
    if reviewed.down.error:
        return
    found, loses = reviewed.proof, reviewed.header.loses
    for lines, what in (
        (found.left, "the schema is not as before"),
        (found.again, "up again is not as the first time"),
    ):
        if lines:
            more = f"; and {len(lines) - FEW} more" if len(lines) > FEW else ""
            yield Reason("unsafe", f"{what}: {'; '.join(lines[:FEW])}{more}")
    silent = silent_losses(reviewed)
    for loss in [*_lost_downwards(reviewed), *found.at_stake]:
        if loss in silent:
            yield Reason("unsafe", f"it loses {loss}, and says `-- loses: {loses}`")
        elif NOTHING.fullmatch(loses):
            yield Reason("care", f"it loses {loss}; judge its reason: `-- loses: {loses}`")
        else:
            yield Reason("care", f"it loses {loss}, as it says")
    if found.counted == 0 and _lost_downwards(reviewed):
        yield Reason("unsafe", "`-- rows to lose:` counts 0, with rows there: the migrator would lose them unasked")


def silent_losses(reviewed: Reviewed) -> list[str]:
    """What the rollback loses against its word. Of rows yet to come its header may say why their loss is none."""
    if reviewed.down is None or not NOTHING.fullmatch(reviewed.header.loses):
        return []
    return [*_lost_downwards(reviewed), *(reviewed.proof.at_stake if reviewed.header.loses == "nothing" else [])]


def _lost_downwards(reviewed: Reviewed) -> list[str]:
    return [loss for loss in reviewed.proof.lost if loss not in reviewed.proof.lost_upwards]
