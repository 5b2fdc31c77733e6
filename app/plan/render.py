"""Text and JSON of a plan."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from app.plan.estimate import estimated
from app.plan.live import Table
from app.plan.model import Plan, PlannedLock, PlannedMigration, PlannedStatement
from app.plan.verdict import duration, verdict_of
from app.text import count

MAX_SQL = 100  # characters of a statement in a line
DONE = {"apply": "apply", "rollback": "roll back"}
UNITS = ("B", "kB", "MB", "GB", "TB")


def as_text(plan: Plan) -> str:
    """Return the plan for people: the verdict, its reasons, and then each migration."""
    verdict = verdict_of(plan)
    lines = [f"{verdict.level}: {_summary(plan)}"]
    lines += [f"{reason.level}: {reason.text}" for reason in verdict.reasons]
    lines += [f"waiting: {waiting}" for waiting in plan.waiting]
    for migration in plan.migrations:
        lines += ["", *_migration(plan, migration)]
    return "\n".join(lines)


def _summary(plan: Plan) -> str:
    if not plan.migrations:
        if plan.problems:
            return "the migrator would change nothing"
        return "no migration is pending" if plan.operation == "apply" else "no migration has to be rolled back"
    times = [migration.seconds for migration in plan.migrations]
    known = sum(time for time in times if time is not None)
    more = f", and {count(times.count(None), 'migration')} of unknown time" if None in times else ""
    what = f"{count(len(plan.migrations), 'migration')} to {DONE[plan.operation]}"
    return f"{what}, {duration(known)}{more}"


def _migration(plan: Plan, migration: PlannedMigration) -> Iterator[str]:
    how = "in one transaction" if migration.transactional else "without a transaction"
    how = "in batches that commit" if migration.backfill else how
    if migration.rows_done:
        expected = f" of about {migration.rows_expected:,}" if migration.rows_expected else ""
        how += f", continues after {migration.rows_done:,}{expected} rows"
    yield f"{migration.id}: {duration(migration.seconds)}, {how}"
    quiet = 0
    for statement in migration.statements:
        if not _is_notable(statement):
            quiet += 1
            continue
        sql = " ".join(line for line in statement.sql.splitlines() if not line.lstrip().startswith("--"))
        sql = " ".join(sql.split())
        yield f"  line {statement.line}: {sql if len(sql) <= MAX_SQL else sql[: MAX_SQL - 1] + '…'}"
        yield from (f"    {line}" for line in _statement(plan, statement))
    if quiet:
        verb = "blocks" if quiet == 1 else "block"
        yield f"  {count(quiet, 'statement')} that {verb} neither reads nor writes"
    if migration.irreversible:
        yield f"  irreversible: {migration.irreversible}"
    elif migration.loses:
        now = "" if migration.rows_to_lose is None else f": {count(migration.rows_to_lose, 'row')} now"
        yield f"  its rollback loses {migration.loses}{now}"


def _is_notable(statement: PlannedStatement) -> bool:
    blocks = any({"reads", "writes"} & set(lock.blocks) or lock.blockers for lock in statement.locks)
    return bool(blocks or statement.work or statement.unknown or statement.waits_for)


def _statement(plan: Plan, statement: PlannedStatement) -> Iterator[str]:
    maybe = "at most " if statement.conditional else ""
    for lock in statement.locks:
        if lock.blocks or lock.blockers:
            yield f"{maybe}{_lock(plan, lock)}"
            yield from (f"  would wait for {blocker}" for blocker in lock.blockers)
    for words in statement.work:
        yield f"{maybe}{words}"
    if statement.work:
        source = "measured by the review" if statement.measured else "by the kind of work, not measured"
        yield f"{duration(statement.seconds)} ({source})"
    for transaction in statement.waits_for:
        yield f"would wait for {transaction}"
    if statement.unknown:
        yield statement.unknown


def _lock(plan: Plan, lock: PlannedLock) -> str:
    table = plan.tables.get(lock.relation)
    waiting = " and ".join(word for word in ("reads", "writes") if word in lock.blocks)
    effect = f"{waiting} wait {duration(lock.seconds)}" if waiting else "reads and writes continue"
    return f"{lock.mode} on {lock.relation}{_size(table) if table else ''}: {effect}"


def _size(table: Table) -> str:
    total = table.table_bytes + (table.index_bytes or 0)
    words = [estimated(table.rows), _bytes(total)]
    if table.seconds:
        reads, writes = table.reads / table.seconds, table.writes / table.seconds
        words.append(f"{reads:.3g} reads and {writes:.3g} writes a second")
    else:
        words.append(f"{table.reads:,} reads and {table.writes:,} writes so far")
    return f" ({', '.join(words)})"


def _bytes(size: float) -> str:
    for unit in UNITS[:-1]:
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} {UNITS[-1]}"


def as_json(plan: Plan) -> str:
    """Return the plan for programs. docs/reference/json-output.md describes its fields."""
    verdict = verdict_of(plan)
    times = [migration.seconds for migration in plan.migrations]
    outcome: dict[str, Any] = {
        "exit_status": plan.exit_code,
        "verdict": verdict.level,
        "reasons": [asdict(reason) for reason in verdict.reasons],
        "seconds": None if None in times else sum(time for time in times if time is not None),
    }
    return json.dumps(outcome | asdict(plan), indent=2)
