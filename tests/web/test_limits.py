"""Limits on the number and the speed of requests, over real sockets if the server itself applies them."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, suppress
from unittest.mock import Mock

import httpx
import psycopg
import pytest

from app.database.pool import Pool
from app.embedded_postgres import Server
from app.fair_slots import Slots
from app.settings import Settings
from app.web import limits
from app.web.limits import MIN_BODY_RATE
from app.web.problems import ProblemError
from tests.cli.test_entrypoint import free_port, ready
from tests.conftest import _database, client_of
from tests.migrations.test_backend import wait_until
from tests.support.api import problem, rows, upload
from tests.support.pictures import picture
from tests.support.serving import serving

JPEG = {"Content-Type": "image/jpeg"}


@pytest.fixture(scope="module")
def module_database(server: Server, admin: psycopg.Connection, template: str) -> Iterator[str]:
    yield from _database(server, admin, template)


@pytest.fixture(scope="module")
def port(module_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a service with a short REQUEST_TIMEOUT."""
    port = free_port()
    with serving(module_database, port, tmp_path_factory.mktemp("objects"), REQUEST_TIMEOUT="0.5"):
        wait_until(lambda: ready(port))
        yield port
        assert ready(port)


def answer(connection: socket.socket) -> bytes:
    """Return all bytes that the server sends before it closes the connection."""
    connection.settimeout(20)
    received = b""
    while piece := connection.recv(65_536):
        received += piece
    return received


def listed(port: int) -> list[object]:
    images: list[object] = httpx.get(f"http://127.0.0.1:{port}/v1/images").json()["images"]
    return images


def test_a_body_that_stops_is_answered_408_and_closed(port: int) -> None:
    before = listed(port)
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(
            b"POST /v1/images HTTP/1.1\r\nhost: localhost\r\ncontent-type: image/jpeg\r\ncontent-length: 900\r\n\r\nabc"
        )
        received = answer(client)

    assert received.startswith(b"HTTP/1.1 408 ")
    assert b'"The body arrived too slowly."' in received
    assert listed(port) == before


def test_a_slow_body_has_no_more_time_than_one_that_stops(port: int) -> None:
    head = b"POST /v1/images HTTP/1.1\r\nhost: localhost\r\ncontent-type: image/jpeg\r\ncontent-length: 900\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(head)
        client.settimeout(0.1)
        for _ in range(900):
            client.sendall(b"a")
            with suppress(TimeoutError):
                assert client.recv(65_536).startswith(b"HTTP/1.1 408 ")
                break
        else:
            pytest.fail("it was taken")


def test_a_body_that_arrives_fast_enough_has_more_time(port: int) -> None:
    content = picture() + b"\0" * MIN_BODY_RATE * 4
    head = "POST /v1/images HTTP/1.1\r\nhost: localhost\r\ncontent-type: image/jpeg\r\n"
    head += f"content-length: {len(content)}\r\n\r\n"
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(head.encode() + content[:-1])
        while time.monotonic() - started < 1:  # twice what an empty one would have
            time.sleep(0.05)
        client.sendall(content[-1:])
        client.settimeout(20)

        assert client.recv(65_536).startswith(b"HTTP/1.1 201 ")


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: "])
def test_a_head_that_stops_ends_the_connection(sent: bytes, port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(sent)

        assert answer(client)[:13] == (b"HTTP/1.1 408 " if sent else b"")


def test_the_head_of_a_second_request_that_stops_ends_the_connection(port: int) -> None:
    whole = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(whole)
        received = client.recv(65_536)
        while not received.endswith(b"}"):  # head and body may come apart
            received += client.recv(1) or pytest.fail("the answer has no end")
        assert received.startswith(b"HTTP/1.1 200 ")
        client.sendall(whole[:20])

        assert answer(client).startswith(b"HTTP/1.1 408 ")


def test_a_head_without_end_is_rejected(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\n" + b"x: y\r\n" * 20_000)

        assert answer(client).startswith(b"HTTP/1.1 431 ")


async def test_uploads_beyond_the_limit_wait_their_turn(settings: Settings, connection: psycopg.Connection) -> None:
    async with client_of(settings.model_copy(update={"max_uploads": 2})) as client:
        sent = [client.post("/v1/images", content=picture("PNG", seed=seed), headers=JPEG) for seed in range(30)]

        assert {response.status_code for response in await asyncio.gather(*sent)} == {201}
    assert rows(connection) == 30


async def test_an_upload_that_waits_too_long_gets_retry_after(settings: Settings) -> None:
    waiting, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"\0" * MIN_BODY_RATE * 30  # so that it has time
        waiting.set()
        await go_on.wait()

    async with client_of(settings.model_copy(update={"max_uploads": 1, "request_timeout": 0.5})) as client:
        first = asyncio.create_task(client.post("/v1/images", content=slow(), headers=JPEG))
        await waiting.wait()
        second = await client.post("/v1/images", content=picture(), headers=JPEG)
        go_on.set()
        await first

    problem(second, 503)
    assert second.headers["retry-after"]


async def test_the_queue_for_a_connection_is_limited(settings: Settings) -> None:
    settings = settings.model_copy(update={"database_pool_size": 1, "database_pool_queue": 3})
    async with client_of(settings) as client:
        answers = await asyncio.gather(*(client.get(f"/v1/images?limit={n}") for n in range(1, 21)))

    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200] * 4 + [503] * 16
    assert all(answer.headers["retry-after"] for answer in answers if answer.status_code == 503)
    async with Pool(settings) as pool:
        assert await pool.fetch("prepare_import")


async def test_a_client_that_reads_nothing_is_given_up(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    id = (await upload(client))["id"]
    app = client._transport.app  # type: ignore[attr-defined]
    request = client.build_request("GET", f"/v1/images/{id}/content")
    scope = {
        "type": "http",
        "method": "GET",
        "path": request.url.path,
        "raw_path": request.url.raw_path,
        "query_string": b"",
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "server": ("127.0.0.1", 8000),
    }

    async def receive() -> None:
        await asyncio.Event().wait()

    async def send(message: dict[str, object]) -> None:
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    monkeypatch.setattr("app.web.limits.STALL_TIMEOUT", 0.1)
    async with asyncio.timeout(10):
        await app(scope, receive, send)

    assert "the client stopped reading" in caplog.text


async def test_one_token_has_at_most_half_of_the_imports_and_exports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "TRANSFER_WAIT", 0.01)
    slots = Slots(2, 1)

    def slot(token: str | None) -> AbstractAsyncContextManager[None]:
        monkeypatch.setattr(limits, "current_token", lambda: token)
        return limits.transfer_slot(Mock(state={"transfers": slots}))

    async def is_busy(token: str | None) -> bool:
        try:
            async with slot(token):
                return False
        except ProblemError as rejected:
            return rejected.problem.status == 503

    async with slot("a"):
        assert await is_busy("a")
        async with slot("b"):
            assert await is_busy("c")
    async with slot("a"), slot("b"):
        assert await is_busy("a")
    async with slot(None), slot(None):  # with AUTH=none
        assert await is_busy(None)
