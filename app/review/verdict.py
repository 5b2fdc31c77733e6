"""Verdict of a review: the reasons against a migration, and the order in which code and schema are released."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from app.lint.findings import Finding
from app.review.measure import Lock, MeasuredRun, Step
from app.review.reasons import LARGE_TABLE, MAX_NAMES, Reason, listed, of_other_version, of_queries, of_trial
from app.review.review import Reviewed
from app.schema.headers import NOTHING

LEVELS = ("safe", "care", "unknown", "unsafe")
LEVEL_WORDS = {
    "safe": "safe under traffic",
    "care": "needs care",
    "unknown": "not reviewed",
    "unsafe": "not safe under traffic",
}

LONG_WAIT = 1000.0  # milliseconds that reads or writes may wait if nothing is scanned or rewritten
LARGE_SHARE = 0.5  # of a table's rows: so much work grows with the table
NOTABLE_SHARE = 0.01  # of a table's rows
CLAIM = "-- loses:"  # of a rollback's header
# A constraint, or a unique index, in a line of a difference.
RULE = re.compile(
    r"[+-] (?:constraint (?P<table>.+?)\.(?P<name>[^:]+):"
    r'|index (?P<index>[^:]+): CREATE UNIQUE INDEX .*? ON (?:ONLY )?(?P<on>"(?:[^"]|"")+"|\S+) )'
)
MAX_DIFF_LINES = 4  # of a difference in a reason


@dataclass(frozen=True)
class Verdict:
    """Verdict on a migration or on its rollback: measured reasons, the static check's level, and the difference."""

    measured: list[Reason]
    static_level: str  # the highest level of the static check
    disagreement: str

    @property
    def level(self) -> str:
        """Return the worse level. A measurement shows what happened once, not everything that can happen."""
        return highest([self.static_level, *(reason.level for reason in self.measured)])

    @property
    def words(self) -> str:
        """Return the verdict in words."""
        return LEVEL_WORDS[self.level]


def of_migration(reviewed: Reviewed) -> Verdict:
    """Return the verdict on applying the migration."""
    reasons = [*_of_run(reviewed.up, reviewed.rows), *_of_losses(reviewed), *of_queries(reviewed)]
    reasons += [
        Reason("care", f"rows violate {name}, so VALIDATE, or an update of such a row, fails: {error}")
        for name, error in reviewed.proof.violated.items()
    ]
    reasons += [*of_trial(reviewed, rollback=False), *of_other_version(reviewed, rollback=False)]
    return _verdict(reasons, reviewed, rollback=False)


def of_rollback(reviewed: Reviewed) -> Verdict | None:
    """Return the verdict on the rollback, or None if it was not run."""
    if reviewed.down is None:
        return None
    reasons = [*_of_run(reviewed.down, reviewed.rows), *_of_proof(reviewed), *of_trial(reviewed, rollback=True)]
    reasons += of_other_version(reviewed, rollback=True)
    return _verdict(reasons, reviewed, rollback=True)


def order(reviewed: Reviewed) -> str:
    """Return the order in which code and schema must be released, with the reason."""
    if reviewed.up.error:
        return "not known: it was not applied"
    if reviewed.unfit:
        return "none works: queries of this release fail on its own schema"
    if reviewed.unserved and reviewed.trial:
        lost = f"{min(reviewed.unserved)} of this release fails or finds no row"
        return f"none works: as {reviewed.trial.role}, {lost} on its own schema"
    if reviewed.failing and reviewed.needed:
        return "no order works: each release needs its own schema. Split the change: expand, migrate, contract"
    if reviewed.failing:
        return "code first: stop every instance of the previous release before the schema changes"
    if reviewed.outdated:
        return "code first: `schema contract` applies it when every instance of the previous release has stopped"
    if reviewed.needed:
        return "schema first, then the code, as the entrypoint does"
    if rules := _new_rules(reviewed):
        return f"any, if no release writes a row that {' or '.join(rules)} rejects: the review tried only its own rows"
    return "any: each release runs on both schemas"


def _new_rules(reviewed: Reviewed) -> list[str]:
    """Return the constraints and unique indexes that tables of before have now, so that they reject more rows."""
    tables = {table.strip('"').replace('""', '"') for table in reviewed.rows}
    found = [(line[0], match) for line in reviewed.proof.changes if (match := RULE.match(line))]
    names = {sign: {match["name"] or match["index"] for each, match in found if each == sign} for sign in "+-"}
    of_others = {
        match["name"] or match["index"]
        for _, match in found
        if (match["table"] or match["on"].strip('"')) not in tables
    }
    return sorted(names["+"] - names["-"] - of_others)


def _verdict(reasons: list[Reason], reviewed: Reviewed, *, rollback: bool) -> Verdict:
    findings = [finding for finding in reviewed.findings if _is_rollback(finding) is rollback]
    allowed = {
        f"{finding.rule}, because {why}" for finding, why in reviewed.allowed if _is_rollback(finding) is rollback
    }
    static_level = highest(finding.level for finding in findings)
    measured = highest(reason.level for reason in reasons)
    disagreement = ""
    if allowed and LEVELS.index(measured) > LEVELS.index(static_level):
        disagreement = f"a comment allows {'; '.join(sorted(allowed))}"
    elif static_level == "safe" and measured == "unsafe":
        disagreement = "the static check finds nothing"
    elif measured == "safe" != static_level:
        rules = ", ".join(sorted({finding.rule for finding in findings}))
        disagreement = f"the static check finds {rules}, but this run does not show it"
    return Verdict(sorted(reasons, key=lambda reason: -LEVELS.index(reason.level)), static_level, disagreement)


def _is_rollback(finding: Finding) -> bool:
    return ".rollback." in finding.path.name


def highest(levels: Iterable[str]) -> str:
    """Return the worst of the levels, or "safe" if there are none."""
    return max(levels, key=LEVELS.index, default="safe")


def _of_run(run: MeasuredRun, rows: dict[str, int]) -> Iterator[Reason]:
    """Yield what other sessions would have met during the run."""
    if run.error:
        fails = f"it fails: {run.error}"
        invalid = "it may leave an INVALID index that slows down writes"
        yield Reason("unsafe", fails if run.transactional else f"{fails.rstrip('.')}, and {invalid}")
        return
    for what in run.unmeasured:
        yield Reason("unknown", f"it could not be measured: {what}")
    # A rollback drops the tables that its migration has created: `rows` does not have them.
    empty = {lock.table for step in run.steps for lock in step.locks if lock.waiting and rows.get(lock.table) == 0}
    if empty:
        yield Reason("care", f"it was tried without rows in {', '.join(sorted(empty))}, which may have many")
    elif rows and not any(rows.values()):
        yield Reason("care", "it was measured without rows: write a file sql/review/fill_TABLE.sql for each table")
    if run.is_idle and any(rows.values()):
        yield Reason("care", "no row needed this backfill, so its time and its locks are not those of a real one")
    worst: dict[str, Reason] = {}  # by table
    for number, step in enumerate(run.steps):
        for lock in sorted(step.locks, key=lambda lock: "reads" not in lock.blocks):
            reason = _of_lock(lock, run.steps[number:], rows) if lock.waiting else None
            if reason and (lock.table not in worst or worst[lock.table].level == "care"):
                worst[lock.table] = reason
    yield from worst.values()
    for step in run.steps:
        for table, total in step.changed.items():
            changed = total // step.transactions
            if changed < max(LARGE_TABLE, NOTABLE_SHARE * rows.get(table, 0)):
                continue
            level = "unsafe" if changed >= LARGE_SHARE * rows.get(table, 0) else "care"
            text = f"line {step.line} changes {changed:,} of {rows.get(table, 0):,} rows of {table}"
            yield Reason(level, f"{text}, and other writes to these rows wait until the commit")


def _of_lock(lock: Lock, steps: list[Step], rows: dict[str, int]) -> Reason | None:
    """Return a reason if work that grows with a table is done under a blocking lock, or if the wait is long."""
    wait = f"{lock.waiting} of {lock.table} wait {lock.milliseconds:,.0f} ms"
    for step in steps:
        scanned = any(count >= max(LARGE_TABLE, LARGE_SHARE * rows.get(table, 0)) for table, count in step.read.items())
        rewritten = any(rows.get(name, 0) >= LARGE_TABLE for name in step.rewritten)
        changed = any(count // step.transactions >= LARGE_TABLE for count in step.changed.values())
        if scanned or rewritten or changed:
            return Reason("unsafe", f"{wait} while line {step.line} {step.work[0]}")
    if lock.milliseconds >= LONG_WAIT:
        return Reason("care", wait)
    return None


def _of_losses(reviewed: Reviewed) -> Iterator[Reason]:
    """Yield the permanent losses of the migration, and the rows that a table lacks until a rollback.

    A header may declare them: `irreversible`, or the rollback's `loses`. With `nothing (REASON)`, a person decides.
    """
    permanent = [loss for loss in reviewed.proof.lost_by_migration if loss in reviewed.proof.lost_after_rollback]
    for loss in _together([each for each in reviewed.proof.lost_by_migration if each not in permanent]):
        if loss.endswith(" rows"):  # a query of this table no longer finds them, also if another table has them
            table, _, lacking = loss.partition(": ")
            yield Reason("care", f"until a rollback, {table} lacks {lacking}")
    claim = reviewed.header.loses or "nothing"
    declared = reviewed.header.irreversible is not None or not NOTHING.fullmatch(claim)
    for loss in _together(permanent):
        if declared:
            yield Reason("care", f"it permanently loses {loss}, as its header says")
        elif claim != "nothing":
            yield Reason("care", f"it permanently loses {loss}: confirm the reason in `{CLAIM} {claim}`")
        else:
            yield Reason("unsafe", f"it permanently loses {loss}, and no header says so")


def _of_proof(reviewed: Reviewed) -> Iterator[Reason]:
    """Yield the faults of the rollback: changes that it does not undo, and losses that its header does not name."""
    assert reviewed.down
    if reviewed.down.error:
        return
    proof, loses = reviewed.proof, reviewed.header.loses
    for lines, what in (
        (proof.schema_not_restored, "the schema is not as before"),
        (proof.schema_differs_on_reapply, "the second apply differs from the first"),
    ):
        if lines:
            more = f", and {len(lines) - MAX_DIFF_LINES} more" if len(lines) > MAX_DIFF_LINES else ""
            yield Reason("unsafe", f"{what}: {'; '.join(lines[:MAX_DIFF_LINES])}{more}")
    silent = silent_losses(reviewed)
    every = [*_lost_downwards(reviewed), *proof.later_data_lost]
    for loss in _together([loss for loss in every if loss in silent]):
        yield Reason("unsafe", f"it loses {loss}, but its header says `-- loses: {loses}`")
    for loss in _together([loss for loss in every if loss not in silent]):
        if NOTHING.fullmatch(loses):
            yield Reason("care", f"it loses {loss}: confirm the reason in `{CLAIM} {loses}`")
        else:
            yield Reason("care", f"it loses {loss}, as its header says")
    if proof.counted_rows == 0 and _lost_downwards(reviewed):
        yield Reason(
            "unsafe",
            "`-- rows to lose:` counts 0 although there are rows: the migrator would not ask before it loses them",
        )


def _together(losses: list[str]) -> list[str]:
    """Return losses of many tables with the same words after the name, such as those of partitions, as one."""
    groups: dict[str, set[str]] = {}
    for loss in losses:
        name, _, what = loss.partition(": ")
        groups.setdefault(what, set()).add(name)
    together = {what: listed(names) for what, names in groups.items() if len(names) > MAX_NAMES}
    words = [loss.partition(": ") for loss in losses]
    return [*dict.fromkeys(f"{together.get(what, name)}: {what}" for name, _, what in words)]


def silent_losses(reviewed: Reviewed) -> list[str]:
    """Return the losses of the rollback that its header denies.

    For rows that applications may still write, `nothing (REASON)` is enough.
    """
    if reviewed.down is None or not NOTHING.fullmatch(reviewed.header.loses):
        return []
    return [*_lost_downwards(reviewed), *(reviewed.proof.later_data_lost if reviewed.header.loses == "nothing" else [])]


def _lost_downwards(reviewed: Reviewed) -> list[str]:
    return [loss for loss in reviewed.proof.lost_after_rollback if loss not in reviewed.proof.lost_by_migration]
