"""Connection of the migrator: its requirements, and the errors if they are not met."""

import os
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Identifier

from app.embedded_postgres import Server
from app.migrations.connection import TIMEOUT_HINT, explain, hint_for, is_interrupted, run
from app.settings import ROOT
from tests.cli.test_status import status
from tests.conftest import BIN, MEMORY, environment, yoyo_on
from tests.migrations.test_backend import sleeping, wait_until
from tests.migrations.test_yoyo_options import migrations
from tests.schema.test_history import ledger, state, write
from tests.support.forked import Running


def test_an_interruption_is_found_behind_the_errors_that_follow_it() -> None:
    """The end of a transaction and the release of the lock fail too if the connection was closed."""

    @contextmanager
    def failing_at_its_end() -> Iterator[None]:
        try:
            yield
        finally:
            raise psycopg.OperationalError("the connection is closed")

    with pytest.raises(psycopg.OperationalError) as one, failing_at_its_end(), failing_at_its_end():
        raise KeyboardInterrupt
    with pytest.raises(psycopg.OperationalError) as other, failing_at_its_end(), failing_at_its_end():
        raise psycopg.OperationalError("the server ended")

    assert (is_interrupted(one.value), is_interrupted(other.value)) == (True, False)


@pytest.fixture
def pooler(database: str, tmp_path: Path) -> Iterator[str]:
    """The URL of a relay that looks like a pooler: it gives the client a process number of its own."""
    path = tmp_path / ".s.PGSQL.5432"
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()
    begin_of_key_data = b"K\0\0\0\x0c"

    def forward(source: socket.socket, target: socket.socket) -> None:
        while data := source.recv(65536):
            head, key, tail = data.partition(begin_of_key_data)
            target.sendall(head + key + (b"\0\0\0\1" + tail[4:] if key else b""))
        target.shutdown(socket.SHUT_WR)

    def serve() -> None:
        client, _ = server.accept()
        with client, socket.socket(socket.AF_UNIX) as upstream:
            upstream.connect(f"{conninfo_to_dict(database)['host']}/.s.PGSQL.5432")
            back = threading.Thread(target=forward, args=(upstream, client))
            back.start()
            forward(client, upstream)
            back.join()

    serving = threading.Thread(target=serve)
    serving.start()
    yield database.partition("?")[0] + f"?host={tmp_path}"
    serving.join(timeout=30)
    server.close()


@pytest.mark.parametrize("command", ["apply", "rollback", "list"])
def test_a_pooler_is_rejected(pooler: str, database: str, command: str) -> None:
    before = state(database)

    done = yoyo_on(pooler, command)

    assert done.returncode == 3
    assert done.stderr == (
        "error: this connection goes through a pooler, which can give each statement to another session.\n"
        "hint: set MIGRATION_DATABASE_URL to PostgreSQL itself\n"
    )
    assert state(database) == before


def test_a_role_without_rights_gets_a_hint_to_the_owner(
    admin: psycopg.Connection, empty_database: str, database: str
) -> None:
    admin.execute("DROP ROLE IF EXISTS guest")
    admin.execute("CREATE ROLE guest LOGIN")

    on_nothing = yoyo_on(empty_database.replace("postgres@", "guest@"), "apply")
    before = state(database)
    on_another_s = yoyo_on(database.replace("postgres@", "guest@"), "rollback")

    hint = "hint: migrate as the role that owns the schema: set MIGRATION_DATABASE_URL, or MIGRATION_ROLE\n"
    assert on_nothing.stderr == f"error: PostgreSQL failed: permission denied for schema public.\n{hint}"
    assert on_another_s.stderr == f"error: PostgreSQL failed: permission denied for table yoyo_lock.\n{hint}"
    assert (on_nothing.returncode, on_another_s.returncode) == (3, 3)
    assert state(database) == before


def test_settings_of_the_role_do_not_matter(admin: psycopg.Connection, database: str) -> None:
    name = Identifier(database.partition("@/")[2].partition("?")[0])
    for setting in ("DateStyle = 'German, DMY'", "quote_all_identifiers = on", "standard_conforming_strings = off"):
        admin.execute(SQL("ALTER DATABASE {} SET {}").format(name, SQL(setting)))

    for command in ("rollback", "apply"):
        assert yoyo_on(database, command, MIGRATION_ROLE="images_owner").returncode == 0
    assert (status(database).returncode, status(database).stderr) == (0, "")


@pytest.mark.parametrize("options", [{}, {"MIGRATION_ROLE": "postgres"}])
def test_the_options_of_the_environment_reach_the_migrator(
    empty_database: str, tmp_path: Path, options: dict[str, str]
) -> None:
    """The service takes them too. With another search_path, the two would work in two schemas."""
    (tmp_path / "0001_create_things.sql").write_text("CREATE TABLE things ();\n")
    (tmp_path / "0001_create_things.rollback.sql").write_text("-- loses: nothing\n\nDROP TABLE things;\n")
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA mine")

        done = yoyo_on(empty_database, "apply", str(tmp_path), PGOPTIONS="-c search_path=mine", **options)

        assert done.returncode == 0, done.stderr
        assert connection.execute("SELECT to_regclass('mine.things')::text").fetchone() == ("mine.things",)


def test_a_database_in_another_encoding_is_migrated(admin: psycopg.Connection, server: Server) -> None:
    admin.execute("CREATE DATABASE ascii ENCODING SQL_ASCII LOCALE 'C' TEMPLATE template0")
    try:
        assert yoyo_on(server.url("ascii"), "apply").returncode == 0
        assert (status(server.url("ascii")).returncode, status(server.url("ascii")).stderr) == (0, "")
    finally:
        admin.execute("DROP DATABASE ascii WITH (FORCE)")


def test_a_schema_can_have_any_name(empty_database: str) -> None:
    with psycopg.connect(empty_database) as connection:
        connection.execute('CREATE SCHEMA "We ird"')
        connection.execute("CREATE TABLE images ()")  # in public, which is not looked at
    url = f"{empty_database}&options=-c%20search_path%3D%22We%5C%20ird%22"

    assert yoyo_on(url, "apply").returncode == 0
    assert yoyo_on(url, "apply").stdout == "nothing to apply\n"
    assert (status(url).returncode, status(url).stderr) == (0, "")


def test_a_search_path_that_hides_an_installation_is_rejected(database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("CREATE SCHEMA postgres")  # which "$user" leads to

    done = yoyo_on(database, "apply")

    assert done.returncode == 3
    assert done.stderr == (
        "error: the search_path leads to schema postgres, but schema public has an installation.\n"
        "hint: set the search_path to one of them: ?options=-csearch_path%3DSCHEMA in the URL\n"
    )


HISTORY = "CREATE TABLE _yoyo_migration (migration_hash text, migration_id text, applied_at_utc timestamp)"
LOG = (
    "CREATE TABLE _yoyo_log (id text, migration_hash text, migration_id text, operation text, username text, "
    "hostname text, comment text, created_at_utc timestamp)"
)
FOREIGN_TABLES = {
    "CREATE TABLE _yoyo_migration (id int)": "_yoyo_migration is not yoyo's: it has no column migration_hash.",
    "CREATE TABLE yoyo_lock ()": "yoyo_lock is not yoyo's: it has no column locked.",
    "CREATE TABLE _yoyo_ledger (LIKE pg_class)": "_yoyo_ledger is not yoyo's: it has no column migration_id.",
    "CREATE VIEW _yoyo_ledger_tags AS SELECT '' AS name, '{}'::text[] AS migration_ids, '{}'::text[] AS digests": (
        "_yoyo_ledger_tags is not yoyo's: it is not a table."
    ),
    HISTORY: "the database has _yoyo_migration without _yoyo_log.",
    LOG: "the database has _yoyo_log without _yoyo_migration.",
    f"{HISTORY}; {LOG}; CREATE TABLE _yoyo_version (version int, installed_at_utc timestamp)": (
        "_yoyo_version has no version, or one that this yoyo does not know."
    ),
}


@pytest.mark.parametrize("made", FOREIGN_TABLES)
def test_yoyos_tables_of_another_program_or_without_some_are_an_error(made: str, empty_database: str) -> None:
    with psycopg.connect(empty_database) as connection:
        connection.execute(made.encode())

    done = yoyo_on(empty_database, "apply")

    assert (done.returncode, done.stderr.splitlines()[0]) == (3, f"error: {FOREIGN_TABLES[made]}")
    assert done.stderr.splitlines()[1].startswith("hint: if ")
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT to_regclass('images')").fetchone() == (None,)
    if "_yoyo_version" not in made:
        assert status(empty_database).stderr == done.stderr


def test_a_time_out_that_ends_a_command_has_a_hint(empty_database: str) -> None:
    """Whichever driver tells it."""
    with psycopg.connect(empty_database) as connection, pytest.raises(psycopg.Error) as error:
        connection.execute("SET LOCAL statement_timeout = 1; SELECT pg_sleep(9)")

    assert explain(error.value)[1] == TIMEOUT_HINT
    assert hint_for(None, str(error.value)) == TIMEOUT_HINT
    assert hint_for(psycopg.errors.IdleInTransactionSessionTimeout.sqlstate, "") == TIMEOUT_HINT


def test_a_history_of_another_program_is_one_line(empty_database: str) -> None:
    with psycopg.connect(empty_database) as connection:
        connection.execute(
            f"{HISTORY}; {LOG}; CREATE TABLE _yoyo_version AS SELECT 2 AS version, now() AS installed_at_utc"
        )
        connection.execute(
            "INSERT INTO _yoyo_migration VALUES ('a', '0001_create_customers', now()), ('b', '20240101_foo', now())"
        )

    done = yoyo_on(empty_database, "apply")

    assert (done.returncode, done.stderr.splitlines()[0]) == (
        1,
        "error: the applied migrations are not of this release: 0001_create_customers to 20240101_foo.",
    )
    assert done.stderr.count("\n") == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_an_output_that_cannot_be_written_is_an_error(empty_database: str) -> None:
    with Path("/dev/full").open("w") as full:
        for command in (["yoyo", "apply"], ["yoyo", "list"], ["images", "schema", "status"]):
            done = subprocess.run(
                [BIN / command[0], *command[1:]],
                cwd=ROOT,
                env=environment(DATABASE_URL=empty_database),
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                timeout=60,
            )

            assert done.returncode == 3
            assert done.stderr.startswith("error: cannot write to stdout: No space left on device.\n")
            assert "Traceback" not in done.stderr
            assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize(
    ("redirection", "code", "message"),
    [
        ("> >(true)", 141, ""),
        ("> /dev/full", 3, "error: cannot write to stdout: No space left on device.\n"),
    ],
)
def test_yoyo_list_ends_as_images_does_without_an_output(
    redirection: str, code: int, message: str, database: str
) -> None:
    done = subprocess.run(
        ["bash", "-c", f"exec {BIN / 'yoyo'} list {redirection}"],
        cwd=ROOT,
        env=environment(DATABASE_URL=database, PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (done.returncode, done.stderr) == (code, message)


def test_a_standby_is_an_error(database: str) -> None:
    yoyo_on(database, "rollback", "-r", migrations("expand")[-1])
    before = state(database)

    done = yoyo_on(f"{database}&options=-c%20default_transaction_read_only%3Don", "apply")

    assert done.returncode == 3
    assert done.stderr.startswith("error: PostgreSQL failed: cannot execute INSERT in a read-only transaction.\nhint: ")
    assert state(database) == before


def test_a_server_that_goes_away_in_the_middle_is_an_error(empty_database: str, slow_migration: Path) -> None:
    migrator = Running(environment(DATABASE_URL=empty_database), "yoyo", "apply", slow_migration)
    with psycopg.connect(empty_database, autocommit=True) as connection:
        wait_until(lambda: sleeping(connection))
        before = ledger(empty_database)
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'")
        _, stderr = migrator.communicate(timeout=30)

        assert migrator.returncode == 3
        assert stderr == (
            "error: the connection was lost while 0001_create_asleep was running: "
            "terminating connection due to administrator command.\n"
            "hint: when PostgreSQL is back, run the command again: it continues from the state of the database\n"
        )
        assert ledger(empty_database) == before == []
        assert connection.execute("SELECT to_regclass('asleep')").fetchone() == (None,)


@pytest.fixture
def small_disk(server: Server, tmp_path: Path) -> Iterator[Path]:
    """A folder of 4 MB that the server may write to."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounting = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True)
    if mounting.returncode:
        pytest.skip("a disk that is full needs root, to mount a small one")
    owner = server.data.stat()
    os.chown(folder, owner.st_uid, owner.st_gid)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk_is_an_error_and_leaves_nothing(
    admin: psycopg.Connection, empty_database: str, small_disk: Path, tmp_path: Path
) -> None:
    for parent in small_disk.parents:
        temporary = any(parent.is_relative_to(folder) for folder in ("/tmp", MEMORY))  # noqa: S108
        if temporary and parent.stat().st_mode & 0o055 != 0o055:
            parent.chmod(0o755)
    admin.execute(f"CREATE TABLESPACE small LOCATION '{small_disk}'".encode())
    folder = tmp_path / "migrations"
    folder.mkdir()
    fill = "CREATE TABLE a TABLESPACE small AS SELECT repeat('x', 1000) FROM generate_series(1, 10000)"
    write(folder, "0001_fill_a", sql=f"CREATE TABLE half ();\n{fill};")
    try:
        done = yoyo_on(empty_database, "apply", str(folder))

        assert done.returncode == 3
        assert done.stderr.startswith("error: 0001_fill_a was not applied: could not extend file ")
        assert done.stderr.endswith("No space left on device.\nhint: Check free disk space.\n")
        assert ledger(empty_database) == [("0001_fill_a", "apply", "failed")]
        with psycopg.connect(empty_database) as connection:
            assert connection.execute("SELECT to_regclass('half'), to_regclass('a')").fetchone() == (None, None)
    finally:
        admin.execute("DROP TABLESPACE small")


RUN_BY_PSYCOPG = [
    path for name in ("migrator", "inspect", "review", "pooler") for path in (ROOT / "sql" / name).iterdir()
]


@pytest.mark.parametrize("path", sorted(RUN_BY_PSYCOPG), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_percent_sign_in_a_file_is_no_placeholder(
    path: Path, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each file is given to psycopg with its parameters, and with every kind of percent sign in a comment."""
    percent = "-- 100 % of 'a%', %s, %(name)s and %%"
    text = f"{path.read_text()}\n{percent}\n"
    names = {match[1] for match in re.finditer(r"(?<![:\\]):([a-z_]+)\b", statement_of(text))}
    sent = []

    class Recorder:
        def execute(self, sql: str, values: dict[str, object] | None) -> None:
            cursor = psycopg.ClientCursor(connection)
            sent.append(sql if values is None else cursor.mogrify(sql, values))

    monkeypatch.setattr("app.migrations.connection.statement", lambda name, folder: text)
    run(Recorder(), path.stem, path.parent.name, **dict.fromkeys(names, 1))  # type: ignore[arg-type]

    [sql] = sent
    assert percent in sql
    assert sql.count("%") == text.count("%")
    assert not [name for name in names if re.search(rf"(?<![:\\]):{name}\b", statement_of(sql))]


def statement_of(text: str) -> str:
    """Return the text without comments and constants."""
    return re.sub(r"--.*|'[^']*'", "", text)


def test_a_percent_sign_in_a_constant_reaches_postgresql(
    connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql = "SELECT 'abc' LIKE :like AND 'abc' LIKE 'a%', 7 % 4, '%s %%' -- 100 %"
    monkeypatch.setattr("app.migrations.connection.statement", lambda name, folder: sql)

    assert run(connection, "any", like="%c").fetchone() == (True, 3, "%s %%")
