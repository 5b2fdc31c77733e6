"""Reality of a plan: each shipped migration is planned, applied and rolled back on a table of many rows, and compared.

`python -m tests.plan.reality --rows 1000000` compares the locks that `images schema plan` names with those that the
migrator's session held, and its estimate with the time that the ledger recorded. It starts its own PostgreSQL. If it
is interrupted, the same command continues. A run with a million rows takes about 20 minutes on a quiet machine.
"""

import argparse
import io
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psycopg
from psycopg.pq import TransactionStatus
from pydantic import SecretStr
from yoyo import read_migrations
from yoyo.migrations import MigrationList

from app.embedded_postgres import Server
from app.lint.alter_table import MODES
from app.migrations.connection import Connection, run
from app.plan.model import Operation
from app.plan.plan import make_plan
from app.plan.render import as_json
from app.review import measured_times, scratch
from app.review.lock_watcher import Watcher, locks_of
from app.review.measure import MODE_NAMES
from app.settings import ROOT, Settings
from tests.conftest import backend_on
from tests.schema.test_migrations import FILES, FOLDER
from tests.support.data_folders import IN_MEMORY, MEMORY, VERSION, make_roles

OPTIONS = "-c fsync=off -c autovacuum=off -c shared_buffers=512MB -c max_wal_size=4GB"
FACTOR = 3.0  # the estimate is right if it is at least a third of the time, and at most three times as long
# Each shorter time counts as this one. A transaction and the migrator's own records take 6 to 20 ms, whatever the
# statements do. Another process can delay them as long.
FLOOR = 0.05  # seconds
OWN = ("_yoyo", "yoyo_")  # tables of the history, which a plan does not name
SECONDS = """
    SELECT EXTRACT(EPOCH FROM finished_at - started_at)::float8
    FROM _yoyo_ledger
    WHERE migration_id = %s
    ORDER BY id DESC
    LIMIT 1
"""

Locks = dict[str, str]  # the strongest mode by relation
Result = dict[str, Any]


class Observer:
    """Observer of the migrator's session: the locks that it held after each statement, and the time of each."""

    def __init__(self, connection: Connection, statements: list[str]) -> None:
        self.locks: set[tuple[int, str]] = set()
        self.times: dict[str, float] = {}  # seconds by statement of the migration
        self._connection = connection
        self._statements = set(statements)
        self._seen: set[object] = set()  # a backfill repeats its statements: the first batch is enough
        observer = self

        class Cursor(psycopg.Cursor[Any]):
            def execute(self, query: Any, *arguments: Any, **options: Any) -> "Cursor":
                with observer.observing(query):
                    super().execute(query, *arguments, **options)
                return self

        connection.cursor_factory = Cursor

    @contextmanager
    def observing(self, query: object) -> Iterator[None]:
        """Run one statement. Outside a transaction, a second session reads the locks of a step meanwhile."""
        is_step = query in self._statements
        is_alone = self._connection.info.transaction_status == TransactionStatus.IDLE
        with Watcher(self._connection) if is_step and is_alone else nullcontext() as watcher:
            began = time.perf_counter()
            yield
            if is_step:
                self.times[str(query)] = time.perf_counter() - began
        if watcher:
            self.locks |= set(watcher.seen)
        elif self._connection.info.transaction_status == TransactionStatus.INTRANS and query not in self._seen:
            self._seen.add(query)
            factory, self._connection.cursor_factory = self._connection.cursor_factory, psycopg.Cursor
            self.locks |= {(oid, mode) for oid, mode, _ in locks_of(self._connection, self._connection)}
            self._connection.cursor_factory = factory


def strongest(locks: Iterator[tuple[str, str]]) -> Locks:
    """Return the strongest mode by relation."""
    found: Locks = {}
    for relation, mode in locks:
        found[relation] = max(found.get(relation, MODES[0]), mode, key=MODES.index)
    return found


def wrong_locks(planned: Result, taken: Locks) -> list[str]:
    """Return how the locks of a plan differ from those that were taken. A DO block may take less than it names."""
    statements = planned["statements"]
    most = strongest((lock["relation"], lock["mode"]) for each in statements for lock in each["locks"])
    least = strongest(
        (lock["relation"], lock["mode"]) for each in statements if not each["conditional"] for lock in each["locks"]
    )

    def rank(locks: Locks, relation: str) -> int:
        return MODES.index(locks[relation]) if relation in locks else -1

    return [
        f"{relation}: {most.get(relation, 'nothing')} planned, {taken.get(relation, 'nothing')} taken"
        for relation in sorted(most.keys() | taken.keys())
        if not rank(least, relation) <= rank(taken, relation) <= rank(most, relation)
    ]


def plan_of(url: str, path: Path, operation: Operation, *, is_measured: bool = True) -> Result:
    """Return the plan of a migration. Without what the review measured, it is that of a new migration."""
    settings = Settings(_env_file=None, database_url=SecretStr(url), storage_url="file:/tmp", auth="none")
    with nullcontext() if is_measured else patch.object(measured_times, "load", return_value={}):
        plan = make_plan(settings, operation, lambda entries: [path.stem], FOLDER)
    [planned] = json.loads(as_json(plan))["migrations"]
    return dict(planned)


def compare(url: str, path: Path, operation: Operation) -> Result:
    """Plan a migration, run it, and compare. Raises CommandError if the migrator fails."""
    with scratch.connect(url) as connection:
        sql = (path if operation == "apply" else path.with_suffix(".rollback.sql")).read_text(encoding="utf-8")
        if "\nVACUUM" not in sql:  # as autovacuum would. A VACUUM needs something to do
            scratch.vacuum(connection)
        before = {oid: (name, table) for oid, name, table, *_ in run(connection, "find_relations", "review")}
    planned, unmeasured = plan_of(url, path, operation), plan_of(url, path, operation, is_measured=False)
    os.environ["ACCEPT_DATA_LOSS"] = path.stem if planned["rows_to_lose"] else ""
    statements = [each["sql"] for each in planned["statements"]]
    with backend_on(url) as backend, redirect_stdout(io.StringIO()):
        observer = Observer(backend.connection, statements)
        backend.released = frozenset({path.stem})
        migrations = MigrationList([each for each in read_migrations(str(FOLDER)) if each.id == path.stem])
        (backend.apply_migrations if operation == "apply" else backend.rollback_migrations)(migrations)
    named = {lock["relation"] for each in planned["statements"] for lock in each["locks"]}
    held = ((*before[oid], MODE_NAMES[mode]) for oid, mode in observer.locks if oid in before)
    tables = ((name, mode) for name, table, mode in held if name == table or name in named)
    taken = strongest((name, mode) for name, mode in tables if not name.startswith(OWN))
    with scratch.connect(url) as connection:
        row = connection.execute(SECONDS, (path.stem,)).fetchone()
        assert row
    seconds = float(row[0])
    return {
        "operation": operation,
        "migration": path.stem,
        "locks": wrong_locks(planned, taken),
        "estimate": planned["seconds"],
        "measured": round(seconds, 3),
        "ratio": ratio(planned["seconds"], seconds),
        "by_kind": unmeasured["seconds"],
        "ratio_by_kind": ratio(unmeasured["seconds"], seconds),
        "statements": [
            (each["line"], each["seconds"], round(observer.times.get(each["sql"], seconds), 3))
            for each in planned["statements"]
        ],
    }


def ratio(estimate: Any, measured: float) -> float | None:
    """Return how many times as long as in reality the estimate is, or None without an estimate."""
    return None if estimate is None else round(max(float(estimate), FLOOR) / max(measured, FLOOR), 2)


def in_words(result: Result) -> str:
    """Return a result as a line."""
    estimate = "an unknown time" if result["estimate"] is None else f"{result['estimate']:.3f} s"
    times = f"{estimate} planned, {result['measured']:.3f} s measured, {result['ratio']} ({result['ratio_by_kind']})"
    mark = "" if is_right(result) else " OUTSIDE"
    return f"{result['operation']} {result['migration']}: {'; '.join(result['locks']) or 'locks equal'}: {times}{mark}"


def is_right(result: Result, ratio: str = "ratio") -> bool:
    """Return whether the estimate is within the factor."""
    return result[ratio] is not None and 1 / FACTOR <= result[ratio] <= FACTOR


def summary(results: list[Result]) -> str:
    """Return the counts of all runs in words."""
    locks = sum(bool(each["locks"]) for each in results)
    wrong, wrong_by_kind = (sum(not is_right(each, ratio) for each in results) for ratio in ("ratio", "ratio_by_kind"))
    return (
        f"{len(results)} runs: {locks} with other locks, {wrong} with an estimate that is not within a factor of "
        f"{FACTOR:g}, and {wrong_by_kind} if the review had measured nothing. Shorter times count as {FLOOR:g} s."
    )


def results_of(url: str, rows: int, chosen: list[Path], known: set[tuple[str, str]]) -> Iterator[Result]:
    """Yield the result of each migration, forwards and then backwards. Those that are known ran before."""
    for path in FILES:
        if path > chosen[-1]:
            break
        if ("apply", path.stem) not in known:
            result = compare(url, path, "apply")
            if path == FILES[0]:
                with scratch.connect(url) as connection:
                    scratch.fill(connection, rows)
            yield result
    for path in reversed(chosen):
        if ("rollback", path.stem) not in known:
            yield compare(url, path, "rollback")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.plan.reality", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="images in the table (default: %(default)s)")
    parser.add_argument("--from", dest="first", default=FILES[0].stem, help="first migration that counts, such as 0038")
    parser.add_argument("--to", dest="last", default=FILES[-1].stem, help="last migration")
    parser.add_argument("--output", type=Path, default=ROOT / ".data" / "reality.jsonl", help="file of the results")
    parser.add_argument("--again", action="store_true", help="begin again, without the results of an earlier run")
    arguments = parser.parse_args()
    chosen = [path for path in FILES if arguments.first <= path.stem and path.stem[:4] <= arguments.last[:4]]
    output: Path = arguments.output
    data = (MEMORY if IN_MEMORY else ROOT / ".data") / f"images-reality-{arguments.rows}"
    if arguments.again or not (data.exists() and output.exists()):
        shutil.rmtree(data, ignore_errors=True)
        output.unlink(missing_ok=True)
    output.parent.mkdir(exist_ok=True)
    results = [json.loads(line) for line in output.read_text().splitlines()] if output.exists() else []
    server = Server(data, VERSION, OPTIONS)
    is_new = not data.exists()
    server.start()
    try:
        if is_new:
            make_roles(server.url())
            with psycopg.connect(server.url(), autocommit=True) as admin:
                admin.execute("CREATE DATABASE images")
        known = {(each["operation"], each["migration"]) for each in results}
        with output.open("a") as file:
            for result in results_of(server.url("images"), arguments.rows, chosen, known):
                results.append(result)
                print(json.dumps(result), file=file, flush=True)
                print(in_words(result), flush=True)
    finally:
        server.release()
    shutil.rmtree(data)
    names = {path.stem for path in chosen}
    counted = [each for each in results if each["migration"] in names]
    print(summary(counted))
    return int(any(each["locks"] or not is_right(each) for each in counted))


if __name__ == "__main__":
    sys.exit(main())
