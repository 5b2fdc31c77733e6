"""Requests that come at the same moment share a message to PostgreSQL, and nothing else."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from app.database.connection import Connection
from app.database.pool import BATCH_SIZE
from app.settings import Settings
from tests.conftest import client_of
from tests.support.api import insert, problem, put

MERGE_PATCH = {"Content-Type": "application/merge-patch+json"}


@pytest.fixture
def messages(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The messages that are sent: the statement, and the number of its calls."""
    sent: list[tuple[str, int]] = []
    fetchmany = Connection.fetchmany

    async def counted(connection: Connection, name: str, calls: Sequence[Sequence[object]]) -> list[Any]:
        sent.append((name, len(calls)))
        return await fetchmany(connection, name, calls)

    monkeypatch.setattr(Connection, "fetchmany", counted)
    return sent


async def patch(client: httpx.AsyncClient, id: str, headers: dict[str, str] | None = None, **fields: Any) -> Any:
    return await client.patch(f"/v1/images/{id}", json=fields, headers=MERGE_PATCH | (headers or {}))


async def test_each_gets_its_own_image_or_none(
    client: httpx.AsyncClient, connection: psycopg.Connection, messages: list[tuple[str, int]]
) -> None:
    ids = [insert(connection, filename=f"{number}.jpg") for number in range(20)]
    nobody = str(uuid4())
    asked = [*ids, nobody, ids[3], ids[3], nobody]

    responses = await asyncio.gather(*(client.get(f"/v1/images/{id}") for id in asked))

    for id, response in zip(asked, responses, strict=True):
        if id == nobody:
            problem(response, 404)
        else:
            assert (response.status_code, response.json()["id"]) == (200, id)
    assert sorted(messages) == [("get_image", len(asked) - BATCH_SIZE), ("get_image", BATCH_SIZE)]


async def test_each_change_is_made_once_and_answered_with_its_own_image(
    client: httpx.AsyncClient, connection: psycopg.Connection, messages: list[tuple[str, int]]
) -> None:
    ids = [insert(connection) for _ in range(10)]

    responses = await asyncio.gather(
        *(patch(client, id, title=f"Title {id}") for id in ids), patch(client, str(uuid4()), title="None")
    )

    assert [(response.json()["id"], response.json()["title"]) for response in responses[:-1]] == [
        (id, f"Title {id}") for id in ids
    ]
    problem(responses[-1], 404)
    assert messages[0] == ("update_image", 11)
    titles = connection.execute("SELECT id::text, title FROM images").fetchall()
    assert dict(titles) == {id: f"Title {id}" for id in ids}


async def test_only_one_change_to_the_same_version_succeeds(
    client: httpx.AsyncClient, connection: psycopg.Connection
) -> None:
    id = insert(connection)
    version = {"If-Match": (await client.get(f"/v1/images/{id}")).headers["etag"]}

    responses = await asyncio.gather(*(patch(client, id, version, title=f"{number}") for number in range(10)))

    assert sorted(response.status_code for response in responses) == [200] + [412] * 9
    made = next(response.json() for response in responses if response.status_code == 200)
    assert (await client.get(f"/v1/images/{id}")).json() == made


@pytest.mark.routes("direct", "pgbouncer")
async def test_a_failing_call_does_not_fail_its_batch(settings: Settings, connection: psycopg.Connection) -> None:
    """One row is locked by another session for longer than a statement may take."""
    ids = [insert(connection) for _ in range(5)]
    async with client_of(settings.model_copy(update={"database_statement_timeout": 0.5})) as client:
        await asyncio.gather(*(patch(client, id, title="Old") for id in ids))  # connected, and prepared
        with connection.transaction():
            connection.execute("SELECT FROM images WHERE id = %s FOR UPDATE", [ids[2]])

            responses = await asyncio.gather(*(patch(client, id, title="New") for id in ids))

    assert [response.status_code for response in responses] == [200, 200, 503, 200, 200]
    changed = {id for (id,) in connection.execute("SELECT id::text FROM images WHERE title = 'New'")}
    assert changed == {*ids} - {ids[2]}


@pytest.mark.routes("direct", "pgbouncer")
async def test_a_canceled_call_does_not_cancel_its_batch(
    client: httpx.AsyncClient, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [insert(connection) for _ in range(3)]
    fetchmany = Connection.fetchmany

    async def meanwhile(connection: Connection, name: str, calls: Sequence[Sequence[object]]) -> list[Any]:
        assert len(calls) == 3
        tasks[0].cancel()
        return await fetchmany(connection, name, calls)

    monkeypatch.setattr(Connection, "fetchmany", meanwhile)
    tasks = [asyncio.create_task(client.get(f"/v1/images/{id}")) for id in ids]

    gone, *responses = await asyncio.gather(*tasks, return_exceptions=True)

    assert isinstance(gone, asyncio.CancelledError)
    assert [response.json()["id"] for response in responses if isinstance(response, httpx.Response)] == ids[1:]


async def test_changes_in_any_order_do_not_block_each_other(
    settings: Settings, connection: psycopg.Connection, messages: list[tuple[str, int]]
) -> None:
    """Two processes change the same images at the same time, one in the order in which the other does not."""
    ids = [insert(connection) for _ in range(BATCH_SIZE)]
    async with client_of(settings) as one, client_of(settings) as other:
        for turn in range(20):
            responses = await asyncio.gather(
                *(patch(one, id, title=f"{turn}") for id in ids),
                *(patch(other, id, description=f"{turn}") for id in reversed(ids)),
            )
            assert {response.status_code for response in responses} == {200}

    connection.execute("SELECT pg_stat_force_next_flush()")
    [(deadlocks,)] = connection.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    assert deadlocks == 0
    assert messages == [("update_image", BATCH_SIZE)] * 40


async def test_a_migration_does_not_fail_a_batch(
    client: httpx.AsyncClient, connection: psycopg.Connection, settings: Settings, messages: list[tuple[str, int]]
) -> None:
    """It makes the prepared statement's rows other ones, as a change of a column's type does."""
    put(settings, "old.jpg", b"old")
    ids = [insert(connection, storage_key="old.jpg") for _ in range(5)]
    await asyncio.gather(*(client.get(f"/v1/images/{id}/content") for id in ids))
    connection.execute("ALTER TABLE images ALTER COLUMN own_key TYPE varchar(512)")

    responses = await asyncio.gather(*(client.get(f"/v1/images/{id}/content") for id in ids))

    assert [response.content for response in responses] == [b"old"] * 5
    assert messages == [("get_content", 5)] * 2


async def test_equal_lists_of_one_moment_share_a_statement_and_later_ones_see_later_images(
    client: httpx.AsyncClient, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert(connection)
    sent: list[str] = []
    fetch = Connection.fetch

    async def counted(self: Connection, name: str, *arguments: object, **named: Any) -> list[Any]:
        sent.append(name)
        return await fetch(self, name, *arguments, **named)

    monkeypatch.setattr(Connection, "fetch", counted)
    urls = [
        "/v1/images?tag=a&limit=2",
        "/v1/images?tag=a&limit=2",
        "/v1/images?tag=b&limit=2",
        "/v1/images?limit=2",
    ] * 4

    answers = await asyncio.gather(*(client.get(url) for url in urls))
    assert [len(answer.json()["images"]) for answer in answers] == [0, 0, 0, 1] * 4
    lists = [name for name in sent if name.startswith("list")]
    assert sorted(lists) == ["list_images", "list_images_by_terms", "list_images_by_terms"]

    insert(connection)
    assert len((await client.get("/v1/images?limit=2")).json()["images"]) == 2


async def test_each_of_equal_lists_gets_the_fault(client: httpx.AsyncClient, connection: psycopg.Connection) -> None:
    connection.execute("ALTER TABLE images RENAME TO hidden")
    for response in await asyncio.gather(*(client.get("/v1/images") for _ in range(3))):
        problem(response, 503, "migrations-pending")
