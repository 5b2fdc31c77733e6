"""Planner: follows the files of a folder, and plans each statement on the schema that it will meet."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pglast import ast, parse_sql

from app.lint import changes, parser
from app.lint.alter_table import MODES
from app.lint.catalog import Catalog
from app.lint.nodes import relation_name, walk
from app.lint.state import MigrationState
from app.plan import estimate
from app.plan.effects import ONE_ROW, Effects, Work, effects_of
from app.plan.estimate import estimated
from app.plan.live import Live
from app.plan.model import Operation, PlannedLock, PlannedMigration, PlannedStatement
from app.review import measured_times
from app.review.measure import BLOCKED_BY_MODE, MODE_NAMES
from app.schema.digest import digest
from app.schema.headers import directives, rollback_of, sections, transactional
from app.schema.history import Entry
from app.schema.statements import statements
from app.settings import Settings

BATCH: float = Settings.model_fields["backfill_batch_seconds"].default  # seconds
BLOCKS = {MODE_NAMES[mode]: blocks for mode, blocks in BLOCKED_BY_MODE.items()}


class Planner:
    """Planner of one folder, for one live database."""

    def __init__(self, folder: Path, live: Live, operation: Operation) -> None:
        self.folder = folder
        self.live = live
        self.operation = operation
        self.measured = measured_times.load(folder.parent)
        self.rows = estimate.Rows(live)

    def plan(self, names: Sequence[str], entries: Sequence[Entry]) -> list[PlannedMigration]:
        """Return the planned migrations, in the order of execution."""
        files = {entry.id: self.folder / f"{entry.id}.sql" for entry in entries}
        catalog = Catalog()
        planned: list[PlannedMigration] = []
        for entry in entries:
            path = files[entry.id]
            if not path.exists():
                continue
            wanted = entry.id in names
            if wanted and self.operation == "apply":
                planned.append(self._migration(path, path, catalog))
                planned[-1].phase = entry.phase
            elif entry.applied or wanted:
                _follow(catalog, path)
            if wanted and self.operation == "rollback":
                planned.append(self._migration(path, path.with_suffix(".rollback.sql"), catalog.copy()))
        return planned if self.operation == "apply" else planned[::-1]

    def _migration(self, path: Path, file: Path, catalog: Catalog) -> PlannedMigration:
        header = rollback_of(path)
        title = sections(path.read_text(encoding="utf-8"))[""]
        migration = PlannedMigration(path.stem, title, transactional(path), loses=header.loses)
        migration.backfill = directives(path).get("backfill", "") if file == path else ""
        migration.irreversible = header.irreversible
        if not file.exists():  # an irreversible migration
            return migration
        text = file.read_text(encoding="utf-8")
        state = MigrationState(file.name, catalog, [], transactional=migration.transactional)
        known = self.measured.get(digest(file.read_bytes()).current)
        self.rows.use(known)
        found: dict[int, list[Effects]] = {}
        kinds: dict[int, set[type]] = {}  # of the statements by line
        loops = set()  # lines of blocks that commit
        for statement in parser.statements(text):
            effects = effects_of(state, statement, self.live.version)
            found.setdefault(statement.block or statement.line, []).append(effects)
            kinds.setdefault(statement.block or statement.line, set()).add(type(statement.node))
            loops |= {statement.block} if statement.block and not migration.transactional else set()
        held: dict[str, str] = {}
        done: set[type] = set()  # kinds of earlier statements
        for number, (line, sql) in enumerate(statements(text)):
            parts = found[line]
            effects = _together(parts)
            times = known.statements[number] if known and number < len(known.statements) else None
            if effects.unread and times:
                for table, mode in times.locks.items():
                    effects.lock(table, mode)
            planned = PlannedStatement(line, sql, conditional=len(parts) > 1)
            planned.seconds = estimate.seconds(
                effects,
                times,
                self.rows,
                migration.backfill.removeprefix("public."),
                is_repeated=kinds[line] <= done,
            )
            done |= kinds[line]
            planned.measured = times is not None
            planned.unknown = _unknown(effects, has_times=times is not None)
            planned.work = [self._words(effects, work) for work in effects.work]
            planned.waits_for = [user for each in effects.waits.items() for user in self.live.users(*each)]
            if effects.waits_for_snapshots:
                planned.waits_for += self.live.snapshots()
            if migration.backfill or line in loops:
                planned.waits_for = self.live.writers(migration.backfill.removeprefix("public."))
            self.rows.fill(effects, migration.backfill.removeprefix("public."))
            for relation, mode in effects.locks.items():
                if relation in held and MODES.index(held[relation]) >= MODES.index(mode):
                    continue
                blocks = [word for word in BLOCKS[mode].split(", ") if word]
                blockers = self.live.blockers(relation, mode)
                planned.locks.append(PlannedLock(relation, mode, blocks, None, blockers))
                if migration.transactional:
                    held[relation] = mode
            migration.statements.append(planned)
        _hold(migration)
        return migration

    def _words(self, effects: Effects, work: Work) -> str:
        table = work.table
        rows = self.rows.of(table)
        size = f"{estimated(rows)} of {table}"
        match work.kind:
            case "rewrite":
                return f"rewrites {table} and its indexes, {estimated(rows)}"
            case "build":
                return f"builds an index over {size}"
            case "scan":
                return f"reads {size}"
            case "sample":
                return f"reads a sample of {table}"
            case _ if work.method == ONE_ROW:
                return f"may change one row of {table}"
            case _ if table in effects.fills:
                return f"inserts rows into {table}"
            case _:
                return f"may change {size}"


def count_under_lock(migration: PlannedMigration, folder: Path, query: str, took: float, live: Live) -> None:
    """Add what the migrator does before a rollback that can lose rows: it counts them, locks, and counts again.

    It does so in the transaction of the rollback, and without a count if the loss is accepted. `took` is in seconds.
    """
    if not migration.transactional:
        return
    file = (folder / f"{migration.id}.rollback.sql").read_text(encoding="utf-8")
    line = file[: file.index(query)].count("\n") + 1 if query in file else 1
    mode = MODES[-1]
    counting = PlannedStatement(line, query, 2 * took)
    for name in sorted({relation_name(each) for each in walk(parse_sql(query)) if isinstance(each, ast.RangeVar)}):
        if name in live.tables:
            blocks, blockers = BLOCKS[mode].split(", "), live.blockers(name, mode)
            counting.locks.append(PlannedLock(name, mode, blocks, None, blockers))
    held = {each.relation for each in counting.locks}
    for statement in migration.statements:
        statement.locks = [each for each in statement.locks if each.relation not in held]
    migration.statements.insert(0, counting)
    _hold(migration)
    counting.locks = [
        replace(each, seconds=None if each.seconds is None else each.seconds - took) for each in counting.locks
    ]


def _follow(catalog: Catalog, path: Path) -> None:
    for statement in parser.statements(path.read_text(encoding="utf-8")):
        if not statement.unreadable:
            changes.apply(catalog, statement.node, path.name)


def _together(parts: Sequence[Effects]) -> Effects:
    """Return the effects of a DO block and of the statements in it as one."""
    whole = Effects()
    for part in parts:
        for relation, mode in part.locks.items():
            whole.lock(relation, mode)
        for work in part.work:
            whole.do(work.kind, work.table, work.method)
        whole.fills |= part.fills
        whole.sources |= part.sources
        whole.values += part.values
        whole.waits |= part.waits
        whole.waits_for_snapshots = whole.waits_for_snapshots or part.waits_for_snapshots
        whole.unread = whole.unread or part.unread
    return whole


def _unknown(effects: Effects, *, has_times: bool) -> str:
    if not effects.unread:
        return ""
    instead = ": locks and time are those of the review" if has_times else ": cannot tell its locks and its time"
    return effects.unread + instead


def _hold(migration: PlannedMigration) -> None:
    """Add up the times: in a transaction, a lock is held until the end. A backfill holds it for a batch."""
    remaining: float | None = 0.0
    for statement in reversed(migration.statements):
        own = statement.seconds
        if migration.backfill:
            remaining = BATCH if own is None else min(own, BATCH)
        elif not migration.transactional:
            remaining = own
        else:
            remaining = None if remaining is None or own is None else remaining + own
        statement.locks = [
            PlannedLock(each.relation, each.mode, each.blocks, remaining, each.blockers) for each in statement.locks
        ]
    times = [statement.seconds for statement in migration.statements]
    migration.seconds = None if None in times else sum(time for time in times if time is not None)
