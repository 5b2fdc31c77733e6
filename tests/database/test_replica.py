"""A primary and a hot standby: reads that are never too old, and what happens when either of them dies."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from app.database import replica
from app.database.connect import connect
from app.database.connection import Connection
from app.database.libpq_options import asyncpg_urls
from app.database.pool import TIMEOUT_MARGIN
from app.settings import Settings
from tests.conftest import client_of
from tests.support.api import problem, upload
from tests.support.cluster import Mortal, migrated, url
from tests.support.pictures import picture
from tests.support.waiting import wait_until

TIMEOUT = 1.0
IN_TIME = TIMEOUT + TIMEOUT_MARGIN + 1.2
NUMBER = iter(range(1, 60_000))
LONG_PAUSES = (*replica.REPLAY_PAUSES, *[0.064] * 10)  # 0.8 s: processes of a busy machine take turns
LISTS = ("/v1/images", "/v1/tags", "/v1/stats", "/v1/images/export")


class Pair:
    """`first` is the primary, until it is killed or another one is promoted; `renew` makes a standby of it again."""

    def __init__(self, folder: Path) -> None:
        self.primary = migrated(folder / "one")
        self.standby = self.primary.standby(folder / "two")

    def renew(self) -> None:
        """Make the former primary a standby of the new one, after a failover."""
        data = self.primary.data
        self.primary.leave()
        self.primary, self.standby = self.standby, self.standby.standby(data)

    def release(self) -> None:
        self.standby.release()
        self.primary.release()


@pytest.fixture(scope="module")
def pair(memory: Path) -> Iterator[Pair]:
    pair = Pair(memory / "pair")
    yield pair
    pair.release()


@pytest.fixture
def settings(pair: Pair, tmp_path: Path) -> Settings:
    (tmp_path / "objects" / "sha256").mkdir(parents=True)  # the database has images of other tests
    return Settings(
        _env_file=None,
        database_url=SecretStr(url(pair.primary)),
        read_database_url=SecretStr(url(pair.standby)),
        storage_url=f"file:{tmp_path / 'objects'}",
        auth="none",
        database_pool_size=4,
        database_statement_timeout=TIMEOUT,
        max_image_pixels=1_000_000,
    )


def unique() -> bytes:
    return picture("PNG", seed=next(NUMBER))


async def get(client: httpx.AsyncClient, path: str) -> Any:
    async with asyncio.timeout(IN_TIME):
        response = await client.get(path)
    assert response.status_code == 200, response.text
    return response.json() if response.headers["content-type"] == "application/json" else response.text


async def title(client: httpx.AsyncClient, id: str) -> str:
    """As the list has it."""
    [found] = [image for image in (await get(client, "/v1/images"))["images"] if image["id"] == id]
    return str(found["title"])


@contextmanager
def killed(server: Mortal, again: bool = True) -> Iterator[None]:
    server.kill()
    yield
    if again:
        server.up()


def asked(server: Mortal) -> set[str]:
    """The statements that the application's sessions on a server have run last."""
    found = server.run("SELECT query FROM pg_stat_activity WHERE application_name LIKE 'images %'")
    return {str(query).removeprefix("-- ").partition(":")[0] for (query,) in found}


async def test_lists_are_read_from_the_replica_and_images_from_the_primary(
    settings: Settings, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica, "REPLAY_PAUSES", LONG_PAUSES)
    async with client_of(settings) as client:
        id = (await upload(client, unique()))["id"]

        await get(client, f"/v1/images/{id}")
        await get(client, "/v1/images")

        assert asked(pair.standby) == {"list_images"}
        assert {"get_image", "read_position"} & asked(pair.primary) == {"get_image", "read_position"}
        for path in LISTS:
            await get(client, path)
        assert asked(pair.standby) <= {"COMMIT", "read_stats", "list_tags"}


async def test_a_writer_reads_its_write_from_any_worker(
    settings: Settings, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a replica that is behind by more than a request takes."""
    monkeypatch.setattr(replica, "REPLAY_PAUSES", LONG_PAUSES)
    pair.standby.set("recovery_min_apply_delay", "20ms")
    try:
        async with client_of(settings) as one, client_of(settings) as other:
            id = (await upload(one, unique()))["id"]
            for number in range(10):
                new = f"title {number}"
                changed = await one.patch(f"/v1/images/{id}", json={"title": new})
                assert changed.status_code == 200
                assert await asyncio.gather(*(title(other, id) for _ in range(3))) == [new] * 3
            assert "list_images" in asked(pair.standby)
            assert "list_images" not in asked(pair.primary)
    finally:
        pair.standby.set("recovery_min_apply_delay", "0")


async def test_a_replica_that_does_not_replay_is_not_read(settings: Settings, pair: Pair) -> None:
    async with client_of(settings) as client:
        id = (await upload(client, unique()))["id"]
        pair.standby.run("SELECT pg_wal_replay_pause()")
        try:
            await client.patch(f"/v1/images/{id}", json={"title": "new"})

            assert await title(client, id) == "new"
            assert "list_images" in asked(pair.primary)
        finally:
            pair.standby.run("SELECT pg_wal_replay_resume()")


async def test_callers_share_one_question(settings: Settings, pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    questions = []
    fetch = Connection.fetch

    async def counted(connection: Connection, name: str, *arguments: Any, **options: Any) -> Any:
        if name == "read_position":
            questions.append(name)
        return await fetch(connection, name, *arguments, **options)

    monkeypatch.setattr(Connection, "fetch", counted)
    async with client_of(settings) as client:
        await asyncio.gather(*(get(client, "/v1/images") for _ in range(20)))

    assert 1 <= len(questions) <= 3


async def test_without_its_replica_the_primary_is_read(
    settings: Settings, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica, "REPLICA_RETRY_INTERVAL", 0.1)
    async with client_of(settings) as client:
        await upload(client, unique())
        await get(client, "/v1/images")

        with pair.standby.frozen():
            for path in LISTS:
                await get(client, path)
        pair.standby.down()
        for path in LISTS:
            await get(client, path)
        assert (await get(client, "/readyz"))["status"] == "ready"
        pair.standby.up()

        async with asyncio.timeout(30):
            while "list_images" not in asked(pair.standby):
                await asyncio.sleep(replica.REPLICA_RETRY_INTERVAL)
                await get(client, "/v1/images")


@pytest.mark.parametrize("frozen", [False, True])
async def test_reads_survive_the_primary(frozen: bool, settings: Settings, pair: Pair) -> None:
    async with client_of(settings) as client:
        id = (await upload(client, unique()))["id"]
        paths = (*LISTS, f"/v1/images/{id}", f"/v1/images/{id}/content")
        for path in paths:
            await get(client, path)
        wait_until(lambda: pair.standby.run("SELECT 1 FROM images WHERE id = %s", id))

        with pair.primary.frozen() if frozen else killed(pair.primary):
            for path in paths:
                await get(client, path)
            assert (await get(client, "/readyz"))["status"] == "read-only"
            async with asyncio.timeout(IN_TIME):
                changed, stored = await asyncio.gather(
                    client.patch(f"/v1/images/{id}", json={"title": "lost"}),
                    client.post("/v1/images", files={"file": unique()}),
                )
            problem(changed, 503)
            problem(stored, 503)

        assert (await client.patch(f"/v1/images/{id}", json={"title": "kept"})).status_code == 200
        async with asyncio.timeout(30):  # until the primary has answered, the replica is read as it stands
            while (await get(client, "/readyz"))["status"] != "ready":
                pass
        assert await title(client, id) == "kept"
    wait_until(lambda: pair.primary.run("SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'"))


async def test_an_export_that_the_replica_cancels_is_read_from_the_primary(
    settings: Settings, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The standby cancels queries that conflict with the log that it replays."""
    pair.standby.set("max_standby_streaming_delay", "0")
    copy_out, tries = Connection.copy_out, []

    async def in_the_way(connection: Connection, *arguments: Any) -> None:
        tries.append(connection.url)
        if len(tries) == 1:
            await connection.driver.execute("SELECT FROM images LIMIT 1")
            pair.primary.run("ALTER TABLE images ADD COLUMN brief integer")
            pair.primary.run("ALTER TABLE images DROP COLUMN brief")
            [[end]] = pair.primary.run("SELECT pg_current_wal_flush_lsn()")
            replayed = "SELECT 1 WHERE pg_last_wal_replay_lsn() >= %s"  # past who was in the way
            wait_until(lambda: pair.standby.run(replayed, end))
        await copy_out(connection, *arguments)

    monkeypatch.setattr(Connection, "copy_out", in_the_way)
    async with client_of(settings) as client:
        id = (await upload(client, unique()))["id"]

        assert id in await get(client, "/v1/images/export")

    assert len(tries) == len(set(tries)) == 2
    pair.standby.run("ALTER SYSTEM RESET max_standby_streaming_delay")


async def test_a_replica_that_was_promoted_is_not_read(settings: Settings, pair: Pair) -> None:
    """While the primary lives: both take writes, and its log is soon as far as the primary's, or farther."""
    async with client_of(settings) as client:
        id = (await upload(client, unique()))["id"]
        await get(client, "/v1/images")
        pair.standby.promote()
        pair.standby.run("CREATE TABLE elsewhere AS SELECT generate_series(1, 100000)")

        assert (await client.patch(f"/v1/images/{id}", json={"title": "new"})).status_code == 200

        assert await title(client, id) == "new"
    pair.standby.leave()
    pair.standby = pair.primary.standby(pair.standby.data)


@pytest.mark.parametrize(
    ("death", "attributes"), [("killed", "primary"), ("frozen", "read-write"), ("read-only", "read-write")]
)
async def test_another_host_takes_over(death: str, attributes: str, settings: Settings, pair: Pair) -> None:
    hosts = url(pair.primary, pair.standby, options=f"&target_session_attrs={attributes}")
    changed = {"database_url": SecretStr(hosts), "read_database_url": None}
    async with client_of(settings.model_copy(update=changed)) as client:
        id = (await upload(client, unique()))["id"]
        wait_until(lambda: pair.standby.run("SELECT 1 FROM images WHERE id = %s", id))

        async def change() -> int:
            async with asyncio.timeout(IN_TIME):
                return (await client.patch(f"/v1/images/{id}", json={"title": "new"})).status_code

        assert await change() == 200
        if death == "read-only":
            pair.primary.set("default_transaction_read_only", "on")
            pair.standby.promote()
            assert await change() == 503
            assert await change() == 200
        else:
            with pair.primary.frozen() if death == "frozen" else killed(pair.primary, again=False):
                assert await change() == 503
                pair.standby.promote()
                assert await change() == 200
                found, _ = await connect(asyncpg_urls(hosts), 2)
                await found.close()
            if death == "killed":
                with psycopg.connect(hosts) as connection:
                    assert connection.info.host == str(pair.standby.data)
        assert pair.standby.run("SELECT title FROM images WHERE id = %s", id) == [("new",)]
    pair.renew()


async def write(client: httpx.AsyncClient, acknowledged: dict[str, int | None]) -> None:
    """Store, change and delete images, and note what was acknowledged last: the title, or None after a deletion.

    A change that was not acknowledged before PostgreSQL died may be stored or not.
    """
    while True:
        response = await client.post("/v1/images", files={"file": unique()}, data={"title": "0"})
        if response.status_code != 201:
            await asyncio.sleep(0.01)
            continue
        id = response.json()["id"]
        acknowledged[id] = 0
        for number in range(1, 4):
            if (await client.patch(f"/v1/images/{id}", json={"title": f"{number}"})).status_code == 200:
                acknowledged[id] = number
        if int(id[0], 16) % 2:
            del acknowledged[id]
            if (await client.delete(f"/v1/images/{id}")).status_code == 204:
                acknowledged[id] = None


async def test_no_acknowledged_write_is_lost(settings: Settings, pair: Pair) -> None:
    """After a crash, and after a failover with a synchronous standby."""
    pair.primary.set("synchronous_standby_names", "*")
    hosts = url(pair.primary, pair.standby, options="&target_session_attrs=read-write")
    acknowledged: dict[str, int | None] = {}

    async def go_on() -> None:
        most = len(acknowledged) + 20
        await asyncio.to_thread(wait_until, lambda: len(acknowledged) >= most)

    async with client_of(settings.model_copy(update={"database_url": SecretStr(hosts)})) as client:
        clients = [asyncio.create_task(write(client, acknowledged)) for _ in range(4)]
        await go_on()
        await asyncio.to_thread(pair.primary.kill)
        await asyncio.to_thread(pair.primary.up)
        await go_on()
        await asyncio.to_thread(pair.primary.kill)
        await asyncio.to_thread(pair.standby.promote)
        await go_on()
        for running in clients:
            running.cancel()
        await asyncio.gather(*clients, return_exceptions=True)

    there = {
        str(id): int(str(title))
        for id, title in pair.standby.run("SELECT id, title FROM images WHERE title ~ '^[0-3]$'")
    }
    lost = {id: number for id, number in acknowledged.items() if number is not None and there.get(id, -1) < number}
    assert lost == {}
    assert not [id for id, number in acknowledged.items() if number is None and id in there]
    pair.renew()
