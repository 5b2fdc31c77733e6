"""GET /v1/images/export: all images that match, as NDJSON, newest first."""

import asyncio
import gzip
import io
import json
import math
import socket
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import zstandard

from app.settings import Settings
from app.web import transfers
from tests.cli.test_entrypoint import free_port, ready
from tests.conftest import client_of
from tests.migrations.test_backend import wait_until
from tests.support.api import problem, upload
from tests.support.pictures import picture
from tests.support.serving import serving

PATH = "/v1/images/export"
# 64 MB, which no buffer takes. Attributes have no index.
LARGE = """
    INSERT INTO images (filename, content_type, byte_size, width, height, content_sha256, own_key, attributes)
    SELECT
        'a.png', 'image/png', 1, 1, 1, images_sha256_bytes(n::text), n,
        jsonb_build_object('long', repeat(md5(n::text), 1000))
    FROM generate_series(1, 2000) AS n
"""
COPYING = "SELECT FROM pg_stat_activity WHERE query LIKE 'COPY%' AND state = 'active' AND datname = current_database()"
WAITING = "SELECT FROM pg_locks WHERE NOT granted"


async def exported(client: httpx.AsyncClient, **parameters: str) -> list[str]:
    """The titles."""
    response = await client.get(PATH, params=parameters)
    assert response.status_code == 200
    return [json.loads(line)["title"] for line in response.text.splitlines()]


@pytest.fixture
async def some(client: httpx.AsyncClient) -> None:
    for n, word in enumerate(["Alpha", "Beta", "Gamma"]):
        form = "PNG" if n else "JPEG"
        await upload(client, picture(form, seed=n), title=word, tags=["all", f"only {n}"], description=f"word{n % 2}")


async def test_each_line_is_an_image_as_get_returns_it(client: httpx.AsyncClient) -> None:
    images = [
        await upload(client, picture(seed=n), title='\\ "quoted" \n\t\u2028 é', attributes='{"a\\\\b": "\\u0001\\n"}')
        for n in range(2)
    ]

    response = await client.get(PATH)

    assert response.headers["content-type"] == "application/x-ndjson"
    assert [json.loads(line) for line in response.text.split("\n")[:-1]] == images[::-1]


@pytest.mark.usefixtures("some")
async def test_each_filter_of_the_list_filters(client: httpx.AsyncClient) -> None:
    beta = (await client.get("/v1/images?q=beta")).json()["images"][0]

    assert await exported(client) == ["Gamma", "Beta", "Alpha"]
    assert await exported(client, tag="all") == ["Gamma", "Beta", "Alpha"]
    assert await exported(client, tag="only 1") == ["Beta"]
    assert await exported(client, tag="'; DROP TABLE images; --\n") == []
    assert await exported(client, content_type="image/png") == ["Gamma", "Beta"]
    assert await exported(client, q="word0") == ["Gamma", "Alpha"]
    assert await exported(client, q="gamma or alpha -beta") == ["Gamma", "Alpha"]
    assert await exported(client, q="?") == []
    assert await exported(client, q="word0", content_type="image/png", tag="all") == ["Gamma"]
    assert await exported(client, created_after=beta["created_at"]) == ["Gamma"]
    assert await exported(client, created_before=beta["created_at"]) == ["Alpha"]
    assert await exported(client, created_before=beta["created_at"], tag="all") == ["Alpha"]


async def test_an_export_of_no_images_is_an_empty_body(client: httpx.AsyncClient) -> None:
    for headers in ({}, {"Accept-Encoding": "gzip"}):
        response = await client.get(PATH, headers=headers)
        assert (response.status_code, response.content) == (200, b"")


@pytest.mark.usefixtures("some")
@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip", "gzip"),
        ("zstd", "zstd"),
        ("gzip, zstd;q=0.5, br", "zstd"),
        ("zstd;q=0, gzip", "gzip"),
        ("", None),
        ("identity, br", None),
        ("gzip;q=0", None),
        ("*", None),
    ],
)
async def test_the_client_chooses_the_compression(accepted: str, coding: str | None, client: httpx.AsyncClient) -> None:
    plain = (await client.get(PATH, headers={"Accept-Encoding": "identity"})).content

    async with client.stream("GET", PATH, headers={"Accept-Encoding": accepted}) as response:
        body = b"".join([chunk async for chunk in response.aiter_raw()])

    assert response.headers.get("content-encoding") == coding
    assert response.headers["vary"] == "Accept-Encoding"
    if coding == "gzip":
        body = gzip.decompress(body)
    elif coding == "zstd":
        body = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(body)).read()
    assert body == plain


async def test_head_reads_nothing(client: httpx.AsyncClient, connection: psycopg.Connection) -> None:
    connection.execute("DROP TABLE image_words, images CASCADE")

    response = await client.head(PATH)

    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-type"] == "application/x-ndjson"


async def test_an_error_before_the_first_line_is_a_problem(
    client: httpx.AsyncClient, connection: psycopg.Connection
) -> None:
    problem(await client.get(PATH, params={"created_after": "yesterday"}), 422, "invalid-request")
    problem(await client.get(PATH, params={"limit": "1"}), 422, "invalid-request")
    connection.execute("BEGIN")
    connection.execute("LOCK TABLE images")
    waiting = asyncio.create_task(client.get(PATH))
    for _ in range(2):  # it is tried once more
        await asyncio.to_thread(wait_until, lambda: connection.execute(WAITING).fetchall())
        connection.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE NOT granted")

    problem(await waiting, 503)


async def test_the_wait_for_a_lock_has_a_limit(settings: Settings, connection: psycopg.Connection) -> None:
    connection.execute("BEGIN")
    connection.execute("LOCK TABLE images")
    async with client_of(settings.model_copy(update={"database_statement_timeout": 0.3})) as client:
        problem(await client.get(PATH), 503)


async def test_only_a_few_exports_run_at_once(
    client: httpx.AsyncClient, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.web.limits.TRANSFER_WAIT", 0.1)
    connection.execute("BEGIN")
    connection.execute("LOCK TABLE images")
    waiting = [asyncio.create_task(client.get(PATH)) for _ in range(2)]
    await asyncio.to_thread(wait_until, lambda: len(connection.execute(WAITING).fetchall()) == 2)

    response = await client.get(PATH)

    problem(response, 503)
    assert response.headers["retry-after"] == "5"
    monkeypatch.setattr("app.web.limits.TRANSFER_WAIT", 30)
    waiting.append(asyncio.create_task(client.get(PATH)))  # it gets the turn of one that ends
    await asyncio.sleep(0)
    connection.execute("COMMIT")
    for task in waiting:
        assert (await task).status_code == 200
    assert (await client.get(PATH)).status_code == 200


async def export_to_stuck(client: httpx.AsyncClient, sent: list[MutableMapping[str, Any]]) -> None:
    """Export to a client that takes two messages, until the service ends the export."""

    async def nothing() -> MutableMapping[str, Any]:
        await asyncio.Event().wait()
        return {}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)
        if len(sent) > 2:
            await asyncio.Event().wait()

    scope = {"type": "http", "method": "GET", "path": PATH, "query_string": b"", "headers": [(b"host", b"localhost")]}
    transport = client._transport
    assert isinstance(transport, httpx.ASGITransport)
    await transport.app({**scope, "http_version": "1.1"}, nothing, send)


async def test_slow_exports_end_when_another_client_waits_for_a_slot(
    client: httpx.AsyncClient,
    connection: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(transfers, "CLIENT_TIME", 0.0)
    monkeypatch.setattr(transfers, "MIN_RATE", math.inf)
    connection.execute(LARGE.encode())
    sent: list[list[MutableMapping[str, Any]]] = [[], []]
    slow = [asyncio.create_task(export_to_stuck(client, each)) for each in sent]
    await asyncio.to_thread(wait_until, lambda: [len(each) for each in sent] == [3, 3])

    assert (await client.get(PATH, params={"tag": "none"})).status_code == 200

    done, [running] = await asyncio.wait(slow, return_when=asyncio.FIRST_COMPLETED)
    assert len(done) == 1
    assert caplog.messages == ["an export was cut off: TimeoutError: the client read too slowly"]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_client_that_reads_slowly_does_not_hold_its_snapshot_for_ever(
    client: httpx.AsyncClient,
    connection: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A client that reads a byte now and then, so that no time-out for a stalled client ends it."""
    monkeypatch.setattr("app.web.endpoints.exports.TRANSFER_TIMEOUT", 0.3)
    connection.execute(LARGE.encode())
    sent: list[MutableMapping[str, Any]] = []
    await export_to_stuck(client, sent)

    assert [message.get("status") for message in sent] == [200, None, None]
    assert all(message["more_body"] for message in sent[1:])
    assert "an export was cut off" in caplog.text
    await asyncio.to_thread(wait_until, lambda: not connection.execute(COPYING).fetchall())


def test_a_client_that_goes_away_ends_the_copy(database: str, connection: psycopg.Connection, tmp_path: Path) -> None:
    connection.execute(LARGE.encode())
    (tmp_path / "objects" / "sha256").mkdir(parents=True)  # a store without it would not belong to these images
    port = free_port()
    with serving(database, port, tmp_path / "objects"):
        wait_until(lambda: ready(port))
        for _ in range(3):  # more than may run at once
            with socket.create_connection(("127.0.0.1", port)) as reader:
                reader.sendall(b"GET /v1/images/export HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert reader.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")
                assert len(connection.execute(COPYING).fetchall()) == 1
            wait_until(lambda: not connection.execute(COPYING).fetchall())


def test_a_database_connection_that_breaks_ends_the_answer_early(
    database: str, connection: psycopg.Connection, tmp_path: Path
) -> None:
    connection.execute(LARGE.encode())
    (tmp_path / "objects" / "sha256").mkdir(parents=True)  # a store without it would not belong to these images
    port = free_port()
    with serving(database, port, tmp_path / "objects"):
        wait_until(lambda: ready(port))
        with httpx.stream("GET", f"http://127.0.0.1:{port}{PATH}", headers={"Accept-Encoding": "identity"}) as response:
            assert response.status_code == 200
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY%'")
            with pytest.raises(httpx.RemoteProtocolError):
                response.read()
        assert httpx.get(f"http://127.0.0.1:{port}/v1/images").status_code == 200
