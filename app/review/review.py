"""Schema review: apply each migration to a scratch database with rows, roll it back, and apply it again."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import psycopg

from app.errors import CommandError
from app.lint.findings import Finding
from app.migrations.connection import Connection, explained, run
from app.migrations.data_loss import count_rows
from app.project import current
from app.review.measure import MeasuredRun, execute_file, measure
from app.review.plans import Plan, explain, is_slower, is_worse
from app.review.proof import (
    FAILS,
    apply_again,
    filled,
    later_data_lost,
    losses,
    read_states,
    schema_changes,
    still_valid,
    take_snapshot,
    unchanged,
    violated,
    with_other_statistics,
)
from app.review.releases import Release, with_present_headers
from app.review.scratch import Database, fill, vacuum
from app.review.second_version import MAX_ROWS, SecondVersion
from app.review.trial import Trial, Unsteady, try_under_traffic
from app.schema.files import read_own
from app.schema.headers import Rollback, directives, examples, rollback_of, transactional
from app.text import one_line

STAGES = ("rows", "under traffic", "before", "up", "after", "down", "up again")
Report = Callable[[str, str], None]  # called with a migration and each of its stages
Answers = dict[tuple[str, str], Plan | str]  # by query text and example: its plan, or PostgreSQL's error


@dataclass
class PlanChange:
    """Plans of one query with one example. A plan is None if the query does not fit the schema."""

    query: str
    example: str
    before: Plan | None
    after: Plan | None
    changed: bool  # in more than the names of indexes


@dataclass
class Proof:
    """Result of up, down and up again. If the rollback is right, all lists are empty except `changes`."""

    changes: list[str] = field(default_factory=list)  # of the schema by the migration, as lines of a diff
    # Lines of a diff of the schema: before the migration against after the rollback, and first against second apply.
    schema_not_restored: list[str] = field(default_factory=list)
    schema_differs_on_reapply: list[str] = field(default_factory=list)
    # Rows and values, in words.
    lost_by_migration: list[str] = field(default_factory=list)
    lost_after_rollback: list[str] = field(default_factory=list)  # by migration and rollback together
    filled: list[str] = field(default_factory=list)  # values instead of NULL, which the rollback leaves
    later_data_lost: list[str] = field(default_factory=list)  # written after the migration, deleted by the rollback
    violated: dict[str, str] = field(default_factory=dict)  # new constraints that are not valid, each with an error
    counted_rows: int | None = None  # the result of `-- rows to lose:` just before the rollback


@dataclass
class Reviewed:
    """Migration that was reviewed, with everything that was measured."""

    id: str
    path: Path
    header: Rollback
    rows: dict[str, int]  # by table, before the migration
    up: MeasuredRun
    down: MeasuredRun | None = None
    proof: Proof = field(default_factory=Proof)
    previous: str | None = None  # the release of the queries in `broken`
    is_contract: bool = False  # no session of the previous release is connected when it runs
    # Queries of the running release that fail afterwards, with the error: the previous one, or this one at a contract.
    broken: dict[str, str] = field(default_factory=dict)
    outdated: dict[str, str] = field(default_factory=dict)  # queries of the release before a contract, with the error
    needed: dict[str, str] = field(default_factory=dict)  # queries of this release that failed before, with the error
    unfit: dict[str, str] = field(default_factory=dict)  # queries of this release that fail on its last schema
    unserved: set[str] = field(default_factory=set)  # queries of both releases that fail as the role of the service
    plans: list[PlanChange] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)  # of the static check, for both files
    allowed: list[tuple[Finding, str]] = field(default_factory=list)  # findings that a comment allows, with its reason
    trial: Trial | None = None  # under traffic, or None if it was not asked for
    elsewhere: SecondVersion | None = None  # differences on a second version of PostgreSQL
    stuck: bool = False  # a statement failed, so the next migration cannot be reviewed

    @property
    def failing(self) -> set[str]:
        """Return the queries of the previous release that fail afterwards. As its role, no row is a failure too."""
        direction = self.trial.up if self.trial else None
        if direction is None:
            return set(self.broken)
        return self.broken.keys() | direction.emptied | {name for names in direction.refused.values() for name in names}


def review(
    database: Database,
    migrations: Sequence[Path],
    chosen: set[str],
    rows: int,
    release: Release,
    previous: Callable[[Path], Release | None],
    report: Report,
    *,
    with_trial: bool = True,
) -> list[Reviewed]:
    """Apply the migrations of a release in order, and review the chosen ones up to the first that fails.

    `with_trial` also applies each one to a copy of the database under traffic, with at most MAX_ROWS. Without it, the
    review runs beside one that shows the progress. Raises psycopg.Error if a migration that is not chosen fails, or the
    tables cannot be filled.
    """
    first = next((number for number, path in enumerate(migrations) if path.stem in chosen), 0)
    if migrations:
        report(migrations[first].stem, "rows")
    done: list[Reviewed] = []
    answers: Answers = {}  # on the current schema
    unsteady: Unsteady = {}
    with database.beside() if with_trial and rows > MAX_ROWS else nullcontext() as few:
        databases = [(few, MAX_ROWS), (database, rows)] if few else [(database, rows)]
        _prepare(databases, migrations[:first], is_shown=with_trial)
        for path in migrations[first:]:
            if chosen <= {reviewed.id for reviewed in done}:
                break
            if path.stem not in chosen:
                for each, _ in databases:
                    execute_file(each.connection, path, transactional(path))
                answers = {}
                continue
            if done:
                report(path.stem, "rows")
                for each, number in databases:
                    fill(each.connection, number, is_shown=with_trial)
                    vacuum(each.connection)
            trial = None
            old = with_present_headers(previous(path), release)
            if with_trial:
                report(path.stem, "under traffic")
                running = release if _is_contract(path) else old or release
                trial = _try(*databases[0], path, running, release, unsteady)
            is_last = chosen <= {path.stem, *(each.id for each in done)}
            reviewed, answers = _review(
                database.connection, path, rows, release, old, answers, report, trial, is_last=is_last
            )
            if few and not is_last and not reviewed.stuck:
                execute_file(few.connection, path, transactional(path))
            done.append(reviewed)
            if path == migrations[-1]:
                reviewed.unfit = _fails(release, answers, unless={})
                reviewed.unserved = _unserved(trial, old or release, release)
            if reviewed.stuck:
                break
    return done


def _prepare(databases: Sequence[tuple[Database, int]], migrations: Sequence[Path], *, is_shown: bool) -> None:
    """Migrate and fill each database to its number of rows, or restore it if an earlier review has kept it."""
    missing = [(database, rows) for database, rows in databases if not database.restore(_key(migrations, rows))]
    for database, _ in missing[:1]:
        run(database.connection, "make_history", "review")
        run(database.connection, "create_ledger")
        run(database.connection, "create_checks")
        for path in migrations:
            execute_file(database.connection, path, transactional(path))
        for other, _ in missing[1:]:
            other.become(database)
    for database, rows in missing:
        fill(database.connection, rows, is_shown=is_shown)
        vacuum(database.connection)
        database.keep(_key(migrations, rows))


def _is_contract(path: Path) -> bool:
    return directives(path).get("phase") == "contract"


def _key(migrations: Sequence[Path], rows: int) -> str:
    """Return a digest of all that makes the filled database: the migrations before, the rows, and the roles."""
    files = [*migrations, *sorted((current().sql / "review").glob("*fill*.sql"))]
    parts = [str(rows), *current().roles, *(read_own(path) for path in files)]
    return sha256("\0".join(parts).encode()).hexdigest()[:16]


def _try(database: Database, rows: int, path: Path, old: Release, new: Release, unsteady: Unsteady) -> Trial:
    is_whole = transactional(path)
    with database.copied() as url:
        return try_under_traffic(
            url, path, unsteady, transactional=is_whole, rows=rows, old=old.queries, new=new.queries
        )


def _review(
    connection: Connection,
    path: Path,
    rows: int,
    release: Release,
    previous: Release | None,
    before: Answers,
    report: Report,
    trial: Trial | None,
    *,
    is_last: bool,
) -> tuple[Reviewed, Answers]:
    """Return the reviewed migration, and the answers of the queries on the new schema as far as they are known.

    If the trial has applied it a second time, all rows get it again only for the next migration.
    """
    old = previous or release
    queries = [*old.queries.values(), *release.queries.values()]
    in_transaction = transactional(path)

    report(path.stem, "before")
    start = take_snapshot(connection)
    before = ask(connection, queries, known=before)
    states = read_states(connection)
    report(path.stem, "up")
    reviewed = Reviewed(
        id=path.stem,
        path=path,
        header=rollback_of(path),
        rows={name: table.rows for name, table in start.tables.items()},
        up=measure(connection, path, in_transaction),
        previous=previous.name if previous else None,
        is_contract=_is_contract(path),
        trial=trial,
    )
    if reviewed.up.error:
        reviewed.stuck = True
        return reviewed, {}
    fill(connection, rows, known=start.tables, is_shown=trial is not None)
    report(path.stem, "after")
    above = take_snapshot(connection, start, unchanged(start, states, read_states(connection)))
    reviewed.proof.changes = schema_changes(start.schema, above.schema, reviewed.up.renamed)
    vacuum(connection, reviewed.up, with_other_statistics(reviewed.proof.changes))
    after = ask(connection, queries, known=before)
    reviewed.broken = _fails(old, after, unless=before)
    if reviewed.is_contract:
        reviewed.outdated, reviewed.broken = reviewed.broken, _fails(release, after, unless=before)
        reviewed.outdated = {name: error for name, error in reviewed.outdated.items() if name not in reviewed.broken}
    reviewed.needed = _fails(release, before, unless=after)
    reviewed.plans = [
        _change(name, words, before[text, words], after[text, words], reviewed.up.renamed)
        for name, text in release.queries.items()
        for words, _ in examples(text)
    ]
    proof = reviewed.proof
    proof.lost_by_migration = losses(start, above)
    proof.violated = violated(connection, proof.changes)

    rollback = path.with_suffix(".rollback.sql")
    if reviewed.header.irreversible is not None or not rollback.exists():
        proof.lost_after_rollback = proof.lost_by_migration
        return reviewed, after
    report(path.stem, "down")
    try:
        if query := reviewed.header.rows_to_lose:
            proof.counted_rows = count_rows(connection, query, path.stem)
        states = read_states(connection)
        reviewed.down = measure(connection, rollback, in_transaction)
    except psycopg.Error as error:
        reviewed.down = MeasuredRun(in_transaction, error=f"`-- rows to lose:` fails: {one_line(explained(error))}")
    except CommandError as error:
        reviewed.down = MeasuredRun(in_transaction, error=error.message)
    if reviewed.down.error:
        reviewed.stuck = True
        return reviewed, {}
    below = take_snapshot(connection, start, unchanged(above, states, read_states(connection)))
    proof.schema_not_restored = schema_changes(still_valid(start.schema, below.schema), below.schema)
    proof.lost_after_rollback = losses(start, below)
    proof.filled = filled(start, below)
    proof.later_data_lost = later_data_lost(start, above, below)
    report(path.stem, "up again")
    again = trial.again if trial else None
    if again is None or not is_last:
        again = [*dict.fromkeys([*(again or []), *apply_again(connection, path, above.schema)])]
    proof.schema_differs_on_reapply = again
    reviewed.stuck = any(line.startswith(FAILS) for line in again)
    return reviewed, after


def ask(connection: Connection, queries: Iterable[str], known: Answers | None = None) -> Answers:
    """Run each query with each of its examples on the current schema, and roll it back.

    A slow query with an answer in `known` runs again only if the planner's estimate has changed.
    """
    answers: Answers = {}
    late = 0
    for text in dict.fromkeys(queries):
        for words, arguments in examples(text):
            plan = (known or {}).get((text, words))
            try:
                answer = explain(connection, text, arguments, known=_plan(plan), late=late)
                # Unless it reads more, too, something else may have taken the processor.
                if isinstance(plan, Plan) and is_slower(plan, answer) and not is_worse(plan, answer):
                    again = explain(connection, text, arguments, late=late)
                    answer = min(answer, again, key=lambda each: each.milliseconds)
                answers[text, words] = answer
            except psycopg.Error as error:
                late += isinstance(error, psycopg.errors.QueryCanceled)
                # Its details may have values of the row, which differ each time.
                answers[text, words] = one_line(error.diag.message_primary or str(error))
    return answers


def _fails(release: Release, answers: Answers, unless: Answers) -> dict[str, str]:
    """Return the queries of a release that fail by `answers` but not by `unless`, each with its error."""
    failing: dict[str, str] = {}
    for name, text in release.queries.items():
        for words, _ in examples(text):
            answer = answers.get((text, words))
            if isinstance(answer, str) and not isinstance(unless.get((text, words)), str):
                failing.setdefault(name, answer)
    return failing


def _unserved(trial: Trial | None, old: Release, new: Release) -> set[str]:
    """Return the queries that are the same in both releases, and fail or find no row as the role of the service."""
    if trial is None:
        return set()
    lost = trial.up.emptied.union(*trial.up.refused.values())
    return {name for name in lost if old.queries.get(name) == new.queries.get(name)}


def _change(name: str, words: str, before: Plan | str, after: Plan | str, renamed: dict[str, str]) -> PlanChange:
    if isinstance(before, str) or isinstance(after, str):
        return PlanChange(name, words, _plan(before), _plan(after), changed=False)
    expected = [" ".join(renamed.get(word, word) for word in line.split(" ")) for line in before.shape]
    return PlanChange(name, words, before, after, changed=expected != list(after.shape))


def _plan(answer: Plan | str | None) -> Plan | None:
    return answer if isinstance(answer, Plan) else None
