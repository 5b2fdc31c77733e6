"""PostgreSQL from a wheel, as development uses it."""

import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from app.embedded_postgres import Server
from app.settings import ROOT
from tests.conftest import BIN, environment

VERSION_SQL = "SELECT current_setting('server_version_num')::integer / 10000"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A name to quote in a shell, and no place for a socket: too long, and libpq takes a comma for two hosts."""
    return tmp_path / "a folder's name, with everything" / ("long" * 20) / "postgres"


def test_data_stay_and_nothing_runs_on(data: Path) -> None:
    for run in (1, 2):
        server = Server(data)
        server.start()
        with psycopg.connect(server.url(), autocommit=True) as connection:
            assert connection.execute(VERSION_SQL).fetchone() == (18,)
            connection.execute("CREATE TABLE IF NOT EXISTS kept (run integer)")
            connection.execute("INSERT INTO kept VALUES (%s)", [run])
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (run,)
        server.release()
        assert not server.running()


def test_the_last_user_stops_it(data: Path) -> None:
    first, second = Server(data), Server(data)
    first.start()
    second.start()

    first.release()
    assert second.running()

    second.release()
    assert not second.running()


def test_a_killed_user_holds_nothing(data: Path) -> None:
    killed = "import os, signal, sys; from pathlib import Path; from app.embedded_postgres import Server\n"
    killed += "Server(Path(sys.argv[1])).start(); os.kill(os.getpid(), signal.SIGKILL)"
    subprocess.run([sys.executable, "-c", killed, data], env=environment())
    server = Server(data)
    assert server.running()

    server.start()
    server.release()

    assert not server.running()


def test_a_half_made_data_folder_is_made_anew(data: Path) -> None:
    making = data.with_name("postgres.making")
    making.mkdir(parents=True)
    (making / "PG_VERSION").write_text("18\n")
    server = Server(data)

    server.start()

    assert server.running()
    server.release()


def test_what_it_cannot_do_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    done = subprocess.run(
        [BIN / "yoyo", "list"],
        cwd=ROOT,
        env=environment(DATABASE_URL=f"embedded:{tmp_path / 'postgres'}"),
        capture_output=True,
        text=True,
    )

    assert done.returncode == 1
    assert done.stderr.startswith("embedded PostgreSQL: pg_ctl failed: ")
    assert done.stderr.count("\n") == 1
