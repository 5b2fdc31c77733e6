"""Kills of `images schema backfill run`, of `images schema contract`, and of the step that follows renumbered files.

Each is killed at each kind of its statements, or its server is: the next command reaches the state of a calm run.
"""

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from yoyo import read_migrations

from app.embedded_postgres import Server
from app.migrations.renumber import renumber
from tests.conftest import backend_on
from tests.migrations.test_kills import (
    EVERY_VICTIM,
    OPTIONS,
    VICTIMS,
    converges,
    create,
    run,
    state,
)
from tests.project.library_copy import LIBRARY
from tests.schema.test_history import NAMES, write
from tests.support.cluster import Mortal
from tests.support.data_folders import start_copy
from tests.support.exhaustive import EXHAUSTIVE
from tests.support.relay import Relay, relay_to
from tests.support.waiting import wait_until

KILLS = 10 if EXHAUSTIVE else 4  # at least

# By number: the header, and the statement. The last one waits for a contract migration, and follows it at once.
FILES = {
    "0001_create_a": ("", "CREATE TABLE a (id bigint PRIMARY KEY, old integer, new integer);"),
    "0002_fill_new": (
        "-- phase: background\n-- backfill: a\n-- depends: 0001_create_a\n",
        "UPDATE a SET new = COALESCE(new, 0) + old WHERE id BETWEEN $1 AND $2;",
    ),
    "0003_drop_old": ("-- phase: contract\n-- depends: 0002_fill_new\n", "ALTER TABLE a DROP COLUMN old;"),
    "0004_create_b": ("-- depends: 0001_create_a 0003_drop_old\n", "CREATE TABLE b ();"),
}


@pytest.fixture(scope="module")
def server(memory: Path) -> Iterator[Mortal]:
    """A server that may be killed."""
    server = Mortal(memory / "phases" / "data", OPTIONS)
    start_copy(server)
    yield server
    server.release()


@pytest.fixture
async def relay(server: Server) -> AsyncIterator[Relay]:
    async with relay_to(server) as relay:
        yield relay


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project" / "sql" / "migrations"
    folder.mkdir(parents=True)
    for name, (header, sql) in FILES.items():
        (folder / f"{name}.sql").write_text(f"{header}\n{sql}\n")
        (folder / f"{name}.rollback.sql").write_text("-- loses: nothing\n\nSELECT 1;\n")
    for name in ("yoyo.ini", "pyproject.toml"):
        shutil.copy(LIBRARY / name, tmp_path / "project")
    with (tmp_path / "project" / "pyproject.toml").open("a") as file:
        file.write('\n[project]\nname = "library"\nversion = "2.0"\n')
    return tmp_path / "project"


def everything(server: Server, database: str) -> dict[str, Any]:
    with psycopg.connect(server.url(database)) as connection:
        has_table = connection.execute("SELECT to_regclass('a')").fetchone() != (None,)
        rows = connection.execute("SELECT to_jsonb(a) FROM a ORDER BY a::text").fetchall() if has_table else []
    return state(server, database) | {"a": rows}


async def test_a_backfill_and_a_contract_converge(server: Mortal, relay: Relay, project: Path) -> None:
    command = ("schema", "--project", str(project))
    create(server, ["expanded"], "template0")
    with psycopg.connect(server.url("expanded")) as connection:
        connection.execute("CREATE TABLE other ()")  # in a new database, an apply would not wait for the commands
    await run(relay, "expanded", "apply", str(project / "sql" / "migrations"))
    with psycopg.connect(server.url("expanded")) as connection:
        connection.execute("INSERT INTO a SELECT number, number FROM generate_series(1, 1500) AS number")
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        sessions = "SELECT FROM pg_stat_activity WHERE datname = 'expanded'"
        wait_until(lambda: not connection.execute(sessions).fetchall())

    fill, contract = [*command, "backfill", "run"], [*command, "contract"]
    victims = [EVERY_VICTIM] * 2 if EXHAUSTIVE else [[victim] for victim in VICTIMS]
    assert await converges(server, relay, victims[0], "expanded", *fill, program="images", read=everything) >= KILLS
    create(server, ["filled"], "undisturbed")
    assert await converges(server, relay, victims[1], "filled", *contract, program="images", read=everything) >= KILLS
    with psycopg.connect(server.url("undisturbed")) as connection:
        assert connection.execute("SELECT count(*), bool_and(new = id) FROM a").fetchone() == (1500, True)
        assert connection.execute("SELECT to_regclass('b') IS NULL").fetchone() == (False,)


async def test_a_database_follows_renumbered_files(server: Mortal, relay: Relay, tmp_path: Path) -> None:
    folder = tmp_path / "project" / "sql" / "migrations"
    folder.mkdir(parents=True)
    mine = ["0004_create_mine", "0005_create_next", "0006_create_last"]
    for name, before in zip([*NAMES, *mine], [None, *NAMES, *mine], strict=False):
        write(folder, name, before)
    create(server, ["old"], "template0")
    with backend_on(server.url("old")) as backend:
        backend.apply_migrations(backend.to_apply(read_migrations(str(folder))))
    theirs = write(folder, "0004_create_theirs", NAMES[-1])
    renumber(folder / f"{mine[0]}.sql")
    for path in (theirs, theirs.with_suffix(".rollback.sql")):
        path.unlink()  # it would be missing below the others: this test is about their new numbers
    renumbered = folder / "0005_create_mine.sql"
    renumbered.write_text(renumbered.read_text().replace(theirs.stem, NAMES[-1]))

    assert await converges(server, relay, EVERY_VICTIM, "old", "apply", str(folder)) >= KILLS

    applied = [name for (name,) in everything(server, "undisturbed")["applied"]]
    assert applied == [*NAMES, "0005_create_mine", "0006_create_next", "0007_create_last"]
