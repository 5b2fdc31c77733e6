"""`images backfill capture`: it reads the bytes of images that were stored before, and continues after a kill."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import psycopg
import pytest

from app.cli.backfill_capture import Backfill
from app.database import queries
from app.settings import Settings
from app.storage.keys import storage_key
from app.storage.store import open_store
from tests.cli.test_adopt_store import images
from tests.conftest import client_of
from tests.support.api import place, put, upload
from tests.support.pictures import photo
from tests.support.waiting import wait_until

CAPTURE = ("backfill", "capture")
EMPTY = "UPDATE images SET capture = NULL, captured_at = NULL, location = NULL, color = NULL, thumbhash = NULL"
WAITING = "SELECT count(*) FROM images WHERE capture IS NULL"


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(settings) as client:
        yield client


async def before(client: httpx.AsyncClient, connection: psycopg.Connection, number: int) -> list[dict[str, Any]]:
    """Images as a release before left them, with what they had."""
    stored = [await upload(client, photo(seed=n)) for n in range(number)]
    connection.execute(EMPTY)
    return stored


async def test_it_fills_what_an_upload_would(
    client: httpx.AsyncClient, connection: psycopg.Connection, settings: Settings
) -> None:
    [image] = await before(client, connection, 1)

    result = await asyncio.to_thread(images, settings, *CAPTURE)

    assert (result[0], result[1][:22]) == (0, "1 filled, 0 unreadable"), result[2]
    found = (await client.get(f"/v1/images/{image['id']}")).json()
    assert found["updated_at"] > image["updated_at"]
    assert found | {"updated_at": image["updated_at"]} == image
    assert connection.execute("SELECT captured_at = '2026-07-14 16:30:05.25Z' FROM images").fetchone() == (True,)


async def test_bytes_that_cannot_be_read_are_named_and_tried_again(
    client: httpx.AsyncClient, connection: psycopg.Connection, settings: Settings
) -> None:
    missing, other, broken, whole = await before(client, connection, 4)
    content = place(settings, storage_key(missing["sha256"])).read_bytes()
    place(settings, storage_key(missing["sha256"])).unlink()
    put(settings, storage_key(other["sha256"]), content)
    put(settings, storage_key(broken["sha256"]), b"")

    first = await asyncio.to_thread(images, settings, *CAPTURE)
    put(settings, storage_key(missing["sha256"]), content)
    second = await asyncio.to_thread(images, settings, *CAPTURE)

    assert (first[0], first[1][:22]) == (1, "1 filled, 3 unreadable")
    assert f"{missing['id']}: the object store does not have its bytes." in first[2]
    assert f"{other['id']}: the object store has other bytes" in first[2]
    assert broken["id"] in first[2]
    assert whole["id"] not in first[2]
    assert (second[0], second[1][:22]) == (1, "1 filled, 2 unreadable")


class Killed(BaseException):
    """The end of a process, which no handler sees."""


async def test_a_run_continues_where_one_was_killed(
    client: httpx.AsyncClient, connection: psycopg.Connection, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await before(client, connection, 6)
    fill, filled = queries.fill_capture, list[Any]()

    async def dying(pool: Any, id: Any, *values: Any) -> bool:
        if len(filled) % 2 and len(filled) < 6:
            filled.append(None)
            raise Killed
        is_filled = await fill(pool, id, *values)
        filled.append(id)
        return is_filled

    monkeypatch.setattr(queries, "fill_capture", dying)
    kills = 0
    while connection.execute(WAITING).fetchone() != (0,):
        run = Backfill(settings, open_store(settings.storage_url), None)
        try:
            await run.work()
        except BaseExceptionGroup:
            kills += 1

    done = [id for id in filled if id is not None]
    assert kills > 0
    assert len(done) == len(set(done))  # no image is filled again


async def test_a_database_that_goes_away_ends_it_with_a_hint(
    client: httpx.AsyncClient, connection: psycopg.Connection, settings: Settings
) -> None:
    await before(client, connection, 3)
    waiting = "FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND application_name LIKE 'images %'"

    with connection.transaction():
        connection.execute("LOCK images IN SHARE MODE")
        command = asyncio.create_task(asyncio.to_thread(images, settings, *CAPTURE))
        with psycopg.connect(connection.info.dsn, autocommit=True) as other:
            await asyncio.to_thread(wait_until, lambda: other.execute(f"SELECT {waiting}").rowcount > 1)
            other.execute(f"SELECT pg_terminate_backend(pid) {waiting}")
        status, stdout, stderr = await command

    assert (status, stdout) == (3, "")
    assert "0 filled, 0 unreadable, 0 images/s so far\nerror: PostgreSQL failed: " in stderr
    assert stderr.endswith("\nhint: run the command again to continue\n")


async def test_with_strip_it_removes_positions(
    client: httpx.AsyncClient, connection: psycopg.Connection, settings: Settings
) -> None:
    kept = await upload(client, photo(seed=9))
    await upload(client, photo(seed=8, gps=False))
    connection.execute(f"{EMPTY} WHERE location IS NULL")

    run = Backfill(settings.model_copy(update={"location": "strip"}), open_store(settings.storage_url), 10**9)
    await run.work()

    assert (run.filled, run.forgotten) == (1, 1)
    assert connection.execute("SELECT count(*), count(location), count(capture) FROM images").fetchone() == (2, 0, 2)
    assert (await client.get(f"/v1/images/{kept['id']}")).json()["updated_at"] > kept["updated_at"]
