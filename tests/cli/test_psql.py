"""`images psql`: psql with the connection of the settings, and without a password in the list of processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import SecretStr

from app.cli import psql as cli_psql
from app.cli.commands.service import psql
from app.cli.main import run
from app.cli.psql import connection_variables
from app.embedded_postgres import Server, binaries, connectable
from app.errors import CommandError
from app.project import chosen
from app.settings import ROOT
from tests.conftest import BIN, VERSION, as_role, environment
from tests.support import data_folders, forked
from tests.support.properties import given, st

SAYS_ALL = f"""#!{sys.executable}
import json, os, sys
print(json.dumps({{"arguments": sys.argv[1:], "variables": dict(os.environ)}}))
raise SystemExit(3)
"""
words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)


@pytest.fixture
def fake(tmp_path: Path) -> str:
    """Return a PATH whose psql prints its arguments and its environment."""
    program = tmp_path / "psql"
    program.write_text(SAYS_ALL)
    program.chmod(0o755)
    return f"{tmp_path}{os.pathsep}{BIN}"


def start(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return forked.run(environment() | variables, "images", "psql", *arguments)


def test_the_connection_is_in_the_environment_and_the_arguments_are_psqls(fake: str) -> None:
    url = "postgresql://images:a%40b%20c@db.example:6432/catalogue?sslmode=require&connect_timeout=3&keepalives_idle=9"
    arguments = ["-X", "-q", "-v", "ON_ERROR_STOP=1", "--help=variables", "-c", "SELECT 1", "--", "-h"]

    done = start(*arguments, DATABASE_URL=url, PATH=fake, PGSERVICE="other", PGHOST="other")

    assert (done.returncode, done.stderr) == (3, "")
    told = json.loads(done.stdout)
    assert told["arguments"] == arguments
    assert {name: value for name, value in told["variables"].items() if name.startswith("PG")} == {
        "PGHOST": "db.example",
        "PGPORT": "6432",
        "PGUSER": "images",
        "PGPASSWORD": "a@b c",
        "PGDATABASE": "catalogue",
        "PGSSLMODE": "require",
        "PGCONNECT_TIMEOUT": "3",
    }


def test_the_owner_has_another_url(fake: str) -> None:
    variables = {"DATABASE_URL": "postgresql://app@db/x", "MIGRATION_DATABASE_URL": "postgresql://owner@db/x"}

    told = json.loads(start("--owner", "-l", PATH=fake, **variables).stdout)

    assert told["arguments"] == ["-l"]
    assert told["variables"]["PGUSER"] == "owner"


def test_it_runs_statements(database: str) -> None:
    path = f"{binaries(VERSION)}{os.pathsep}{os.environ['PATH']}"
    url = as_role(database, "images_app")

    done = start("-X", "-At", "-c", "SELECT current_user", DATABASE_URL=url, PATH=path)
    wrong = start("-X", "-c", "SELECT nonsense", DATABASE_URL=url, PATH=path)

    assert (done.returncode, done.stdout, done.stderr) == (0, "images_app\n", "")
    assert wrong.returncode == 1


def test_an_embedded_server_runs_meanwhile_and_its_psql_is_used(tmp_path: Path) -> None:
    data = tmp_path / "postgres"
    data_folders.copy(data, version=18)
    path = f"{BIN}{os.pathsep}/usr/sbin{os.pathsep}/sbin"  # a machine without psql; setpriv is needed as root
    (tmp_path / "bin").mkdir()
    if setpriv := Path("/usr/bin/setpriv"):
        (tmp_path / "bin" / "setpriv").symlink_to(setpriv)

    done = start(
        "-X", "-At", "-c", "SELECT 1 + 1", DATABASE_URL=f"embedded:{data}", PATH=f"{tmp_path / 'bin'}{os.pathsep}{path}"
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "2\n", "")
    assert not Server(data).running()


def test_in_another_project_it_connects_to_the_database_of_that_one(tmp_path: Path, fake: str) -> None:
    folder = tmp_path / "shop" / "sql"
    folder.mkdir(parents=True)
    (folder.parent / "yoyo.ini").write_text("[DEFAULT]\nsources = sql/migrations\n")
    (folder.parent / ".env").write_text("DATABASE_URL=postgresql://shop@db.example/shop\n")
    variables = {name: value for name, value in environment().items() if name != "DATABASE_URL"} | {"PATH": fake}
    own = {"DATABASE_URL": "postgresql://db.example/images"}

    inside = forked.run(variables, "images", "psql", "-l", folder=folder)
    named = forked.run(variables | {"SCHEMA_PROJECT": str(folder.parent)}, "images", "psql", "-l")
    outside = forked.run(variables | own, "images", "psql", folder=tmp_path)

    told = [json.loads(done.stdout)["variables"]["PGDATABASE"] for done in (inside, named, outside)]
    assert told == ["shop", "shop", "images"]


def test_an_embedded_server_is_in_the_folder_of_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "yoyo.ini").write_text("[DEFAULT]\nsources = sql/migrations\n")
    started: list[Path] = []

    class Recorded:
        def __init__(self, data: Path) -> None:
            started.append(data)

        def start(self) -> bool:
            return False

        def url(self) -> str:
            return ""

        def release(self) -> None: ...

    monkeypatch.setattr("app.embedded_postgres.Server", Recorded)
    monkeypatch.setattr("app.embedded_postgres._servers", {})

    with chosen(tmp_path):
        connectable(SecretStr("embedded:.data/postgres"))
    connectable(SecretStr("embedded:.data/postgres"))

    assert started == [tmp_path / ".data/postgres", ROOT / ".data/postgres"]


def test_without_psql_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cli_psql, "binaries", lambda _: tmp_path)
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.setenv("DATABASE_URL", "postgresql://images@db.example/images")

    with pytest.raises(CommandError, match=r"^psql is not installed\.$") as raised:
        cli_psql.run_psql([])
    assert "postgresql-client" in str(raised.value.hint)


@given(st.lists(st.one_of(words, st.sampled_from(["--", "-h", "--help", "-q", "-v", "--owner", "-c"]))))
def test_arguments_are_passed_unchanged(arguments: list[str]) -> None:
    """Only images psql's own flags in front, and one `--` after them, are taken."""
    own = [click.Option(["--owner"]).opts[0], "-h", "--help"]
    if arguments and arguments[0] in [*own, "--"]:
        arguments = ["-l", *arguments]

    with psql.make_context("psql", list(arguments), help_option_names=["-h", "--help"]) as context:
        assert list(context.params["arguments"]) == arguments
    with psql.make_context("psql", ["--", *arguments], help_option_names=["-h", "--help"]) as context:
        assert list(context.params["arguments"]) == arguments


@given(user=words, password=words, dbname=words)
def test_variables_mean_what_the_url_means(user: str, password: str, dbname: str) -> None:
    variables = connection_variables(make_conninfo(user=user, password=password, dbname=dbname, host="db"))

    assert variables == {"PGUSER": user, "PGPASSWORD": password, "PGDATABASE": dbname, "PGHOST": "db"}


def test_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("-h", "--help"):
        assert run(["psql", name]) == 0
        assert capsys.readouterr().out.startswith("Usage: images psql ")


def test_libpq_reads_the_variables(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in connection_variables(database).items():
        monkeypatch.setenv(name, value)

    with psycopg.connect("") as connection:
        assert connection.info.dbname == conninfo_to_dict(database)["dbname"]
