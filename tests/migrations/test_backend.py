"""The yoyo commands: one migrator at a time, and a line with a hint for each failure."""

import fcntl
import getpass
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from yoyo import read_migrations
from yoyo.migrations import Migration

from app.embedded_postgres import Server
from app.migrations import ledger
from app.migrations.backend import SettingsBackend
from app.schema.history import Record
from app.settings import ROOT
from tests.conftest import BIN, backend_on, environment, yoyo_on
from tests.schema.test_migrations import IDS
from tests.support import forked
from tests.support.forked import Running
from tests.support.waiting import wait_until as wait_until


def applied(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [name for (name,) in connection.execute("SELECT migration_id FROM _yoyo_log ORDER BY created_at_utc")]


def sleeping(connection: psycopg.Connection) -> list[tuple[object, ...]]:
    """Return a row for each session that is in that sleep."""
    return connection.execute(
        "SELECT FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND datname = current_database()"
    ).fetchall()


# A session whose client does not read its messages.
NOT_READ = "SELECT FROM pg_stat_activity WHERE wait_event = 'ClientWrite' AND datname = current_database()"


def start_slowly(url: str, folder: Path) -> Running:
    """Start a migrator, and return it in the middle of its sleep."""
    migrator = Running(environment(DATABASE_URL=url), "yoyo", "apply", folder)
    with psycopg.connect(url, autocommit=True) as connection:
        wait_until(lambda: sleeping(connection))
    return migrator


def what_remains(url: str) -> object:
    """Return the table of the slow migration, and the number of rows in yoyo's lock table."""
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT to_regclass('asleep'), (SELECT count(*) FROM yoyo_lock)").fetchone()


def test_the_commands_work_with_no_option(empty_database: str) -> None:
    assert yoyo_on(empty_database, "list").stdout.count("\nU ") == len(IDS)

    applying = yoyo_on(empty_database, "apply")

    assert [line.split()[1] for line in applying.stdout.splitlines()] == IDS
    assert applying.stderr == ""
    assert yoyo_on(empty_database, "list").stdout.count("\nA ") == len(IDS)
    assert yoyo_on(empty_database, "apply").stdout == "nothing to apply\n"

    rolling_back = yoyo_on(empty_database, "rollback")

    assert rolling_back.stdout.startswith(f"rolled back {IDS[-1]} ")
    assert rolling_back.stderr == ""

    assert yoyo_on(empty_database, "rollback", "--all").stdout.count("rolled back") == len(IDS) - 1
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT to_regclass('images')").fetchone() == (None,)
    assert yoyo_on(empty_database, "rollback").stdout == "nothing to roll back\n"
    assert yoyo_on(empty_database, "apply", "--revision", IDS[3]).stdout.count("applied") == 4
    assert yoyo_on(empty_database, "list").stdout.count("\nA ") == 4


def test_the_commands_work_from_a_folder_below_the_project(empty_database: str) -> None:
    listing = forked.run(environment(DATABASE_URL=empty_database), "yoyo", "list", folder=ROOT / "sql" / "queries")

    assert listing.stdout.count("\nU ") == len(IDS)


def test_the_migrators_own_url_comes_first(empty_database: str) -> None:
    listing = yoyo_on("postgresql://nobody@127.0.0.1:1/none", "list", MIGRATION_DATABASE_URL=empty_database)

    assert listing.returncode == 0, listing.stderr


def ten_at_once(url: str, folder: Path, *arguments: Path) -> list[str]:
    """Let ten migrators wait for the lock, and release it. Return the output of each, when all have ended."""
    outputs = [folder / f"output_{number}" for number in range(10)]
    with psycopg.connect(url, autocommit=True) as holder:
        holder.execute("SELECT pg_advisory_lock(hashtextextended('yoyo_lock', 0))")
        migrators = [
            Running(environment(DATABASE_URL=url), "yoyo", "apply", *arguments, stdout=output) for output in outputs
        ]
        wait_until(lambda: all(output.exists() and output.read_text() for output in outputs))
    said = [migrator.communicate(timeout=300)[1] for migrator in migrators]

    assert [migrator.returncode for migrator in migrators] == [0] * 10, said
    assert said == [""] * 10
    return [output.read_text() for output in outputs]


def test_ten_migrators_at_once_apply_each_migration_once(empty_database: str, tmp_path: Path) -> None:
    outputs = ten_at_once(empty_database, tmp_path)

    assert applied(empty_database) == IDS
    assert all(output.startswith("waiting for ") for output in outputs)
    assert sum(output.endswith("\nnothing to apply\n") for output in outputs) == 9


def test_ten_migrators_at_once_on_a_database_with_rows(database: str, tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    shutil.copytree(ROOT / "sql" / "migrations", folder)
    own = "9001_count_images"
    sql = "CREATE TABLE counts AS SELECT count(*) FROM images;\n"
    (folder / f"{own}.sql").write_text(f"-- depends: {IDS[-1]}\n\n{sql}")
    (folder / f"{own}.rollback.sql").write_text("-- loses: nothing\n\nDROP TABLE counts;\n")
    with psycopg.connect(database) as connection:
        connection.execute(
            "INSERT INTO images (filename, content_type, byte_size, width, height, content_sha256) "
            "SELECT 'x', 'image/png', 1, 1, 1, sha256(n::text::bytea) FROM generate_series(1, 100) AS n"
        )

    outputs = ten_at_once(database, tmp_path, folder)

    assert all(output.startswith("waiting for ") for output in outputs)
    assert sum(f"\napplied {own} in " in output for output in outputs) == 1
    assert sum(output.endswith("\nnothing to apply\n") for output in outputs) == 9
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count FROM counts").fetchall() == [(100,)]


def test_a_migration_that_releases_the_lock_is_undone(
    empty_database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "0001_create_a.sql").write_text("CREATE TABLE a ();\nSELECT pg_advisory_unlock_all();\n")
    (tmp_path / "0001_create_a.rollback.sql").write_text("-- loses: nothing\n\nDROP TABLE a;\n")

    with pytest.raises(SystemExit), backend_on(empty_database) as backend:
        backend.apply_migrations(backend.to_apply(read_migrations(str(tmp_path))))

    assert "error: 0001_create_a was not recorded, because it released the lock" in capsys.readouterr().err
    assert applied(empty_database) == []
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT to_regclass('a')").fetchone() == (None,)


def test_a_migrator_that_is_stopped_does_not_hold_the_locks(
    empty_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "0001_create_a.sql").write_text("CREATE TABLE a ();\n")
    (tmp_path / "0001_create_a.rollback.sql").write_text("-- loses: nothing\n\nDROP TABLE a;\n")
    monkeypatch.setattr("app.migrations.session.IDLE_LIMIT", 0.05)
    monkeypatch.setattr("app.migrations.session.IDLE_LIMIT_BY_LOCK_TIMEOUT", 0)
    process_steps = Migration.process_steps

    def stop(migration: Migration, backend: SettingsBackend, operation: str) -> None:
        """Run the steps, and wait until PostgreSQL has ended the session."""
        process_steps(migration, backend, operation)
        with psycopg.connect(empty_database, autocommit=True) as watcher:
            find, process = "SELECT FROM pg_stat_activity WHERE pid = %s", backend.connection.info.backend_pid
            wait_until(lambda: not watcher.execute(find, [process]).fetchall())

    monkeypatch.setattr(Migration, "process_steps", stop)
    with pytest.raises(SystemExit), backend_on(empty_database) as backend:
        backend.apply_migrations(backend.to_apply(read_migrations(str(tmp_path))))

    assert "the connection was lost while 0001_create_a was running: " in capsys.readouterr().err
    assert applied(empty_database) == []


def test_the_lock_is_held_when_the_migrator_decides_what_to_apply(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On an empty database yoyo creates its own tables first."""
    free = []
    with psycopg.connect(empty_database, autocommit=True) as other, backend_on(empty_database) as backend:
        read = ledger.read

        def watched(connection: psycopg.Connection) -> list[Record]:
            free.append(other.execute("SELECT pg_try_advisory_lock(hashtextextended('yoyo_lock', 0))").fetchone())
            other.execute("SELECT pg_advisory_unlock_all()")
            return read(connection)

        monkeypatch.setattr(ledger, "read", watched)
        backend.apply_migrations(read_migrations("sql/migrations"))

    assert free[0] == (True,)  # a look, from which nothing is decided that would write
    assert free[-1] == (False,)


def test_a_killed_migrator_leaves_nothing_and_blocks_no_other(empty_database: str, slow_migration: Path) -> None:
    killed = start_slowly(empty_database, slow_migration)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()

    after = yoyo_on(empty_database, "apply", "-r", IDS[1])

    assert after.returncode == 0, after.stderr
    assert applied(empty_database) == IDS[:2]
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT to_regclass('asleep'), (SELECT count(*) FROM yoyo_lock)").fetchone() == (
            None,
            0,
        )


@pytest.mark.parametrize("interruption", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_migrator_ends_at_once_with_a_hint(
    empty_database: str, slow_migration: Path, interruption: signal.Signals
) -> None:
    migrator = start_slowly(empty_database, slow_migration)
    migrator.send_signal(interruption)
    _, stderr = migrator.communicate(timeout=30)  # it would sleep for a minute

    assert migrator.returncode == 130, stderr
    assert stderr.startswith("error: interrupted")
    assert stderr.count("\n") == 2
    assert what_remains(empty_database) == (None, 0)


@pytest.mark.parametrize("interruption", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_is_not_lost_while_a_message_is_printed(
    empty_database: str, tmp_path: Path, interruption: signal.Signals
) -> None:
    """The migrator waits in the middle of a message until its stderr is read. The statement would run for an hour."""
    talk = "FOR n IN 1..5000 LOOP RAISE NOTICE '%', repeat('x', 400); END LOOP;"
    (tmp_path / "0001_talk.sql").write_text(f"DO $$ BEGIN {talk} PERFORM pg_sleep(3600); END $$;\n")
    (tmp_path / "0001_talk.rollback.sql").write_text("-- loses: nothing\n\nSELECT 1;\n")
    command = [str(BIN / "yoyo"), "apply", str(tmp_path)]
    variables = environment(DATABASE_URL=empty_database)
    with (
        psycopg.connect(empty_database, autocommit=True) as connection,
        subprocess.Popen(command, env=variables, stderr=subprocess.PIPE, text=True) as migrator,
    ):
        assert migrator.stderr
        fcntl.fcntl(migrator.stderr, fcntl.F_SETPIPE_SZ, 4096)  # bytes
        wait_until(lambda: connection.execute(NOT_READ).fetchall())

        migrator.send_signal(interruption)
        try:
            _, stderr = migrator.communicate(timeout=30)
        finally:
            migrator.kill()

    assert migrator.returncode == 130, stderr
    *messages, _, error, hint = stderr.splitlines()
    assert all(line.startswith("notice: 0001_talk: xx") for line in messages)
    assert (error[:18], hint[:6]) == ("error: interrupted", "hint: ")


def test_waiting_for_another_migrator_has_a_limit(empty_database: str, slow_migration: Path) -> None:
    holder = start_slowly(empty_database, slow_migration)
    try:
        waiter = yoyo_on(empty_database, "apply", MIGRATION_LOCK_WAIT="0.3")
    finally:
        holder.kill()
        holder.communicate()

    assert waiter.returncode == 3
    host = re.escape(socket.gethostname()[:30])
    assert re.match(
        rf"error: gave up after \d\.\d s \(MIGRATION_LOCK_WAIT\): another migrator holds the lock: yoyo 0001 on {host}",
        waiter.stderr,
    )
    assert "at: SELECT pg_sleep(60)).\nhint: " in waiter.stderr


def test_a_lock_row_left_by_stock_yoyo_is_taken_over(empty_database: str) -> None:
    yoyo_on(empty_database, "apply", "--revision", IDS[0])
    with psycopg.connect(empty_database) as connection:
        connection.execute("INSERT INTO yoyo_lock (locked, ctime, pid) VALUES (1, now(), 1)")

    assert yoyo_on(empty_database, "apply", "--revision", IDS[1]).returncode == 0


def test_a_failing_migration_is_undone_and_not_recorded(empty_database: str, tmp_path: Path) -> None:
    (tmp_path / "0001_fail_here.sql").write_text("CREATE TABLE half ();\nINSERT INTO nowhere VALUES (1);\n")
    (tmp_path / "0001_fail_here.rollback.sql").write_text("-- loses: nothing\n\nDROP TABLE half;\n")

    done = yoyo_on(empty_database, "apply", str(tmp_path))

    assert (done.returncode, done.stderr) == (
        3,
        'error: 0001_fail_here was not applied: relation "nowhere" does not exist.\n'
        "hint: if the database already has this change, compare: images schema status\n",
    )
    assert applied(empty_database) == []
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT to_regclass('half')").fetchone() == (None,)


def test_the_hint_tells_to_create_what_the_server_lacks(empty_database: str, tmp_path: Path) -> None:
    (tmp_path / "0001_sort_texts.sql").write_text('CREATE TABLE texts (body text COLLATE "de_XX");\n')
    (tmp_path / "0001_sort_texts.rollback.sql").write_text("-- loses: nothing\n\nDROP TABLE texts;\n")

    done = yoyo_on(empty_database, "apply", str(tmp_path))

    assert (done.returncode, done.stderr) == (
        3,
        'error: 0001_sort_texts was not applied: collation "de_XX" for encoding "UTF8" does not exist.\n'
        "hint: if it has to come from elsewhere, create it. "
        "If the database already has this change, compare: images schema status\n",
    )


def test_traffic_does_not_pile_up_behind_a_migration_that_waits(empty_database: str) -> None:
    """A reader blocks the ALTER. Sessions behind the ALTER wait only as long as the ALTER may wait."""
    yoyo_on(empty_database, "apply", "--revision", IDS[0])
    longest = 0.0
    with psycopg.connect(empty_database) as reader, psycopg.connect(empty_database, autocommit=True) as traffic:
        reader.execute("SELECT FROM images")
        blocker = reader.info.backend_pid
        variables = environment(DATABASE_URL=empty_database, MIGRATION_LOCK_TIMEOUT="0.5", MIGRATION_RETRIES="2")
        migrator = Running(variables, "yoyo", "apply")
        while migrator.poll() is None:
            started = time.monotonic()
            traffic.execute("SELECT FROM images")
            longest = max(longest, time.monotonic() - started)
        stdout, stderr = migrator.communicate()

    assert migrator.returncode == 3
    assert stderr.startswith(f"error: {IDS[1]} was not applied: canceling statement due to lock timeout; process ")
    said = rf"{IDS[1]} was undone: .* process {blocker} \(.*\) holds AccessShareLock on images, .* of 2\)\n"
    assert len(re.findall(said, stdout)) == 2
    assert 0.2 < longest < 10


def test_a_migration_that_met_a_lock_is_retried(empty_database: str) -> None:
    yoyo_on(empty_database, "apply", "--revision", IDS[0])
    with psycopg.connect(empty_database) as reader:
        reader.execute("SELECT FROM images")
        migrator = subprocess.Popen(
            [BIN / "yoyo", "apply", "--revision", IDS[3]],
            cwd=ROOT,
            env=environment(DATABASE_URL=empty_database, MIGRATION_LOCK_TIMEOUT="0.2"),
            stdout=subprocess.PIPE,
            text=True,
        )
        assert migrator.stdout is not None
        first = next(line for line in migrator.stdout if " waits for " not in line)
        assert first.startswith(f"{IDS[1]} was undone: ")

    assert migrator.communicate()[0].count("applied") == 3
    assert migrator.returncode == 0


def test_listing_waits_for_no_lock_and_writes_nothing(
    admin: psycopg.Connection, empty_database: str, slow_migration: Path
) -> None:
    admin.execute("DROP ROLE IF EXISTS onlooker")
    admin.execute("CREATE ROLE onlooker LOGIN")
    onlooker = empty_database.replace("postgres@", "onlooker@")
    assert yoyo_on(onlooker, "list").stdout.count("\nU ") == len(IDS)
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)

    holder = start_slowly(empty_database, slow_migration)
    try:
        listing = yoyo_on(empty_database, "list", MIGRATION_LOCK_WAIT="0")
    finally:
        holder.kill()
        holder.communicate()

    assert listing.returncode == 0, listing.stderr


def test_the_lock_of_a_living_migrator_is_not_broken(empty_database: str, slow_migration: Path) -> None:
    assert yoyo_on(empty_database, "break-lock").returncode == 0
    holder = start_slowly(empty_database, slow_migration)
    try:
        breaking = yoyo_on(empty_database, "break-lock")
    finally:
        holder.kill()
        holder.communicate()

    assert breaking.returncode == 1
    assert re.match(r"error: a migrator is running: yoyo 0001 on .*\.\nhint: wait until it ends, ", breaking.stderr)
    wait_until(lambda: yoyo_on(empty_database, "break-lock").returncode == 0)
    assert what_remains(empty_database) == (None, 0)


def test_two_rollbacks_at_once_undo_one_migration(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as holder:
        holder.execute("SELECT pg_advisory_lock(hashtextextended('yoyo_lock', 0))")
        rollbacks = [Running(environment(DATABASE_URL=database), "yoyo", "rollback") for _ in range(2)]
        migrators = "SELECT FROM pg_stat_activity WHERE application_name LIKE 'yoyo%' AND datname = current_database()"
        wait_until(lambda: len(holder.execute(migrators).fetchall()) == 2)

    outputs = [rollback.communicate(timeout=30)[0] for rollback in rollbacks]

    assert sum(output.count(f"rolled back {IDS[-1]} ") for output in outputs) == 1
    assert sum(output.count("rolled back") for output in outputs) == 1
    assert sum(output.endswith("nothing to roll back\n") for output in outputs) == 1


def test_a_concurrent_build_waits_for_old_transactions(empty_database: str) -> None:
    yoyo_on(empty_database, "apply", "--revision", IDS[7])
    with psycopg.connect(empty_database, autocommit=True) as watcher, psycopg.connect(empty_database) as writer:
        writer.execute("LOCK TABLE images IN ROW EXCLUSIVE MODE")
        migrator = Running(environment(DATABASE_URL=empty_database), "yoyo", "apply", "--revision", IDS[8])
        waiting = """
            SELECT FROM pg_stat_activity
            WHERE datname = current_database() AND application_name LIKE 'yoyo%'
                AND wait_event_type = 'Lock' AND now() - query_start > interval '3.5 s'
        """  # longer than the lock_timeout of the other statements
        wait_until(lambda: watcher.execute(waiting).fetchall())
        writer.rollback()

    assert migrator.communicate()[1] == ""
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT count(*) FROM pg_index WHERE NOT indisvalid").fetchone() == (0,)


def test_a_failure_is_a_line_with_a_hint(server: Server, admin: psycopg.Connection, empty_database: str) -> None:
    admin.execute("DROP ROLE IF EXISTS reader")
    admin.execute("CREATE ROLE reader LOGIN")
    as_reader = empty_database.replace("postgres@", "reader@")
    said = {
        "postgresql://postgres@127.0.0.1:1/none": "error: cannot connect to PostgreSQL at 127.0.0.1:1 (DATABASE_URL): "
        "connection refused.\n",
        server.url("none"): '(DATABASE_URL): database "none" does not exist.\n',
        as_reader: "error: PostgreSQL failed: permission denied for schema public.\n"
        "hint: migrate as the role that owns the schema: set MIGRATION_DATABASE_URL, or MIGRATION_ROLE\n",
    }
    for url, words in said.items():
        done = yoyo_on(url, "apply")
        assert done.returncode == 3
        assert done.stderr.startswith("error: ")
        assert done.stderr.endswith(words)
        assert done.stdout == ""


@pytest.mark.parametrize("password", ["hunter2", "hunter2/x", "hunter2#x", "hunter2 x", "hunter2%zz", "hunter2[x"])
@pytest.mark.parametrize("command", ["yoyo list", "images wait --timeout 0.01", "images schema dump"])
def test_a_password_is_never_shown(command: str, password: str, tmp_path: Path) -> None:
    url = f"postgresql://someone:{password}@127.0.0.1:1/none"
    done = forked.run(environment(DATABASE_URL=url, STORAGE_URL=f"file:{tmp_path}"), *command.split())

    assert done.returncode in {2, 3}
    assert "hunter2" not in done.stdout + done.stderr
    assert done.stderr.count("error: ") == 1, done.stderr


def test_time_outs_of_the_role_are_not_for_migrations(admin: psycopg.Connection, empty_database: str) -> None:
    name = Identifier(empty_database.partition("@/")[2].partition("?")[0])
    admin.execute(SQL("ALTER DATABASE {} SET statement_timeout = '1min'").format(name))

    with backend_on(empty_database) as backend:
        assert backend.execute("SHOW statement_timeout").fetchone() == ("0",)


def test_faults_of_the_files_are_reported_before_anything_is_done(empty_database: str, tmp_path: Path) -> None:
    """yoyo fails on some of these faults, and ignores the others."""
    (tmp_path / "0001_create_a.sql").write_text("CREATE TABLE a ();\n")
    (tmp_path / "0002_create_b.sql").write_text("-- depends: 0000_nowhere\n-- Transactional: false\n\nBEGIN;\n")

    done = yoyo_on(empty_database, "apply", str(tmp_path))

    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == "error: nothing was done:"
    assert [re.sub(r".*/(\w+\.sql:\d+: [^:]+): .*", r"\1", line) for line in done.stderr.splitlines()[1:]] == [
        "0001_create_a.sql:1: has no 0001_create_a.rollback.sql",
        "0002_create_b.sql:1: depends on 0000_nowhere, which does not exist",
        "0002_create_b.sql:1: has no 0002_create_b.rollback.sql",
        "0002_create_b.sql:2: `-- Transactional",
        "0002_create_b.sql:4: yoyo begins and ends the transaction itself",
    ]
    (tmp_path / "0001_create_a.sql").write_bytes(b"SELECT '\xe9';\n")
    assert "0001_create_a.sql:1: byte 0xe9 is not UTF-8" in yoyo_on(empty_database, "apply", str(tmp_path)).stderr
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)


def test_a_uid_without_a_name_is_recorded_by_its_number(empty_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr(getpass, "getuser", nameless)
    with backend_on(empty_database) as backend:
        assert backend.get_log_data()["username"] == f"uid {os.getuid()}"
