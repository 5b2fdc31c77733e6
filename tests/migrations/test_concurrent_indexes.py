"""Interrupted builds CONCURRENTLY: the next `yoyo apply` repairs or records what they left."""

import re
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from yoyo import read_migrations

from app.embedded_postgres import Server
from app.migrations import watch
from app.migrations.index_definition import COPY, build_of, is_same
from app.migrations.ledger import record_run
from tests.conftest import NUMBER, _database, backend_on, environment, yoyo_on
from tests.migrations.test_backend import wait_until
from tests.schema.test_history import ledger
from tests.schema.test_migrations import CONTRACTS, FILES, FOLDER, rollback_of
from tests.support.exhaustive import one_of_each
from tests.support.forked import Running

# Every build CONCURRENTLY, by the migration and the direction that runs it.
BUILDS = [
    (path.stem, operation, str(created.idxname))
    for path in FILES
    for operation, file in (("apply", path), ("rollback", rollback_of(path)))
    for statement in re.findall(r"^CREATE INDEX CONCURRENTLY[^;]+;", file.read_text(), re.MULTILINE)
    if (created := build_of(statement)) is not None
]


def table_of(index: str) -> str:
    """Return the table of an index, by its name."""
    tables = ("image_documents", "image_terms", "image_words")
    return next((table for table in tables if index.startswith(table)), "images")


STATE = "SELECT relname, indisvalid FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE relname = %s"

MIGRATORS = "SELECT FROM pg_stat_activity WHERE application_name LIKE 'yoyo%' AND datname = current_database()"


def position_before(migration: str, operation: str) -> int:
    """Return how many migrations a database has if the operation is its next one."""
    return [path.stem for path in FILES].index(migration) + (operation == "rollback")


# The newest first: each is a rollback from the last one.
NEWEST_FIRST = sorted(BUILDS, key=lambda build: -position_before(*build[:2]))
# A killed build is repaired by its definition, which the test below compares for all builds.
KILLED = one_of_each(NEWEST_FIRST, kind=lambda build: (build[1], table_of(build[2])))


@pytest.fixture(scope="module")
def states(server: Server, admin: psycopg.Connection, template: str) -> Iterator[Callable[[int], str]]:
    """Return the name of a database with so many migrations. The first call makes it from the nearest one."""
    made = {0: "template1", len(FILES): template}
    migrations = read_migrations(str(FOLDER))

    def state(number: int) -> str:
        if number not in made:
            nearest = min(made, key=lambda each: abs(each - number))
            made[number] = f"before_{number}_{next(NUMBER)}"
            create = SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
            admin.execute(create.format(Identifier(made[number]), Identifier(made[nearest])))
            with backend_on(server.url(made[number])) as backend:
                backend.released = frozenset(CONTRACTS)
                if nearest < number:
                    backend.apply_migrations(backend.to_apply(migrations[:number]))
                else:
                    backend.rollback_migrations(backend.to_rollback(migrations[number:]))
        return made[number]

    yield state
    for number, name in made.items():
        if 0 < number < len(FILES):
            admin.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


@pytest.fixture
def database(
    server: Server, admin: psycopg.Connection, states: Callable[[int], str], build: tuple[str, str, str]
) -> Iterator[str]:
    """The URL of a database whose next operation is the build."""
    migration, operation, _ = build
    yield from _database(server, admin, states(position_before(migration, operation)))


@pytest.fixture
def build(request: pytest.FixtureRequest) -> tuple[str, str, str]:
    """The build that the test is about: the first one by default."""
    chosen: tuple[str, str, str] = getattr(request, "param", BUILDS[0])
    return chosen


def run(url: str, migration: str, operation: str) -> "subprocess.CompletedProcess[str]":
    """Run the operation with the yoyo command."""
    return yoyo_on(url, operation, "--revision", migration)


def test_there_are_builds_in_both_directions() -> None:
    assert {operation for _, operation, _ in BUILDS} == {"apply", "rollback"}


@pytest.mark.parametrize("build", KILLED, indirect=True, ids="-".join)
def test_a_killed_build_is_built_again(database: str, build: tuple[str, str, str]) -> None:
    migration, operation, index = build
    with psycopg.connect(database) as writer, psycopg.connect(database, autocommit=True) as watcher:
        table = SQL("LOCK TABLE {} IN ROW EXCLUSIVE MODE").format(Identifier(table_of(index)))
        writer.execute(table)  # the build waits for it, half done
        migrator = Running(environment(DATABASE_URL=database), "yoyo", operation, "--revision", migration)
        wait_until(lambda: watcher.execute(STATE, [index]).fetchall() == [(index, False)])
        migrator.kill()
        migrator.wait()
        wait_until(lambda: not watcher.execute(MIGRATORS).fetchall())

    done = run(database, migration, operation)

    assert done.returncode == 0, done.stderr
    assert f"{migration}: dropping the INVALID index {index} that an interrupted build left\n" in done.stdout
    with psycopg.connect(database) as connection:
        assert connection.execute(STATE, [index]).fetchall() == [(index, True)]


def test_a_build_that_was_not_recorded_is_not_repeated(other_database: str, capsys: pytest.CaptureFixture[str]) -> None:
    """On the way down through all migrations, each build is the next operation once."""
    migrations = read_migrations(str(FOLDER))
    with psycopg.connect(other_database, autocommit=True) as connection, backend_on(other_database) as backend:
        for migration, operation, index in NEWEST_FIRST:
            number = position_before(migration, operation)
            backend.rollback_migrations(backend.to_rollback(migrations[number:]))
            file = FOLDER / f"{migration}{'.rollback' if operation == 'rollback' else ''}.sql"
            connection.execute(file.read_bytes())
            identity = connection.execute("SELECT %s::regclass::oid", [index]).fetchone()
            capsys.readouterr()

            if operation == "apply":
                backend.apply_migrations(backend.to_apply(migrations[: number + 1]))
            else:
                backend.rollback_migrations(backend.to_rollback(migrations[number - 1 :]))

            assert f"{migration}: the index {index} exists already and is valid\n" in capsys.readouterr().out
            assert connection.execute("SELECT %s::regclass::oid", [index]).fetchone() == identity, migration
            recorded = connection.execute("SELECT FROM _yoyo_migration WHERE migration_id = %s", [migration]).fetchall()
            assert len(recorded) == (operation == "apply"), migration


def test_another_index_of_that_name_is_rejected(database: str) -> None:
    migration, operation, index = BUILDS[0]
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
    migration, _, index = BUILDS[0]
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
            backend.apply_migrations(read_migrations(str(FOLDER))[4:5])
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


@pytest.mark.parametrize(
    ("build", "started"),
    [(BUILDS[0], "apply"), ((BUILDS[0][0], "rollback", BUILDS[0][2]), "rollback")],
    indirect=["build"],
    ids=["apply", "rollback"],
)
@pytest.mark.parametrize("left", ["INVALID", "whole", "nothing"])
def test_an_interrupted_operation_can_be_completed_or_reversed(
    database: str, build: tuple[str, str, str], started: str, left: str
) -> None:
    """An apply is cut off before a rollback, and a rollback is cut off before an apply."""
    migration, _, index = build
    opposite = {"apply": "rollback", "rollback": "apply"}[started]
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(SQL("DROP INDEX IF EXISTS {}").format(Identifier(index)))
        if left != "nothing":
            connection.execute((FOLDER / f"{migration}.sql").read_bytes())
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


# A CREATE INDEX of a migration, after CREATE INDEX CONCURRENTLY.
DEFINITIONS = [
    "a ON t (b)",
    'a ON t ("B" DESC)',
    "a ON t (b ASC NULLS LAST)",
    "a ON t (b NULLS FIRST)",
    "a ON t (b DESC NULLS FIRST, c)",
    "a ON t (b DESC NULLS LAST)",
    "a ON t USING hash (c)",
    "a ON t USING btree (b) INCLUDE (c)",
    "a ON t (lower(v))",
    "a ON t ((v || 'a'))",
    "a ON t (b) WHERE b > -1 AND c IS NOT NULL AND v LIKE 'a%'",
    "a ON t (b) WHERE c IN ('x', 'y')",
    "a ON t (b) WHERE c NOT IN ('x', 'y')",
    "a ON t (b) WHERE c IN ('x', 'z')",
    'a ON t (c COLLATE "C")',
    "a ON t (c text_pattern_ops)",
    "a ON t USING gin (d) WITH (fastupdate = off)",
    "a ON t (b) WITH (fillfactor = 70)",
    "a ON t ((d ->> 'x'))",
    "a ON t (coalesce(c, ''), (b + 1))",
    "a ON t ((b::bigint))",
    "a ON t ((b::float8))",
    "a ON t ((b::pg_catalog.int2))",
    "a ON t ((CAST(c AS varchar(5))))",
    "a ON t ((c::numeric(9, 2)))",
    "a ON t USING gist (point((d ->> 'x')::float8, (d ->> 'y')::double precision)) WHERE d IS NOT NULL",
    "a ON t ((d #>> '{x,y}'))",
    "a ON t (((d -> 'x') ->> 'y'), (d -> 1))",
    "a ON t ((c IS DISTINCT FROM 'a'))",
    "a ON t ((NOT b = 1)) WHERE NOT (b = 2 OR b = 3)",
    "a ON t ((CASE WHEN b = 1 THEN 'one' ELSE c END))",
    "a ON t (nullif(b, 0), greatest(b, 1), least(b, 2))",
    "a ON t ((date_trunc('day', u AT TIME ZONE 'UTC')))",
    "a ON t ((extract(year FROM u AT TIME ZONE 'UTC')))",
    "a ON t (b) WHERE c ~ '^a' AND c !~* 'b$'",
    "a ON t (b) WHERE b = ANY ('{1,2}')",
    "a ON t (b) WHERE b = ANY (ARRAY[1, 3])",
    "a ON t (b) WHERE (c = 'x') IS TRUE AND (c = 'y') IS NOT FALSE",
    "a ON t ((c COLLATE \"C\" || 'a'))",
    "a ON t (substring(c FROM 1 FOR 3), trim(c), position('a' IN c))",
    "a ON t ((b % 2), (- b), (@ b), (b::bit(3)))",
    "a ON t ((to_tsvector('simple', c)))",
    "a ON t ((to_tsvector('simple'::regconfig, coalesce(c, '') || ' ' || coalesce(v, ''))))",
    "a ON t (b) WHERE d @> '{\"x\": 1}' AND d ? 'y'",
    "a ON t (b) WHERE b BETWEEN 1 AND 2",
    "a ON t (b) WHERE b NOT BETWEEN 1 AND 2",
    "a ON t (b) WHERE c IS NOT DISTINCT FROM 'a'",
    "a ON t ((CASE b WHEN 1 THEN 'one' ELSE c END))",
    "a ON t (b) WHERE (b, c) > (1, 'a')",
    "a ON t (b) WHERE u > '2024-01-01 00:00:00+02'",
    "a ON t (b) WHERE u > timestamptz '2024-01-01 00:00:00+03'",
    "a ON t (b) WHERE array_length(string_to_array(c, ','), 1) > 1",
]


def test_each_definition_is_that_of_the_index_it_makes(empty_database: str) -> None:
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute('CREATE TABLE t (b integer, c text, d jsonb, v varchar(9), "B" text, u timestamptz)')
        statements = [f"CREATE INDEX CONCURRENTLY {each}" for each in DEFINITIONS]
        statements += ["CREATE UNIQUE INDEX CONCURRENTLY a ON t (b)"]
        statements += ["CREATE UNIQUE INDEX CONCURRENTLY a ON t (b) NULLS NOT DISTINCT"]
        made = {}
        for sql in statements:
            connection.execute(sql.encode())
            [(made[sql],)] = connection.execute("SELECT pg_get_indexdef('a'::regclass)")
            connection.execute("DROP INDEX a")
        copy = f"CREATE UNLOGGED TABLE {COPY} (LIKE t)"
        # A definition is compared with its own statement, and with those beside it, which are like it.
        alike = {
            (sql, other)
            for number, sql in enumerate(statements)
            for other in statements[max(0, number - 3) : number + 4]
            if is_same(connection, sql, copy, made[other])
        }

    default = {statements[0], statements[2]}  # ASC NULLS LAST is the default
    assert alike == {
        (one, other) for one in statements for other in statements if one == other or {one, other} == default
    }


# Statements in every form that PostgreSQL reads, with the name of the index.
FORMS = {
    "quoted": ('CREATE INDEX CONCURRENTLY "Odd ""index" ON t (b);', '"Odd ""index"'),
    "comments": ("/* one */ CREATE -- two\nINDEX CONCURRENTLY\n-- three\ncommented ON t (b);", "commented"),
    "schema": ("CREATE INDEX CONCURRENTLY elsewhere ON s.t (b);", "s.elsewhere"),
    "all quoted": ('create unique index concurrently "i" on "s"."T t" using btree ("b");', "s.i"),
    "capitals": ("CREATE INDEX CONCURRENTLY Capitals ON T (B);", "capitals"),
    "escapes": ('CREATE INDEX CONCURRENTLY U&"\\0069x" ON t (b);', "ix"),
    "materialized view": ("CREATE INDEX CONCURRENTLY of_view ON m (b);", "of_view"),
}
MAKE = """
CREATE TABLE t (b integer);
CREATE SCHEMA s;
CREATE TABLE s.t (b integer);
CREATE TABLE s."T t" (b integer);
CREATE MATERIALIZED VIEW m AS SELECT 1 AS b;
"""
INVALID = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass(%s)"
NOT_READY = "UPDATE pg_index SET indisready = false WHERE indexrelid = to_regclass(%s)"
ONE = [("CREATE INDEX CONCURRENTLY a ON t (b);", "a")]


def write_builds(folder: Path, builds: Iterable[tuple[str, str]]) -> Path:
    """Write a migration for each statement, with a rollback that drops its index."""
    folder.mkdir()
    before = ""
    for number, (sql, index) in enumerate(builds, 1):
        name = f"{number:04}_build_index"
        (folder / f"{name}.sql").write_text(f"-- Builds.\n-- transactional: false\n{before}\n-- above\n{sql}\n")
        drop = f"-- loses: nothing\n-- transactional: false\n\nDROP INDEX CONCURRENTLY IF EXISTS {index};\n"
        (folder / f"{name}.rollback.sql").write_text(drop)
        before = f"-- depends: {name}\n"
    return folder


@pytest.mark.parametrize("left", ["INVALID", "not ready", "whole", "nothing"])
def test_a_build_in_each_form_is_repaired(
    empty_database: str, tmp_path: Path, left: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_builds(tmp_path / "migrations", FORMS.values())
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute(MAKE.encode())
        for sql, name in FORMS.values() if left != "nothing" else ():
            connection.execute(sql.encode())
            if left != "whole":
                connection.execute(INVALID, [name])
            if left == "not ready":  # as DROP INDEX CONCURRENTLY leaves it, too
                connection.execute(NOT_READY, [name])

        with backend_on(empty_database) as backend:
            backend.apply_migrations(backend.to_apply(read_migrations(str(folder))))

        said = capsys.readouterr().out
        assert said.count(": dropping the INVALID index ") == (len(FORMS) if left in {"INVALID", "not ready"} else 0)
        assert said.count(" exists already and is valid\n") == (len(FORMS) if left == "whole" else 0)
        for _, name in FORMS.values():
            whole = "SELECT indisvalid AND indisready FROM pg_index WHERE indexrelid = to_regclass(%s)"
            assert connection.execute(whole, [name]).fetchone() == (True,)


# Other objects with the name of the index, and the words of the error.
NOT_OURS = {
    "an INVALID index of another table": ("CREATE INDEX a ON u (b)", "another index has the name a: "),
    "a valid index of another table": ("CREATE INDEX a ON u (b)", "another index has the name a: "),
    "a valid index of other columns": ("CREATE INDEX a ON t (c)", "another index has the name a: "),
    "a unique index": ("CREATE UNIQUE INDEX a ON t (b)", "another index has the name a: "),
    "a table": ("CREATE TABLE a ()", 'relation "a" already exists'),
}


def test_an_index_of_somebody_else_is_never_dropped(empty_database: str, tmp_path: Path) -> None:
    folder = write_builds(tmp_path / "migrations", ONE)
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("CREATE TABLE t (b integer, c integer); CREATE TABLE u (b integer)")
        for case, (made, said) in NOT_OURS.items():
            connection.execute(made.encode())
            if "INVALID" in case:
                connection.execute(INVALID, ["a"])
            identity = connection.execute("SELECT 'a'::regclass::oid").fetchone()

            done = yoyo_on(empty_database, "apply", str(folder))

            assert (done.returncode, said in done.stderr) == (3, True), (case, done.stderr)
            assert connection.execute("SELECT 'a'::regclass::oid").fetchone() == identity, case
            connection.execute("DROP TABLE a" if case == "a table" else "DROP INDEX a")


def test_an_index_that_another_session_builds_is_left_to_it(empty_database: str, tmp_path: Path) -> None:
    folder = write_builds(tmp_path / "migrations", ONE)
    with psycopg.connect(empty_database, autocommit=True) as builder, psycopg.connect(empty_database) as writer:
        builder.execute("CREATE TABLE t (b integer)")
        writer.execute("LOCK TABLE t IN ROW EXCLUSIVE MODE")
        building = threading.Thread(target=lambda: builder.execute("CREATE INDEX CONCURRENTLY a ON t (b)"))
        building.start()
        with psycopg.connect(empty_database, autocommit=True) as watcher:
            wait_until(lambda: watcher.execute(STATE, ["a"]).fetchall() == [("a", False)])

            done = yoyo_on(empty_database, "apply", str(folder))

            process = builder.info.backend_pid
            assert f"0001_build_index was not applied: process {process} is building the index a.\n" in done.stderr
            writer.rollback()
            building.join()
            assert watcher.execute(STATE, ["a"]).fetchall() == [("a", True)]


def test_without_a_rollback_that_drops_it_the_command_is_told(empty_database: str, tmp_path: Path) -> None:
    folder = write_builds(tmp_path / "migrations", [("CREATE INDEX CONCURRENTLY a ON s.t (b);", "s.other")])
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute(MAKE.encode())
        connection.execute("CREATE INDEX a ON s.t (b); CREATE INDEX other ON s.t (b)")
        connection.execute(INVALID, ["s.a"])

        done = yoyo_on(empty_database, "apply", str(folder))

        assert done.returncode == 3
        assert done.stderr.endswith("hint: drop it: DROP INDEX CONCURRENTLY s.a\n")
        assert connection.execute("SELECT to_regclass('s.other') IS NOT NULL").fetchone() == (True,)
