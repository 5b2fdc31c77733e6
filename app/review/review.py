"""`images schema review`: migrations tried on a scratch database with rows, forwards, backwards and forwards again."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from app.lint.findings import Finding
from app.migrations.connection import Connection, explained, run
from app.review import proof
from app.review.measure import Run, execute, measure
from app.review.plans import Plan, explain
from app.review.releases import Release
from app.review.scratch import fill
from app.schema.headers import Rollback, examples, rollback_of, transactional
from app.text import one_line

STAGES = ("rows", "before", "up", "after", "down", "up again")  # as `say` is told them
Answers = dict[tuple[str, str], Plan | str]  # by query text and example: its plan, or what PostgreSQL refused it for


@dataclass
class PlanChange:
    """One query with one example. A plan is None where the query does not fit the schema."""

    query: str
    example: str
    before: Plan | None
    after: Plan | None
    changed: bool  # and not only the names of its indexes


@dataclass
class Proof:
    """Up, down and up again. Empty lists are as it should be, but for `changes`, which is what the migration is for."""

    changes: list[str] = field(default_factory=list)  # of the schema, upwards, as a diff has it
    left: list[str] = field(default_factory=list)  # of the schema, from before to after the rollback
    again: list[str] = field(default_factory=list)  # of the schema, from the first way up to the second
    lost_upwards: list[str] = field(default_factory=list)  # rows and values, from before to after
    lost: list[str] = field(default_factory=list)  # rows and values, from before to after the rollback
    at_stake: list[str] = field(
        default_factory=list
    )  # what may be written once it is applied, and goes with the rollback
    counted: int | None = None  # what `-- rows to lose:` said just before


@dataclass
class Reviewed:
    id: str
    path: Path
    header: Rollback
    rows: dict[str, int]  # of each table, before
    up: Run
    down: Run | None = None
    proof: Proof = field(default_factory=Proof)
    previous: str | None = None  # the release whose queries `broken` is about
    broken: dict[str, str] = field(default_factory=dict)  # the previous release's queries that fail afterwards: why
    needed: dict[str, str] = field(default_factory=dict)  # this release's queries that failed before: why
    unfit: dict[str, str] = field(
        default_factory=dict
    )  # this release's queries that fail after its last migration: why
    plans: list[PlanChange] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)  # of the static check, for the migration and for its rollback
    allowed: list[tuple[Finding, str]] = field(default_factory=list)  # what it would have found, and why it does not
    stuck: bool = False  # at a statement that failed: the database is not what the next migration expects


def review(
    connection: Connection,
    migrations: Sequence[Path],
    chosen: set[str],
    rows: int,
    release: Release,
    previous: Callable[[Path], Release | None],
    say: Callable[[str, str], None],
    quiet: bool = True,
) -> list[Reviewed]:
    """Apply the migrations of a release in order, and review the chosen ones. It ends with the first that fails.

    Raises psycopg.Error where one that is not chosen fails, or the tables cannot be filled.
    """
    run(connection, "make_history", "review")
    run(connection, "create_ledger")
    done: list[Reviewed] = []
    answers: Answers = {}  # on the schema as the last one left it
    for path in migrations:
        if chosen <= {reviewed.id for reviewed in done}:
            break
        text = path.read_text(encoding="utf-8")
        if path.stem not in chosen:
            execute(connection, text, transactional(path))
            answers = {}
            continue
        say(path.stem, "rows")
        fill(connection, rows, quiet)
        reviewed, answers = _review(connection, path, rows, release, previous(path), answers, say, quiet)
        done.append(reviewed)
        if path == migrations[-1]:
            reviewed.unfit = _fails(release, answers, unless={})
        if reviewed.stuck:
            break
    return done


def _review(
    connection: Connection,
    path: Path,
    rows: int,
    release: Release,
    previous: Release | None,
    before: Answers,
    say: Callable[[str, str], None],
    quiet: bool,
) -> tuple[Reviewed, Answers]:
    """Also returns what the queries are answered afterwards, as far as it is known."""
    old = previous or release
    queries = [*old.queries.values(), *release.queries.values()]
    in_transaction = transactional(path)

    say(path.stem, "before")
    start = proof.take(connection)
    before = ask(connection, queries, known=before)
    say(path.stem, "up")
    reviewed = Reviewed(
        id=path.stem,
        path=path,
        header=rollback_of(path),
        rows={name: table.rows for name, table in start.tables.items()},
        up=measure(connection, path, in_transaction),
        previous=previous.name if previous else None,
    )
    if reviewed.up.error:
        reviewed.stuck = True
        return reviewed, {}
    fill(connection, rows, quiet, known=start.tables)
    say(path.stem, "after")
    above = proof.take(connection)
    after = ask(connection, queries, known=before)
    reviewed.broken = _fails(old, after, unless=before)
    reviewed.needed = _fails(release, before, unless=after)
    reviewed.plans = [
        _change(name, words, before[text, words], after[text, words], reviewed.up.renamed)
        for name, text in release.queries.items()
        for words, _ in examples(text)
    ]
    found = reviewed.proof
    found.changes = proof.schema_changes(start.schema, above.schema)
    found.lost_upwards = proof.losses(start, above)

    rollback = path.with_suffix(".rollback.sql")
    if reviewed.header.irreversible is not None or not rollback.exists():
        found.lost = found.lost_upwards
        return reviewed, after
    say(path.stem, "down")
    try:
        found.counted = _count(connection, reviewed.header.rows_to_lose)
        reviewed.down = measure(connection, rollback, in_transaction)
    except psycopg.Error as error:
        reviewed.down = Run(in_transaction, error=f"`-- rows to lose:` fails: {one_line(explained(error))}")
    if reviewed.down.error:
        reviewed.stuck = True
        return reviewed, {}
    below = proof.take(connection)
    found.left = proof.schema_changes(start.schema, below.schema)
    found.lost = proof.losses(start, below)
    found.at_stake = proof.at_stake(start, above, below)
    say(path.stem, "up again")
    try:
        execute(connection, path.read_text(encoding="utf-8"), in_transaction)
        found.again = proof.schema_changes(above.schema, proof.take_schema(connection))
    except psycopg.Error as error:
        reviewed.stuck = True
        found.again = [f"it fails: {one_line(explained(error))}"]
    return reviewed, after


def ask(connection: Connection, queries: Iterable[str], known: Answers | None = None) -> Answers:
    """Try each query with each of its examples on the present schema; nothing of what it does stays.

    What is known from before is measured anew only where the planner sees a difference.
    """
    answers: Answers = {}
    for text in dict.fromkeys(queries):
        for words, arguments in examples(text):
            plan = (known or {}).get((text, words))
            try:
                answers[text, words] = explain(connection, text, arguments, known=_plan(plan))
            except psycopg.Error as error:
                answers[text, words] = one_line(explained(error))
    return answers


def _fails(release: Release, answers: Answers, unless: Answers) -> dict[str, str]:
    """Each query of a release that is refused in the one state of the schema and not in the other."""
    failing: dict[str, str] = {}
    for name, text in release.queries.items():
        for words, _ in examples(text):
            answer = answers.get((text, words))
            if isinstance(answer, str) and not isinstance(unless.get((text, words)), str):
                failing.setdefault(name, answer)
    return failing


def _change(name: str, words: str, before: Plan | str, after: Plan | str, renamed: dict[str, str]) -> PlanChange:
    if isinstance(before, str) or isinstance(after, str):
        return PlanChange(name, words, _plan(before), _plan(after), changed=False)
    expected = [" ".join(renamed.get(word, word) for word in line.split(" ")) for line in before.shape]
    return PlanChange(name, words, before, after, changed=expected != list(after.shape))


def _plan(answer: Plan | str | None) -> Plan | None:
    return answer if isinstance(answer, Plan) else None


def _count(connection: Connection, query: str | None) -> int | None:
    row = connection.execute(query.encode()).fetchone() if query else None
    return int(row[0]) if row else None
