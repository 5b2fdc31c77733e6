"""Lengths of objects: a store that sends more or fewer bytes than it says, or more than it should, costs no memory."""

import asyncio
import gzip
import socket
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

import obstore
import pytest
from obstore.exceptions import BaseError
from obstore.store import LocalStore, MemoryStore, ObjectStore

from app.storage import store as storage
from app.storage.spool import Spool
from app.storage.store import copy, is_small, open_store, read, stream

DATE = b'Last-Modified: Mon, 30 Nov 2026 00:00:00 GMT\r\nETag: "1"\r\n'
LIMIT = 100_000  # bytes of a small object
Way = Callable[[ObjectStore, str], Coroutine[None, None, bytes | None]]
PACKED = gzip.compress(bytes(10 * LIMIT))


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "MAX_SMALL", LIMIT)


@contextmanager
def answering(head: bytes, body: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStore]:
    """An S3 store whose server sends these bytes to each request, and then closes the connection."""

    def answer() -> None:
        with suppress(OSError):
            while True:
                client, _ = server.accept()
                with client, suppress(OSError):
                    client.recv(65_536)
                    client.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n" + DATE + head + b"\r\n" + body)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = Thread(target=answer)
        thread.start()
        for name, value in {
            "AWS_ENDPOINT": f"http://127.0.0.1:{server.getsockname()[1]}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "someone",
            "AWS_SECRET_ACCESS_KEY": "hunter2",
        }.items():
            monkeypatch.setenv(name, value)
        try:
            yield open_store("s3://images")
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


async def received(store: ObjectStore) -> list[bytes | type[BaseError] | None]:
    """The results of all ways to read an object. A result may be an error of obstore."""
    return [await result_of(way, store) for way in (read, copied, streamed)]


async def result_of(way: Way, store: ObjectStore) -> bytes | type[BaseError] | None:
    try:
        return await way(store, "photo")
    except BaseError:
        return BaseError


async def copied(store: ObjectStore, key: str) -> bytes | None:
    with Spool() as spool:
        if await asyncio.to_thread(copy, store, key, spool, is_small) is None:
            return None
        content = spool.content()
        return content if isinstance(content, bytes) else content.read()


async def streamed(store: ObjectStore, key: str) -> bytes | None:
    content = await stream(store, key)
    return content and b"".join([bytes(chunk) async for chunk in content[1]])


@pytest.mark.parametrize(
    ("head", "body", "expected"),
    [
        pytest.param(b"Content-Length: 1000\r\n", b"x" * 1000, [b"x" * 1000] * 3, id="as promised"),
        pytest.param(b"Content-Length: 1000\r\n", b"x" * 10**7, [b"x" * 1000] * 3, id="more than promised"),
        pytest.param(b"Content-Length: 1000\r\n", b"x" * 999, [BaseError] * 3, id="less than promised"),
        pytest.param(b"Content-Length: 1000\r\n", b"", [BaseError] * 3, id="nothing"),
        pytest.param(b"Content-Length: -1\r\n", b"x" * 1000, [BaseError] * 3, id="a negative length"),
        pytest.param(
            b"Content-Encoding: gzip\r\nContent-Length: %d\r\n" % len(PACKED), PACKED, [PACKED] * 3, id="compressed"
        ),
        pytest.param(b"", b"x" * 1000, [BaseError] * 3, id="no length"),
        pytest.param(
            b"Transfer-Encoding: chunked\r\n", b"3e8\r\n" + b"x" * 1000 + b"\r\n0\r\n\r\n", [BaseError] * 3, id="chunks"
        ),
    ],
)
async def test_a_store_sends_as_many_bytes_as_it_has_promised_or_it_is_an_error(
    head: bytes, body: bytes, expected: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(head, body, monkeypatch) as store:
        assert await received(store) == expected


async def test_a_small_object_that_is_too_large_is_not_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    content = bytes(LIMIT + 1)
    stores: list[ObjectStore] = [LocalStore(tmp_path), MemoryStore()]
    for store in stores:
        obstore.put(store, "photo", content)
    with answering(b"Content-Length: %d\r\n" % 10**15, content, monkeypatch) as remote:
        for store in [remote, *stores]:
            assert await read(store, "photo") == b""
            with Spool() as spool:
                assert (await asyncio.to_thread(copy, store, "photo", spool, is_small) or 0) > LIMIT
                assert spool.size == 0
