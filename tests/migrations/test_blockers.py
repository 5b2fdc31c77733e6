"""Blockers of a migration: exactly the sessions that block its statement are named, and no innocent one."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from yoyo import read_migrations

from app.migrations.connection import run
from app.migrations.lock import find_blockers
from app.schema.blockers import Blocker, advice, in_words
from tests.cli.test_status import status
from tests.conftest import as_role, backend_on
from tests.support.pgbouncer import PgBouncer
from tests.support.waiting import wait_until

Connect = Callable[..., psycopg.Connection]


@pytest.fixture
def connect(database: str) -> Iterator[Connect]:
    """A function that connects to the test's database. `name` is the application_name."""
    with ExitStack() as stack:

        def connection(name: str = "", url: str = database, autocommit: bool = False) -> psycopg.Connection:
            made = psycopg.connect(url, application_name=name, autocommit=autocommit)
            stack.callback(made.close)
            return made

        yield connection


@pytest.fixture
def migrator(connect: Connect) -> psycopg.Connection:
    """A session that holds the migrator's lock, as the migrator's does."""
    connection = connect("yoyo", autocommit=True)
    run(connection, "take_lock", key="yoyo_lock")
    return connection


@pytest.fixture
def watcher(connect: Connect) -> psycopg.Connection:
    return connect("watcher", autocommit=True)


def during(migrator: psycopg.Connection, watcher: psycopg.Connection, statement: str) -> list[Blocker]:
    """Return the blockers of a statement of the migrator while it waits."""
    assert find_blockers(watcher) == []
    migrator.pgconn.send_query(statement.encode())
    waits = "SELECT FROM pg_stat_activity WHERE %s IN (pid, leader_pid) AND wait_event_type = 'Lock'"
    wait_until(lambda: watcher.execute(waits, [migrator.info.backend_pid]).fetchall())
    wait_until(lambda: find_blockers(watcher))
    return find_blockers(watcher)


def at_once(words: str) -> str:
    """Return the words with 0 s in place of each duration, which depends on the load of the machine."""
    return re.sub(r"\bfor \d+ s\b", "for 0 s", words)


def test_writers_and_prepared_transactions_block_an_index_and_readers_do_not(
    connect: Connect, migrator: psycopg.Connection, watcher: psycopg.Connection
) -> None:
    innocents = [connect(f"innocent {number}") for number in range(6)]
    innocents[0].execute("SELECT FROM images")  # the oldest of all, on the same table
    innocents[1].execute("LOCK TABLE tokens")
    innocents[2].execute("LOCK TABLE images IN ROW SHARE MODE")
    innocents[3].execute("SELECT pg_advisory_xact_lock(1)")
    innocents[4].execute("SELECT FROM image_terms FOR UPDATE")
    innocents[5].execute("SELECT FROM images; PREPARE TRANSACTION 'innocent'")
    first, second = connect("first"), connect("second")
    first.execute("LOCK TABLE images IN ROW EXCLUSIVE MODE")
    second.execute("LOCK TABLE images IN ROW EXCLUSIVE MODE")
    prepared = connect()
    prepared.execute("LOCK TABLE images IN ROW EXCLUSIVE MODE; PREPARE TRANSACTION 'it''s mine'")
    try:
        found = during(migrator, watcher, "CREATE INDEX blocked_idx ON images (width)")
    finally:
        migrator.cancel()
        for gid in ("innocent", "it''s mine"):
            watcher.execute(f"ROLLBACK PREPARED '{gid}'".encode())

    named = {(each.process, each.gid, each.mode, each.object, each.holds, each.total) for each in found}
    lock = ("RowExclusiveLock", "images", True, 3)
    assert named == {
        (first.info.backend_pid, None, *lock),
        (second.info.backend_pid, None, *lock),
        (None, "it's mine", *lock),
    }
    [prepared_one] = [each for each in found if each.gid]
    assert at_once(str(prepared_one)).startswith(
        "prepared transaction 'it's mine' holds RowExclusiveLock on images, its transaction open for 0 s"
    )
    assert prepared_one.advice == (
        "end the prepared transaction: ROLLBACK PREPARED 'it''s mine', or COMMIT PREPARED 'it''s mine'"
    )
    assert (
        f"process {first.info.backend_pid} (first) holds RowExclusiveLock on images, idle in transaction for 0 s, "
        in at_once(in_words(found))
    )
    assert "at: LOCK TABLE images IN ROW EXCLUSIVE MODE" in in_words(found)


def test_a_session_that_queues_in_front_blocks(
    connect: Connect, migrator: psycopg.Connection, watcher: psycopg.Connection
) -> None:
    reader, queued = connect("reader"), connect("queued")
    reader.execute("SELECT FROM images")
    queued.pgconn.send_query(b"BEGIN; LOCK TABLE images")
    waits = "SELECT FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"
    wait_until(lambda: watcher.execute(waits, [queued.info.backend_pid]).fetchall())

    [found] = during(migrator, watcher, "SELECT count(*) FROM images")  # the reader does not block it

    assert (found.process, found.holds, found.mode) == (queued.info.backend_pid, False, "AccessExclusiveLock")
    assert at_once(str(found)).startswith(
        f"process {queued.info.backend_pid} (queued) waits in front for AccessExclusiveLock on images "
        f"behind process {reader.info.backend_pid}, its transaction open for 0 s, "
        "its query for 0 s, at: BEGIN; LOCK TABLE images"
    )
    assert found.advice == (
        f"process {queued.info.backend_pid} waits itself. Look at the whole queue: psql -f sql/inspect/blocking.sql"
    )


def test_a_concurrent_build_waits_for_an_old_snapshot(
    connect: Connect, migrator: psycopg.Connection, watcher: psycopg.Connection
) -> None:
    innocent, old = connect("innocent"), connect("old")
    innocent.execute("SELECT")  # READ COMMITTED: it has no snapshot between two statements
    old.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT FROM tokens")

    [found] = during(migrator, watcher, "CREATE INDEX CONCURRENTLY built_idx ON images (width)")

    assert (found.process, found.object, found.holds) == (old.info.backend_pid, None, True)
    assert str(found).startswith(
        f"process {old.info.backend_pid} (old) has a transaction that must end first, idle in "
    )


def test_locks_that_are_on_no_table(
    connect: Connect, migrator: psycopg.Connection, watcher: psycopg.Connection, admin: psycopg.Connection
) -> None:
    """A row, an advisory lock, and a role, which a session in another database holds."""
    admin.execute("DROP ROLE IF EXISTS shared_role; CREATE ROLE shared_role")
    holder = connect("holder")
    holder.execute("CREATE TABLE counters AS SELECT 1 AS n; COMMIT; BEGIN; UPDATE counters SET n = 2")
    [row] = during(migrator, watcher, "UPDATE counters SET n = 3")
    holder.rollback()
    _ = [migrator.pgconn.get_result() for _ in range(2)]

    holder.execute("SELECT pg_advisory_xact_lock(77)")
    [advisory] = during(migrator, watcher, "SELECT pg_advisory_lock(77)")
    holder.rollback()
    _ = [migrator.pgconn.get_result() for _ in range(2)]

    with psycopg.connect(admin.info.dsn, application_name="elsewhere") as other:
        other.execute("ALTER ROLE shared_role NOLOGIN")
        [elsewhere] = during(migrator, watcher, "ALTER ROLE shared_role LOGIN")
        process = other.info.backend_pid
        other.rollback()

    assert (row.process, row.object) == (holder.info.backend_pid, None)
    assert (advisory.mode, advisory.object) == ("ExclusiveLock", "advisory lock 77")
    assert "holds ExclusiveLock on advisory lock 77, idle in transaction for 0 s, " in at_once(str(advisory))
    assert (elsewhere.process, elsewhere.other_database) == (process, "postgres")
    assert f"process {process} (elsewhere, database postgres) has a transaction that must end first" in str(elsewhere)


def test_a_client_of_a_pooler_is_named_by_its_server_process(
    connect: Connect, migrator: psycopg.Connection, watcher: psycopg.Connection, pooler: PgBouncer, database: str
) -> None:
    client = connect("behind the pooler", pooler.url(database))
    client.execute("SELECT FROM images")
    [process] = client.execute("SELECT pg_backend_pid()").fetchone() or [None]

    [found] = during(migrator, watcher, "BEGIN; LOCK TABLE images")

    assert (found.process, found.program) == (process, "behind the pooler")


def test_a_role_without_rights_sees_the_processes_and_is_told_what_is_hidden(
    connect: Connect, database: str, watcher: psycopg.Connection
) -> None:
    migrator = connect("yoyo", as_role(database, "images_owner"), autocommit=True)
    run(migrator, "take_lock", key="yoyo_lock")
    blind = connect("", as_role(database, "images_owner"), autocommit=True)
    holder = connect("holder")
    holder.execute("SELECT FROM images")
    during(migrator, watcher, "BEGIN; LOCK TABLE images")

    [found] = find_blockers(blind)

    assert (found.process, found.mode, found.state, found.transaction_seconds) == (
        holder.info.backend_pid,
        "AccessShareLock",
        None,
        None,
    )
    assert str(found) == (
        f"process {holder.info.backend_pid} (holder) holds AccessShareLock on images, "
        "its statement is hidden from this role, GRANT pg_monitor shows it"
    )


def test_many_blockers_are_counted(
    connect: Connect, migrator: psycopg.Connection, watcher: psycopg.Connection, database: str
) -> None:
    for number in range(12):
        connect(f"reader {number}").execute("SELECT FROM images")

    found = during(migrator, watcher, "BEGIN; LOCK TABLE images")

    done = status(database)
    assert (done.returncode, done.stderr) == (3, "")  # it cannot read a table that the migrator queues for
    said = done.stdout
    assert said.count("\nblocked by: process ") == 10
    assert len(json.loads(status(database, "--format", "json").stdout)["blockers"]) == 10
    assert [each.program for each in found] == [f"reader {number}" for number in range(10)]
    assert in_words(found).count("holds AccessShareLock") == 3
    assert in_words(found).endswith(", and 9 more: psql -f sql/inspect/blocking.sql")


@pytest.mark.parametrize(
    ("statement", "named", "said"),
    [
        (
            "autovacuum: VACUUM public.images (to prevent wraparound)",
            "process 7 (autovacuum to prevent wraparound) holds ShareUpdateExclusiveLock on images, ",
            "let that autovacuum finish, because it begins again if it is ended. Then run the command again",
        ),
        (
            "autovacuum: VACUUM public.images",
            "process 7 (autovacuum, which gives way) holds ShareUpdateExclusiveLock on images, ",
            "run the command again: this autovacuum gives way by itself",
        ),
    ],
)
def test_an_autovacuum_is_called_what_it_is(statement: str, named: str, said: str) -> None:
    vacuum = Blocker(
        7, None, "", "autovacuum worker", None, "ShareUpdateExclusiveLock", "images", True, None, "active", 9, 9,
        statement, 1,
    )  # fmt: skip

    assert str(vacuum).startswith(named)
    assert vacuum.advice == said


def test_the_hint_names_each_session_that_can_be_ended() -> None:
    def session(process: int | None, gid: str | None = None) -> Blocker:
        return Blocker(process, gid, "", "client backend", None, "x", "y", True, None, "idle", 9, 9, "", 3)

    assert advice([session(7)]) == session(7).advice
    assert advice([session(7), session(None, "two"), session(8)]) == (
        "wait until they end, or end those that their programs forgot: SELECT pg_terminate_backend(7), "
        "pg_terminate_backend(8). Then end the prepared transaction: ROLLBACK PREPARED 'two', or COMMIT PREPARED 'two'"
    )


@pytest.fixture
def blocked_folder(tmp_path: Path) -> str:
    """A folder with a migration that needs ACCESS EXCLUSIVE on a table, and whose rollback counts its rows."""
    (tmp_path / "0001_lock_things.sql").write_text("LOCK TABLE things;\n")
    (tmp_path / "0001_lock_things.rollback.sql").write_text(
        "-- loses: rows\n-- rows to lose: SELECT count(*) FROM things\n\nLOCK TABLE things;\n"
    )
    return str(tmp_path)


def failed(url: str, folder: str, operation: str) -> None:
    def run_it() -> None:
        with backend_on(url) as backend:
            getattr(backend, f"{operation}_migrations")(read_migrations(folder))

    with pytest.raises(SystemExit) as ended:
        run_it()
    assert ended.value.code == 3


def test_a_command_that_gives_up_names_the_find_blockers(
    empty_database: str,
    blocked_folder: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MIGRATION_LOCK_TIMEOUT", "0.6")
    monkeypatch.setenv("MIGRATION_RETRIES", "1")
    with (
        psycopg.connect(empty_database, application_name="innocent") as innocent,
        psycopg.connect(empty_database, application_name="holder") as holder,
    ):
        innocent.execute("CREATE TABLE things (); CREATE TABLE others (); COMMIT; BEGIN; LOCK TABLE others")
        process = holder.info.backend_pid
        holder.execute("SELECT FROM things")
        named = (
            f"canceling statement due to lock timeout; process {process} (holder) holds AccessShareLock on things, idle"
        )
        hint = f"hint: wait until it ends, or end it if its program forgot it: SELECT pg_terminate_backend({process})\n"

        failed(empty_database, blocked_folder, "apply")
        out, err = capsys.readouterr()
        assert f"0001_lock_things was undone: {named}" in out
        assert f"error: 0001_lock_things was not applied: {named}" in err
        assert err.endswith(f"\n{hint}")

        holder.rollback()
        with backend_on(empty_database) as backend:
            backend.apply_migrations(read_migrations(blocked_folder))
        holder.execute("LOCK TABLE things")
        named = named.replace("AccessShareLock", "AccessExclusiveLock")
        failed(empty_database, blocked_folder, "rollback")  # when it counts the rows, before the rollback begins
        out, err = capsys.readouterr()
        assert f"error: PostgreSQL failed: {named}" in err
        assert err.endswith(f"\n{hint}")
        assert "innocent" not in out + err


def test_a_command_without_a_second_connection_says_that_it_does_not_know(
    admin: psycopg.Connection,
    empty_database: str,
    blocked_folder: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    admin.execute("DROP ROLE IF EXISTS lonely; CREATE ROLE lonely LOGIN CONNECTION LIMIT 1")
    monkeypatch.setenv("MIGRATION_LOCK_TIMEOUT", "0.6")
    monkeypatch.setenv("MIGRATION_RETRIES", "0")
    with psycopg.connect(empty_database) as holder:
        holder.execute("GRANT CREATE ON SCHEMA public TO lonely; CREATE TABLE things (); GRANT ALL ON things TO lonely")
        holder.execute("COMMIT; BEGIN; SELECT FROM things")

        failed(as_role(empty_database, "lonely"), blocked_folder, "apply")

    assert capsys.readouterr().err == (
        "error: 0001_lock_things was not applied: canceling statement due to lock timeout; "
        "which session blocked it is not known, because no second connection is possible: "
        'too many connections for role "lonely".\n'
    )
