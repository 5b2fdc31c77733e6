"""Redirects of an S3 server to another host: obstore follows them, but no credential that is of use goes there."""

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
from obstore.exceptions import BaseError
from obstore.store import ObjectStore

from app.storage import store
from app.storage.store import open_store
from tests.support.s3 import BUCKET

STORED = b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: "x"\r\nLast-Modified: Mon, 30 Nov 2026 10:00:00 GMT\r\n\r\n'


class Redirecting:
    """A store whose server redirects each request, with the requests that the other host has got."""

    def __init__(self) -> None:
        self.port, self.status = 0, 307
        self.got: list[bytes] = []

    async def first(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        location = f"http://localhost:{self.port}/other"
        writer.write(f"HTTP/1.1 {self.status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n".encode())
        writer.write(b"Connection: close\r\n\r\n")
        writer.close()

    async def other(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.got.append(await request(reader))
        writer.write(STORED if self.got[-1].startswith(b"HEAD") else STORED + b"other")
        writer.close()


async def request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    return head + (await reader.readexactly(int(length[1])) if length else b"")


@pytest.fixture
async def redirecting(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Redirecting, ObjectStore]]:
    servers = Redirecting()
    async with (
        await asyncio.start_server(servers.other, "127.0.0.1", 0) as other,
        await asyncio.start_server(servers.first, "127.0.0.1", 0) as first,
    ):
        servers.port = other.sockets[0].getsockname()[1]
        monkeypatch.setenv("AWS_ENDPOINT", f"http://127.0.0.1:{first.sockets[0].getsockname()[1]}")
        for name, value in {"ALLOW_HTTP": "true", "ACCESS_KEY_ID": "someone", "SECRET_ACCESS_KEY": "hunter2"}.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        monkeypatch.setenv("AWS_SESSION_TOKEN", "session")
        yield servers, open_store(f"s3://{BUCKET}/moved")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_another_host_gets_no_signature_and_no_upload(
    status: int, redirecting: tuple[Redirecting, ObjectStore]
) -> None:
    servers, objects = redirecting
    servers.status = status

    assert await store.read(objects, "photo") == b"other"  # followed
    assert await store.size(objects, "photo") == 5
    with pytest.raises(BaseError):
        await store.put(objects, "photo", b"bytes of an image", "image/png")

    said = b"".join(servers.got).lower()
    assert len(servers.got) == 2
    for secret in (b"authorization", b"signature", b"someone", b"hunter2", b"bytes of an image"):
        assert secret not in said
    assert b"x-amz-security-token: session" in said  # of no use without the key
