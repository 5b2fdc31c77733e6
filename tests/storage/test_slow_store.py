"""A slow object store does not delay reads: no connection waits for it while bytes are written."""

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from obstore.exceptions import GenericError
from obstore.store import ObjectStore

from app.settings import Settings
from app.storage import store
from app.storage.keys import storage_key
from app.storage.spool import Spool
from app.storage.store import open_store
from tests.conftest import client_of
from tests.database.test_outages import unavailable
from tests.migrations.test_backend import wait_until
from tests.support.api import rows, upload
from tests.support.pictures import picture
from tests.support.s3 import BUCKET, S3, Held

POOL_SIZE = 4
MODIFIED = "Sun, 29 Nov 2026 12:00:00 GMT"
PROMPT = 2.0  # seconds of a read, on a machine with much to do. While it waits for a connection, it takes 5.5 s.


@pytest.fixture
def settings(s3: S3, settings: Settings) -> Settings:
    url = f"s3://{BUCKET}/{uuid4()}/objects"
    return settings.model_copy(update={"storage_url": url, "database_pool_size": POOL_SIZE})


def through(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT", held.url)


@pytest.fixture
async def image(settings: Settings) -> str:
    """The path of an image that was stored before the store became slow."""
    async with client_of(settings) as client:
        return f"/v1/images/{(await upload(client, picture('PNG', seed=1000)))['id']}"


async def test_reads_do_not_wait_for_uploads_to_a_slow_store(
    image: str, s3: S3, settings: Settings, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploads = 3 * POOL_SIZE
    with Held(s3, "PUT") as held:
        through(held, monkeypatch)
        async with client_of(settings) as client:
            tasks = [asyncio.create_task(upload(client, picture("PNG", seed=seed))) for seed in range(uploads)]
            await asyncio.to_thread(wait_until, lambda: held.arrived >= POOL_SIZE)

            async with asyncio.timeout(PROMPT):
                for _ in range(POOL_SIZE):
                    assert (await client.get(image)).status_code == 200

            await asyncio.to_thread(wait_until, lambda: held.arrived == uploads)
            held.release()
            await asyncio.gather(*tasks)
    assert rows(connection) == uploads + 1


async def test_reads_do_not_wait_for_deletes_in_a_slow_store(
    image: str, s3: S3, settings: Settings, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A DELETE holds the lock of the bytes meanwhile, with at most half of the connections."""
    async with client_of(settings) as client:
        ids = [(await upload(client, picture("PNG", seed=seed)))["id"] for seed in range(3 * POOL_SIZE)]
    with Held(s3, "DELETE", "POST") as held:
        through(held, monkeypatch)
        async with client_of(settings) as client:
            tasks = [asyncio.create_task(client.delete(f"/v1/images/{id}")) for id in ids]
            await asyncio.to_thread(wait_until, lambda: held.arrived >= POOL_SIZE // 2)

            async with asyncio.timeout(PROMPT):
                for _ in range(POOL_SIZE):
                    assert (await client.get(image)).status_code == 200

            held.release()
            assert {answer.status_code for answer in await asyncio.gather(*tasks)} == {204}
    assert rows(connection) == 1


async def test_bytes_that_are_removed_during_an_upload_are_written_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A DELETE of the same bytes, or `images objects check`, removes them before the upload has the lock."""
    written, put = [], store.put

    async def removed(objects: ObjectStore, key: str, *arguments: Any) -> None:
        await put(objects, key, *arguments)
        written.append(key)
        if len(written) == 1:
            await store.delete(objects, [key])

    monkeypatch.setattr(store, "put", removed)
    async with client_of(settings) as client:
        image = await upload(client)
        assert (await client.get(f"/v1/images/{image['id']}/content")).content == picture()
    assert written == 2 * [storage_key(image["sha256"])]


async def test_a_store_that_loses_what_it_was_given_makes_uploads_unavailable(
    settings: Settings, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost(*_: object) -> None:
        pass

    monkeypatch.setattr(store, "put", lost)
    async with client_of(settings) as client:
        unavailable(await client.post("/v1/images", files={"file": picture()}), "storage-unavailable")
    assert rows(connection) == 0


async def test_uploads_and_deletes_of_the_same_bytes_leave_no_image_without_them(
    settings: Settings, connection: psycopg.Connection
) -> None:
    """Two workers, each with uploads and deletes of one image at the same time."""
    async with client_of(settings) as client, client_of(settings) as other:

        async def work(client: httpx.AsyncClient) -> None:
            for _ in range(8):
                image = await upload(client)
                content = await client.get(f"/v1/images/{image['id']}/content")
                assert content.status_code == 200 or rows_of(connection, image["id"]) == 0
                await client.delete(f"/v1/images/{image['id']}")

        await asyncio.gather(*(work(each) for each in (client, other, client, other)))
        image = await upload(client)
        assert (await client.get(f"/v1/images/{image['id']}/content")).content == picture()


def rows_of(connection: psycopg.Connection, id: str) -> int:
    return len(connection.execute("SELECT FROM images WHERE id = %s", [id]).fetchall())


@pytest.mark.skipif("MEASURE" not in os.environ, reason="prints figures: MEASURE=1")
async def test_figures(image: str, s3: S3, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """24 uploads to a store that takes 4 s for each PUT, and a get by id every 50 ms meanwhile."""
    settings = settings.model_copy(update={"database_pool_size": 10})
    with Held(s3, "PUT", delay=4) as held:
        through(held, monkeypatch)
        async with client_of(settings) as client:
            started = monotonic()
            tasks = [
                asyncio.create_task(client.post("/v1/images", files={"file": picture("PNG", seed=seed)}))
                for seed in range(24)
            ]
            waits = []
            while not all(task.done() for task in tasks):
                begun = monotonic()
                assert (await client.get(image)).status_code == 200
                waits.append(monotonic() - begun)
                await asyncio.sleep(0.05)
            statuses = sorted(task.result().status_code for task in tasks)
            print(f"uploads: {monotonic() - started:.1f} s, {statuses}; longest get: {max(waits) * 1000:.0f} ms")


class Dripping(BaseHTTPRequestHandler):
    """A store that sends a byte now and then, so that its client's time-out for a silent server never ends a read."""

    def do_GET(self) -> None:
        self.send_response(200)
        for name, value in {"Content-Length": "1000000", "ETag": '"a"', "Last-Modified": MODIFIED}.items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(ConnectionError):
            for _ in range(400):
                self.wfile.write(b"a")
                time.sleep(0.05)

    def log_message(self, *_: object) -> None:
        pass


async def test_a_store_that_sends_a_byte_now_and_then_is_given_up(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise two such reads would hold all turns of a worker's thumbnails."""
    monkeypatch.setattr(store, "CHUNK_TIMEOUT", 0.2)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Dripping)
    server.daemon_threads = True
    with server, ThreadPoolExecutor(1) as thread:
        thread.submit(server.serve_forever)
        monkeypatch.setenv("AWS_ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}")
        objects = open_store(f"s3://{BUCKET}/objects")
        try:
            async with asyncio.timeout(10):
                with pytest.raises(GenericError, match="too slowly"):
                    await store.read(objects, "a")
                with pytest.raises(GenericError, match="too slowly"), Spool() as spool:
                    await asyncio.to_thread(store.copy, objects, "a", spool, store.is_small)
                streamed = await store.stream(objects, "a")
                assert streamed is not None
                with pytest.raises(GenericError, match="too slowly"):
                    await anext(streamed[1])
        finally:
            server.shutdown()
