"""Fair decoding over HTTP: whatever others upload, a small image is decoded soon, and known bytes are not decoded."""

import asyncio
import hashlib
import socket
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from typing import Never

import httpx
import psutil
import psycopg
import pytest
import uvicorn

from app.decoder import attempt as limits
from app.decoder import client as decoder_client
from app.decoder import queue as decoder_queue
from app.decoder.queue import DecoderQueue
from app.errors import BusyError
from app.main import create_app
from app.observability import metrics
from app.settings import Settings
from app.web.server.protocol import HttpProtocol
from tests.conftest import client_of, free_port
from tests.decoder.test_queue import value
from tests.migrations.test_backend import wait_until
from tests.support.api import insert, objects, problem, put, rows, upload
from tests.support.hostile_codec import harmful
from tests.support.pictures import huge, picture
from tests.web.test_tokens import bearer, made

PNG = {"Content-Type": "image/png"}
SLOW = harmful("sleep")  # a small image that a decoder does not finish


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoders that sleep at some small images, and then count them among the large ones."""
    monkeypatch.setattr(decoder_client, "COMMAND", [sys.executable, "-m", "tests.support.hostile_codec"])
    monkeypatch.setattr(limits, "SMALL_SECONDS", 0.2)


@contextmanager
def serving(settings: Settings) -> Iterator[int]:
    """The service in a thread, over real connections."""
    port = free_port()
    app = create_app(settings.model_copy(update={"max_image_pixels": 100_000_000}))
    server = uvicorn.Server(
        uvicorn.Config(app, port=port, http=HttpProtocol, log_config=None, ws="none", interface="asgi3")
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started)
        yield port
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def uploading(port: int, content: bytes, token: str = "", more: bytes = b"") -> Iterator[socket.socket]:
    """Send an upload, and close the connection at the end of the context."""
    head = (
        f"POST /v1/images HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: {len(content)}\r\n"
    )
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.settimeout(30)
        client.sendall(f"{head}{authorization}\r\n".encode() + content + more)
        yield client


DECODERS = {"app.decoder", "tests.support.hostile_codec"}


def busy(megapixels: int = 20) -> list[psutil.Process]:
    """The decoders of this process that hold the pixels of a large image."""
    return [
        child
        for child in psutil.Process().children()
        if child.is_running()
        and child.status() != psutil.STATUS_ZOMBIE
        and DECODERS.intersection(child.cmdline())
        and child.memory_info().rss > megapixels * 4e6
    ]


def sleeping() -> list[psutil.Process]:
    """The decoders that sleep."""
    return [child for child in psutil.Process().children() if child.is_running() and child.name() == "sleep"]


def left(reason: str) -> float:
    return value(metrics.DECODER_QUEUE_LEFT.labels(reason))


def large_waiting() -> float:
    return value(metrics.DECODER_QUEUE.labels("large"))


def test_ten_huge_images_whose_clients_hang_up_do_not_hold_up_a_small_one(
    settings: Settings, connection: psycopg.Connection
) -> None:
    before = left("canceled")
    with serving(settings) as port:
        with ExitStack() as clients:
            for seed in range(10):
                clients.enter_context(uploading(port, huge(seed)))
            wait_until(lambda: large_waiting() == 9)
            wait_until(busy)

            answer = httpx.post(f"http://127.0.0.1:{port}/v1/images", content=picture("PNG"), headers=PNG)

            assert answer.status_code == 201
            assert large_waiting() == 9
        wait_until(lambda: left("canceled") == before + 10)
        assert busy() == []
        assert large_waiting() == 0
    assert rows(connection) == 1


def test_a_token_with_huge_images_does_not_hold_up_another_token(
    settings: Settings, connection: psycopg.Connection
) -> None:
    greedy, modest = (asyncio.run(made(settings, "write", name)) for name in ("greedy", "modest"))
    with serving(settings.model_copy(update={"auth": "token"})) as port, ExitStack() as clients:
        for seed in range(10):
            clients.enter_context(uploading(port, huge(seed), greedy))
        wait_until(lambda: large_waiting() == 9)

        answer = httpx.post(f"http://127.0.0.1:{port}/v1/images", content=picture("PNG"), headers=PNG | bearer(modest))
        assert answer.status_code == 201
        assert large_waiting() == 9
        clients.enter_context(uploading(port, huge(10), modest))
        wait_until(lambda: len(busy()) == 2)  # a large image of each token

        assert large_waiting() == 9
    assert rows(connection) == 1


@pytest.mark.usefixtures("hostile")
def test_an_image_that_is_small_but_slow_counts_as_large(settings: Settings, connection: psycopg.Connection) -> None:
    with serving(settings) as port, ExitStack() as clients:
        for _ in range(5):
            clients.enter_context(uploading(port, SLOW))
        wait_until(lambda: large_waiting() == 4)

        answer = httpx.post(f"http://127.0.0.1:{port}/v1/images", content=picture("PNG"), headers=PNG)

        assert answer.status_code == 201
        assert large_waiting() == 4
    assert rows(connection) == 1


PIPELINED = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3


@pytest.mark.usefixtures("hostile")
@pytest.mark.parametrize("more", [b"", PIPELINED], ids=["", "pipelined"])
def test_a_client_that_hangs_up_frees_its_decoder(settings: Settings, more: bytes) -> None:
    """Also after REQUEST_TIMEOUT, which is a limit for the body."""
    before = left("canceled")
    settings = settings.model_copy(update={"request_timeout": 0.2})
    with serving(settings) as port:
        with uploading(port, SLOW, more=more):
            wait_until(sleeping)
            small = sleeping()
            wait_until(lambda: sleeping() not in ([], small))  # it has begun again as a large image
        wait_until(lambda: left("canceled") == before + 1)
        assert not sleeping()


@pytest.mark.usefixtures("hostile")
def test_a_client_that_closes_its_direction_has_hung_up(settings: Settings, connection: psycopg.Connection) -> None:
    """It gets no response to other requests either."""
    before = left("canceled")
    with serving(settings) as port, uploading(port, SLOW) as client:
        wait_until(sleeping)
        client.shutdown(socket.SHUT_WR)

        assert client.recv(100) == b""
        wait_until(lambda: left("canceled") == before + 1)
    assert rows(connection) == 0


@pytest.mark.usefixtures("hostile")
def test_a_client_that_sends_the_next_request_meanwhile_gets_both_answers(settings: Settings) -> None:
    following = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    settings = settings.model_copy(update={"decode_timeout": 0.3})
    with serving(settings) as port, uploading(port, SLOW, more=following) as client:
        answers = b"".join(iter(lambda: client.recv(65_536), b""))

    assert b"HTTP/1.1 422 " in answers
    assert b"HTTP/1.1 200 " in answers


@pytest.mark.usefixtures("hostile")
async def test_an_image_that_waits_too_long_is_unavailable(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder_queue, "QUEUE_TIMEOUT", 0.3)
    async with client_of(settings.model_copy(update={"decode_timeout": 1.5})) as client:
        answers = await asyncio.gather(*(client.post("/v1/images", content=SLOW, headers=PNG) for _ in range(2)))

    late, failed = sorted(answers, key=lambda answer: -answer.status_code)
    assert problem(late, 503)["detail"] == "Too many images wait to be decoded. Try again in 5 seconds."
    assert late.headers["retry-after"] == "5"
    assert problem(failed, 422, "broken-image")["detail"].startswith("Decoding takes too long.")


async def test_known_bytes_need_no_decoder(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    small, in_a_file = picture("PNG"), picture("TIFF", (800, 800))
    async with client_of(settings) as client:
        first = [
            await client.post("/v1/images", files={"file": ("a.png", content)}, data={"title": "first"})
            for content in (small, in_a_file)
        ]
    monkeypatch.setattr(decoder_client, "COMMAND", ["false"])
    async with client_of(settings) as client:
        second = [
            await client.post("/v1/images", files={"file": ("b.png", content)}, data={"title": "second"})
            for content in (small, in_a_file)
        ]
        problem(await client.post("/v1/images", files={"file": picture("PNG", seed=1)}), 503)

    assert [answer.status_code for answer in second] == [200, 200]
    assert [answer.json() for answer in second] == [answer.json() for answer in first]
    assert [answer.headers["content-location"] for answer in second] == [answer.headers["location"] for answer in first]
    assert [answer.headers["etag"] for answer in second] == [answer.headers["etag"] for answer in first]


async def test_bytes_that_are_no_image_are_not_written_for_an_adopted_row(
    settings: Settings, client: httpx.AsyncClient, connection: psycopg.Connection
) -> None:
    """Another program may have made the row, so only a decoder knows whether the bytes are an image."""
    content = b"no image"
    sha256 = hashlib.sha256(content).hexdigest()
    id = insert(connection, sha256=sha256, byte_size=len(content), storage_key="adopted")

    for stored in (None, b"short"):
        if stored is not None:
            put(settings, "adopted", stored)
        problem(await client.post("/v1/images", files={"file": content}), 415, "unsupported-image")
        assert objects(settings) == ([] if stored is None else ["adopted"])
    put(settings, "adopted", content)

    assert (await upload(client, content))["id"] == id


async def test_a_thumbnail_that_is_stored_needs_no_decoder(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    async with client_of(settings) as client:
        url = f"/v1/images/{(await upload(client))['id']}/thumbnail"
        first = await client.get(url)

        def busy(*arguments: object) -> Never:
            raise BusyError

        monkeypatch.setattr(DecoderQueue, "run", busy)
        second = await client.get(url)
        problem(await client.get(url, params={"size": 640}), 503)

    assert first.status_code == second.status_code == 200
    assert first.content == second.content


async def test_one_token_does_not_hold_all_upload_slots(settings: Settings) -> None:
    greedy, modest = [await made(settings, "write", name) for name in ("greedy", "modest")]
    go_on = asyncio.Event()
    begun = []

    async def slow() -> AsyncIterator[bytes]:
        begun.append(1)
        yield b"\0"
        await go_on.wait()

    settings = settings.model_copy(update={"auth": "token", "max_uploads": 4})
    async with client_of(settings) as client:
        waiting = [
            asyncio.create_task(client.post("/v1/images", content=slow(), headers=PNG | bearer(greedy)))
            for _ in range(10)
        ]
        while len(begun) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.001)

        answer = await client.post("/v1/images", content=picture(), headers=PNG | bearer(modest))

        assert answer.status_code == 201
        assert len(begun) == 2
        go_on.set()
        assert {(await response).status_code for response in waiting} == {415}
