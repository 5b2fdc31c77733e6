"""Answers of an S3 server that do not end: each becomes an error in time, and fills no memory."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from io import BytesIO
from typing import Any
from uuid import uuid4

import pytest
from obstore.exceptions import BaseError, GenericError
from obstore.store import ObjectStore

from app.storage import identity, store
from app.storage.spool import Spool
from app.storage.store import PART, open_store, reason
from tests.support.s3 import BUCKET

PIECE = b"<Error>" + bytes(16384)


async def first_page(objects: ObjectStore) -> object:
    return await anext(store.listing(objects, "sha256"))


CALLS: dict[str, Callable[[ObjectStore], Coroutine[Any, Any, object]]] = {
    "get": lambda objects: store.stream(objects, "photo"),
    "read": lambda objects: store.read(objects, "photo"),
    "copy": lambda objects: asyncio.to_thread(store.copy, objects, "photo", Spool(), bool),
    "put": lambda objects: store.put(objects, "photo", b"x", "image/png"),
    "put in parts": lambda objects: store.put(objects, "photo", BytesIO(bytes(PART + 1)), "image/png"),
    "delete": lambda objects: store.delete(objects, ["photo"]),
    "folders": lambda objects: store.folders(objects, "sha256"),
    "listing": first_page,
    "write": lambda objects: identity.write(objects, uuid4()),
    "is_empty": lambda objects: identity.is_empty(objects),
}


@pytest.fixture
async def endless(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ObjectStore]:
    """A store whose server begins an error to each request, and never ends it."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 503 Slow\r\nTransfer-Encoding: chunked\r\n\r\n")
        with suppress(OSError):
            while True:
                writer.write(b"%x\r\n%b\r\n" % (len(PIECE), PIECE))
                await writer.drain()
                await asyncio.sleep(0.02)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        monkeypatch.setenv("AWS_ENDPOINT", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        for name, value in {"ALLOW_HTTP": "true", "ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b"}.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        monkeypatch.setattr(store, "ANSWER_TIMEOUT", 0.1)
        yield open_store(f"s3://{BUCKET}/endless")


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_an_error_without_an_end_is_an_error_in_time(
    call: Callable[[ObjectStore], Coroutine[Any, Any, object]], endless: ObjectStore
) -> None:
    started = time.monotonic()
    async with asyncio.timeout(10):
        with pytest.raises(GenericError, match="too slowly"):
            await call(endless)
    assert time.monotonic() - started < 5


def test_a_message_of_any_length_is_short_and_shows_no_password() -> None:
    urls = "error at https://name:secret@store.example/a "
    for length in range(900, 1100):
        said = reason(BaseError(("x" * (length % 50) + urls) * 100_000)) if length % 50 == 0 else ""
        short = reason(BaseError("y" * length + " " + urls * 10))
        assert max(len(said), len(short)) < 1100
        assert "secret" not in said + short
