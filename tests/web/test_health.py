import asyncio
from typing import Any

import httpx
import psycopg
import pytest

from app.database import queries
from app.migrations.connection import run
from app.review import releases, scratch
from app.review.review import ask
from app.schema import history
from app.schema.digest import digest
from tests.conftest import yoyo_on
from tests.schema.test_migrations import CONTRACTS, FILES


@pytest.mark.routes("direct", "pgbouncer")
async def test_it_is_alive_and_ready(client: httpx.AsyncClient) -> None:
    assert (await client.get("/healthz")).status_code == 200
    assert (await client.get("/readyz")).status_code == 200


async def test_a_missing_migration_makes_it_not_ready(
    client: httpx.AsyncClient, connection: psycopg.Connection
) -> None:
    connection.execute("DELETE FROM _yoyo_migration WHERE migration_id = '0011_comment_images'")

    response = await client.get("/readyz")

    assert response.status_code == 503
    assert response.headers["retry-after"] == "5"
    assert response.json()["detail"] == "Not applied yet: 0011_comment_images."


async def test_probes_at_the_same_time_share_one_statement(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anyone may ask, without a token. So a flood must not take the connections of the pool."""
    asked, go_on, read_history = [], asyncio.Event(), queries.read_history

    async def slow(database: Any) -> Any:
        asked.append(database)
        await go_on.wait()
        return await read_history(database)

    monkeypatch.setattr(queries, "read_history", slow)
    probes = [asyncio.create_task(client.get("/readyz")) for _ in range(50)]
    while not asked:  # noqa: ASYNC110
        await asyncio.sleep(0)
    assert (await client.get("/healthz")).status_code == 200  # the others had their turns of the event loop
    go_on.set()

    assert {(await probe).status_code for probe in probes} == {200}
    assert len(asked) == 1


async def test_a_newer_database_is_ready(client: httpx.AsyncClient, connection: psycopg.Connection) -> None:
    connection.execute("INSERT INTO _yoyo_migration VALUES ('hash', '9999_of_a_newer_release', now())")

    assert (await client.get("/readyz")).status_code == 200


async def test_a_database_of_stock_yoyo_is_ready(client: httpx.AsyncClient, connection: psycopg.Connection) -> None:
    connection.execute("DROP TABLE _yoyo_ledger")

    assert (await client.get("/readyz")).status_code == 200


@pytest.mark.routes("direct", "pgbouncer")
async def test_a_database_without_any_migration_is_not_ready(
    client: httpx.AsyncClient, connection: psycopg.Connection
) -> None:
    connection.execute("DROP TABLE _yoyo_migration")

    response = await client.get("/readyz")

    assert response.status_code == 503
    assert "0001_create_images" in response.json()["detail"]


@pytest.mark.parametrize("phase", ["expand", "contract"])
def test_the_previous_release_works_on_this_schema(database: str, phase: str) -> None:
    """Each query that it sends, with each of its examples: it still serves while the migrations of this one apply.

    The release before the expand migrations works until the first contract migration.
    """
    last = FILES[-1]
    if phase == "expand":
        for migration in reversed(CONTRACTS):
            assert yoyo_on(database, "rollback", "-r", migration).returncode in {0, 2}  # another one took it along
        last = next(path for path in reversed(FILES) if path.stem not in CONTRACTS)
    release = releases.previous(last)
    if release is None:
        pytest.skip("git does not tell which queries the previous release had")
    with scratch.connect(database) as connection:
        scratch.fill(connection, 200)
        run(connection, "create_checks")  # as `images schema verify` does

        answers = ask(connection, release.queries.values())

    failed = {words: answer for (_, words), answer in answers.items() if isinstance(answer, str)}
    assert len(answers) > 30
    assert failed == {}


async def test_files_of_the_next_release_do_not_make_it_unready(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`git pull` brings the files of an upgrade before the restart. The running release does not need them."""
    newer = history.shipped() | {"9999_of_a_newer_release": digest(b"SELECT 1;")}
    monkeypatch.setattr(history, "shipped", lambda: newer)

    assert (await client.get("/readyz")).status_code == 200
    assert "images_migrations_pending 0.0" in (await client.get("/metrics")).text
