"""PostgreSQL away, slow or frozen: 503 with Retry-After, soon, and the next request is served again."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from pydantic import SecretStr

from app.settings import Settings
from tests.conftest import client_of
from tests.support.api import objects, problem, rows, upload
from tests.support.pictures import picture
from tests.support.waiting import wait_until

TIMEOUT = 0.5  # seconds a statement may take
SOON = 20 * TIMEOUT
PATHS = ("/v1/images", "/v1/images/00000000-0000-0000-0000-000000000000", "/readyz")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"database_statement_timeout": TIMEOUT})


@pytest.fixture
async def without_database(settings: Settings, silent_port: int) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application whose PostgreSQL accepts connections and never answers."""
    url = f"postgresql://images:secret@127.0.0.1:{silent_port}/images"
    async with client_of(settings.model_copy(update={"database_url": SecretStr(url)})) as client:
        yield client


@pytest.fixture
def silent_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@contextmanager
def stopped(connection: psycopg.Connection) -> Iterator[None]:
    """Freezes the server's processes for the application's connections."""
    pids = [
        pid for (pid,) in connection.execute("SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'images %'")
    ]
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def unavailable(response: httpx.Response, kind: str = "database-unavailable") -> None:
    problem(response, 503, kind)
    assert response.headers["retry-after"] == "5"


async def test_a_database_that_never_answers_makes_it_unavailable(without_database: httpx.AsyncClient) -> None:
    async with asyncio.timeout(SOON):
        for path in PATHS:
            response = await without_database.get(path)
            unavailable(response)
            assert "secret" not in response.text
        unavailable(await without_database.post("/v1/images", files={"file": picture()}))
        assert (await without_database.get("/healthz")).status_code == 200


async def test_bad_input_is_rejected_without_a_database(without_database: httpx.AsyncClient) -> None:
    problem(await without_database.get("/v1/images?limit=0"), 422, "invalid-request")
    problem(await without_database.post("/v1/images", files={"file": b"text"}), 415, "unsupported-image")


async def test_a_statement_that_takes_too_long_makes_it_unavailable(
    client: httpx.AsyncClient, connection: psycopg.Connection, settings: Settings
) -> None:
    id = (await upload(client))["id"]

    with connection.transaction():
        connection.execute("LOCK TABLE images IN ACCESS EXCLUSIVE MODE")
        async with asyncio.timeout(SOON):
            responses = await asyncio.gather(
                client.get("/v1/images"),
                client.get(f"/v1/images/{id}/content"),
                client.patch(f"/v1/images/{id}", json={"title": "x"}),
                client.delete(f"/v1/images/{id}"),
                client.post("/v1/images", files={"file": picture(seed=1)}),
            )

    for response in responses:
        unavailable(response)
    assert rows(connection) == len(objects(settings)) == 1
    assert (await client.get("/v1/images")).status_code == 200


async def test_the_wait_for_a_connection_has_a_limit(client: httpx.AsyncClient, connection: psycopg.Connection) -> None:
    """Forty rounds of the pool would take forty time-outs. A caller without a connection gets an error after one."""
    with connection.transaction():
        connection.execute("LOCK TABLE images IN ACCESS EXCLUSIVE MODE")
        started = asyncio.get_running_loop().time()
        responses = await asyncio.gather(*(client.get(f"/v1/images?limit={limit}") for limit in range(1, 161)))
        elapsed = asyncio.get_running_loop().time() - started

    for response in responses:
        unavailable(response)
    assert elapsed < SOON


async def test_a_connection_that_freezes_makes_it_unavailable(
    client: httpx.AsyncClient, connection: psycopg.Connection
) -> None:
    """One request finds out. Then the pool closes the idle connections too."""
    await asyncio.gather(*(client.get(f"/v1/images?limit={limit}") for limit in range(1, 9)))

    with stopped(connection):
        async with asyncio.timeout(SOON):
            unavailable(await client.get("/v1/images"))
            for _ in range(3):
                assert (await client.get("/v1/images")).status_code == 200


@pytest.mark.routes("direct", "pgbouncer")
async def test_lost_connections_are_replaced(client: httpx.AsyncClient, admin: psycopg.Connection) -> None:
    await asyncio.gather(*(client.get(f"/v1/images?limit={limit}") for limit in range(1, 9)))

    admin.execute("SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity WHERE application_name LIKE 'images %'")
    responses = [await client.get("/v1/images") for _ in range(8)]

    assert [response.status_code for response in responses] == [200] * 8
    assert (await client.post("/v1/images", files={"file": picture()})).status_code == 201


async def test_a_read_that_loses_its_connection_is_repeated_and_a_change_is_not(
    settings: Settings, connection: psycopg.Connection, admin: psycopg.Connection
) -> None:
    waiting = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'images %' AND wait_event_type = 'Lock'"
    async with client_of(settings.model_copy(update={"database_statement_timeout": 30.0})) as client:
        id = (await upload(client))["id"]
        for request, status in [
            (client.get("/v1/images"), 200),
            (client.get(f"/v1/images/{id}"), 200),
            (client.patch(f"/v1/images/{id}", json={"title": "x"}), 503),
        ]:
            with connection.transaction():
                connection.execute("LOCK TABLE images IN ACCESS EXCLUSIVE MODE")
                response = asyncio.create_task(request)
                async with asyncio.timeout(30):
                    while not (pids := admin.execute(waiting).fetchall()):  # noqa: ASYNC110
                        await asyncio.sleep(0.005)
                admin.execute("SELECT pg_terminate_backend(%s, 1000)", pids[0])

            assert (await response).status_code == status


async def test_a_database_that_is_read_only_makes_it_unavailable(
    client: httpx.AsyncClient, connection: psycopg.Connection, settings: Settings
) -> None:
    connection.execute(
        SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(Identifier(connection.info.dbname))
    )

    unavailable(await client.post("/v1/images", files={"file": picture()}))

    assert rows(connection) == 0
    assert (await client.get("/v1/images")).status_code == 200


async def test_a_column_that_changes_its_type_is_met_again_as_it_is(
    client: httpx.AsyncClient, connection: psycopg.Connection
) -> None:
    """The statements that were prepared for the old type are prepared again, and no request fails."""
    content = f"/v1/images/{(await upload(client))['id']}/content"
    assert (await client.get(content)).status_code == 200

    connection.execute("ALTER TABLE images ALTER COLUMN own_key TYPE varchar(512)")

    assert (await client.get(content)).status_code == 200


@pytest.mark.parametrize("gone", ["TABLE image_terms", "TABLE images", "FUNCTION images_word_query"])
async def test_a_schema_that_lacks_a_migration_makes_it_unavailable_until_it_is_there(
    gone: str, client: httpx.AsyncClient, connection: psycopg.Connection
) -> None:
    """Rolled back under statements that were prepared on it."""
    paths = ("/v1/images?tag=a", "/v1/images?q=a", "/v1/images/export?q=a")
    for path in paths:
        assert (await client.get(path)).status_code == 200

    connection.execute(f"ALTER {gone} RENAME TO gone".encode())
    missed = [await client.get(path) for path in paths]
    assert {response.status_code for response in missed} <= {200, 503}
    refused = [response for response in missed if response.status_code == 503]
    assert refused
    for response in refused:
        problem(response, 503, "migrations-pending")
        assert response.headers["retry-after"] == "5"

    connection.execute(f"ALTER {gone.split()[0]} gone RENAME TO {gone.split()[1]}".encode())
    for path in paths:
        assert (await client.get(path)).status_code == 200


async def test_an_image_that_a_backfill_has_not_reached_is_unavailable_and_stays(
    client: httpx.AsyncClient, connection: psycopg.Connection
) -> None:
    """As while 0041 runs, or its rollback. The constraints come later."""
    image = await upload(client)
    content_sha256 = connection.execute("SELECT content_sha256 FROM images").fetchone()
    connection.execute(
        "ALTER TABLE images ALTER content_sha256 DROP NOT NULL, DROP CONSTRAINT images_content_sha256_check"
    )
    connection.execute("UPDATE images SET content_sha256 = NULL")

    path = f"/v1/images/{image['id']}"
    for response in (
        await client.get(f"{path}/content"),
        await client.get(f"{path}/thumbnail?size=160"),
        await client.delete(path),
    ):
        problem(response, 503, "migrations-pending")
    connection.execute("UPDATE images SET content_sha256 = %s", content_sha256)

    assert (await client.get(f"{path}/content")).status_code == 200
    assert (await client.delete(path)).status_code == 204


async def test_a_table_that_is_dropped_beneath_a_statement_makes_it_unavailable(
    client: httpx.AsyncClient, connection: psycopg.Connection
) -> None:
    """Only at some moments PostgreSQL raises this error instead of "does not exist". A trigger raises it here."""
    connection.execute("""
        CREATE FUNCTION too_late() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE 'could not open relation with OID 16384' USING ERRCODE = 'internal_error';
        END
        $$;
        CREATE TRIGGER too_late BEFORE INSERT ON images EXECUTE FUNCTION too_late()
    """)

    unavailable(await client.post("/v1/images", files={"file": picture()}))


async def test_a_database_that_allows_no_connections_makes_it_unavailable(
    client: httpx.AsyncClient, admin: psycopg.Connection, database: str
) -> None:
    name = urlsplit(database).path[1:]

    admin.execute(SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(Identifier(name)))
    admin.execute("SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity WHERE datname = %s", [name])
    try:
        unavailable(await client.get("/v1/images"))
        unavailable(await client.get("/readyz"))
    finally:
        admin.execute(SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(Identifier(name)))

    assert (await client.get("/readyz")).status_code == 200


async def test_a_database_that_is_gone_makes_it_unavailable(
    client: httpx.AsyncClient, admin: psycopg.Connection, database: str
) -> None:
    name, away = Identifier(urlsplit(database).path[1:]), Identifier(f"{urlsplit(database).path[1:]} away")

    def is_renamed() -> bool:  # once the service has compared the identity of its store, in the background
        with suppress(psycopg.errors.ObjectInUse):
            admin.execute(SQL("ALTER DATABASE {} RENAME TO {}").format(name, away))
            return True
        return False

    await asyncio.to_thread(wait_until, is_renamed)
    try:
        unavailable(await client.get("/v1/images"))
        unavailable(await client.get("/readyz"))
    finally:
        admin.execute(SQL("ALTER DATABASE {} RENAME TO {}").format(away, name))

    assert (await client.get("/readyz")).status_code == 200
