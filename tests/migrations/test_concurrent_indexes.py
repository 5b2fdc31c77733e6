"""Interrupted builds CONCURRENTLY: the next `yoyo apply` repairs or records what they left."""

import re
import signal
import subprocess
import threading

import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from yoyo import read_migrations

from app.migrations import watch
from app.migrations.concurrent_indexes import built_by, same
from app.migrations.ledger import record_run
from app.settings import ROOT
from tests.conftest import BIN, backend_on, environment, yoyo_on
from tests.migrations.test_backend import wait_until
from tests.schema.test_history import ledger
from tests.schema.test_migrations import FILES, rollback_of

# Every build CONCURRENTLY, by the migration and the direction that runs it.
BUILDS = [
    (path.stem, operation, built_by(statement) or "")
    for path in FILES
    for operation, file in (("apply", path), ("rollback", rollback_of(path)))
    for statement in re.findall(r"^CREATE INDEX CONCURRENTLY[^;]+;", file.read_text(), re.MULTILINE)
]

STATE = "SELECT relname, indisvalid FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE relname = %s"

MIGRATORS = "SELECT FROM pg_stat_activity WHERE application_name LIKE 'yoyo%' AND datname = current_database()"


def before(url: str, migration: str, operation: str) -> None:
    """Roll a migrated database back until the operation is the next one."""
    migrations = read_migrations(str(ROOT / "sql" / "migrations"))
    position = [migration.id for migration in migrations].index(migration)
    with backend_on(url) as backend:
        backend.rollback_migrations(backend.to_rollback(migrations[position:]))
        if operation == "rollback":
            backend.apply_migrations(migrations[position : position + 1])


def run(url: str, migration: str, operation: str) -> "subprocess.CompletedProcess[str]":
    """Run the operation with the yoyo command."""
    return yoyo_on(url, operation, "--revision", migration)


def test_there_are_builds_in_both_directions() -> None:
    assert {operation for _, operation, _ in BUILDS} == {"apply", "rollback"}


@pytest.mark.parametrize(("migration", "operation", "index"), BUILDS)
def test_a_killed_build_is_built_again(database: str, migration: str, operation: str, index: str) -> None:
    before(database, migration, operation)
    with psycopg.connect(database) as writer, psycopg.connect(database, autocommit=True) as watcher:
        tables = [name for name in ("image_documents", "image_terms") if index.startswith(name)]
        table = Identifier(*tables or ["images"])
        writer.execute(SQL("LOCK TABLE {} IN ROW EXCLUSIVE MODE").format(table))  # the build waits for it, half done
        migrator = subprocess.Popen(
            [BIN / "yoyo", operation, "--revision", migration], cwd=ROOT, env=environment(DATABASE_URL=database)
        )
        wait_until(lambda: watcher.execute(STATE, [index]).fetchall() == [(index, False)])
        migrator.send_signal(signal.SIGKILL)
        migrator.wait()
        wait_until(lambda: not watcher.execute(MIGRATORS).fetchall())

    done = run(database, migration, operation)

    assert done.returncode == 0, done.stderr
    assert f"{migration}: dropping the INVALID index {index} that an interrupted build left\n" in done.stdout
    with psycopg.connect(database) as connection:
        assert connection.execute(STATE, [index]).fetchall() == [(index, True)]


@pytest.mark.parametrize(("migration", "operation", "index"), BUILDS)
def test_a_build_that_was_not_recorded_is_not_repeated(
    database: str, migration: str, operation: str, index: str
) -> None:
    before(database, migration, operation)
    file = ROOT / "sql" / "migrations" / f"{migration}{'.rollback' if operation == 'rollback' else ''}.sql"
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(file.read_bytes())
        identity = connection.execute("SELECT %s::regclass::oid", [index]).fetchone()

        done = run(database, migration, operation)

        assert done.returncode == 0, done.stderr
        assert f"{migration}: the index {index} exists already and is valid\n" in done.stdout
        assert connection.execute("SELECT %s::regclass::oid", [index]).fetchone() == identity
        recorded = connection.execute("SELECT FROM _yoyo_migration WHERE migration_id = %s", [migration]).fetchall()
        assert len(recorded) == (operation == "apply")


def test_another_index_of_that_name_is_rejected(database: str) -> None:
    migration, operation, index = BUILDS[0]
    before(database, migration, operation)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"CREATE INDEX {index} ON images (created_at DESC)".encode())

        done = run(database, migration, operation)

        assert done.returncode == 3
        assert f"{migration} was not applied: another index has the name {index}: CREATE INDEX " in done.stderr
        assert done.stderr.endswith(".\nhint: drop or rename that index\n")
        assert connection.execute("SELECT FROM _yoyo_migration WHERE migration_id = %s", [migration]).fetchall() == []


def test_a_build_that_waits_reports_the_blockers(
    database: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It continues when they have ended. The query of the progress watcher shows that the build waits."""
    migration, operation, index = BUILDS[0]
    before(database, migration, operation)
    monkeypatch.setattr(watch, "REPORT_INTERVAL", 0.1)
    monkeypatch.setattr(watch, "MAX_INTERVAL", 0.1)
    asked = "SELECT FROM pg_stat_activity WHERE query LIKE '-- find_progress%%' AND datname = current_database()"
    with psycopg.connect(database) as writer, psycopg.connect(database, autocommit=True) as watcher:
        writer.execute("LOCK TABLE images IN ROW EXCLUSIVE MODE")

        def end_the_writer() -> None:
            wait_until(lambda: watcher.execute(STATE, [index]).fetchall() == [(index, False)])
            wait_until(lambda: watcher.execute(asked).fetchall())
            wait_until(lambda: "waiting: process" in said())
            writer.rollback()

        out: list[str] = []

        def said() -> str:
            out.append(capsys.readouterr().out)
            return "".join(out)

        ending = threading.Thread(target=end_the_writer)
        ending.start()
        with backend_on(database) as backend:
            backend.apply_migrations(read_migrations(str(ROOT / "sql" / "migrations"))[4:5])
        ending.join()

        process = writer.info.backend_pid
        assert f"{migration}: building index" in said() or f"{migration}: waiting" in said()
        assert (
            f"waiting: process {process} (no application_name) has a transaction that must end first, idle in "
            in said()
        )
        assert watcher.execute(STATE, [index]).fetchall() == [(index, True)]


def test_a_build_that_gave_up_is_repaired_by_the_next_command(database: str) -> None:
    migration, operation, index = BUILDS[0]
    before(database, migration, operation)
    with psycopg.connect(database) as writer, psycopg.connect(database, autocommit=True) as watcher:
        writer.execute("LOCK TABLE images IN ROW EXCLUSIVE MODE")

        given_up = yoyo_on(database, operation, MIGRATION_LOCK_WAIT="0.5", MIGRATION_LOCK_TIMEOUT="0.1")

        assert given_up.returncode == 3
        assert given_up.stderr.startswith(
            f"error: {migration} was not applied: canceling statement due to lock timeout; "
            f"process {writer.info.backend_pid} (no application_name) has a transaction that must end first, "
        )
        assert given_up.stderr.endswith(
            f"SELECT pg_terminate_backend({writer.info.backend_pid}). "
            "Then run the command again: it drops the INVALID index that this may have left, which slows writes\n"
        )
        assert watcher.execute(STATE, [index]).fetchall() == [(index, False)]
        assert ledger(database)[-1] == (migration, operation, "started")

    repaired = run(database, migration, operation)

    assert repaired.returncode == 0, repaired.stderr
    assert ledger(database)[-1] == (migration, operation, "done")


@pytest.mark.parametrize("started", ["apply", "rollback"])
@pytest.mark.parametrize("left", ["INVALID", "whole", "nothing"])
def test_an_interrupted_operation_can_be_completed_or_reversed(database: str, started: str, left: str) -> None:
    """An apply is cut off before a rollback, and a rollback is cut off before an apply."""
    migration, _, index = BUILDS[0]
    opposite = {"apply": "rollback", "rollback": "apply"}[started]
    before(database, migration, started)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(SQL("DROP INDEX IF EXISTS {}").format(Identifier(index)))
        if left != "nothing":
            connection.execute((ROOT / "sql" / "migrations" / f"{migration}.sql").read_bytes())
        if left == "INVALID":
            connection.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass(%s)", [index])
        record_run(connection, migration, "of the file", started, "started")

        done = yoyo_on(database, opposite)

        assert done.returncode == 0, done.stderr
        is_applied = opposite == "apply"
        assert connection.execute(STATE, [index]).fetchall() == ([(index, True)] if is_applied else [])
        runs = [run for run in ledger(database) if run[0] == migration][-2:]
        assert runs == [(migration, started, "interrupted"), (migration, opposite, "done")]
        marks = connection.execute("SELECT FROM _yoyo_migration WHERE migration_id = %s", [migration]).fetchall()
        assert len(marks) == is_applied


def test_definitions_are_compared() -> None:
    statement = "CREATE INDEX CONCURRENTLY i ON t (a, b DESC);"
    assert same(statement, "CREATE INDEX i ON public.t USING btree (a, b DESC)")
    assert not same(statement, "CREATE INDEX i ON public.t USING btree (a, b)")
    assert not same(statement, "CREATE UNIQUE INDEX i ON public.t USING btree (a, b DESC)")
    assert not same(statement, "CREATE INDEX i ON public.t USING btree (a, b DESC) WHERE (a > 0)")
    assert not same(statement, "CREATE INDEX i ON public.t USING gin (a, b DESC)")
