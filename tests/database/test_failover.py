"""PostgreSQL dies, in each way that it can: 503 in time while it is down, and none as soon as it is back."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from app.database.libpq_options import asyncpg_urls
from app.database.pool import TIMEOUT_MARGIN
from app.settings import Settings
from tests.conftest import client_of
from tests.support.api import problem, upload
from tests.support.cluster import DATABASE, Mortal, migrated, url
from tests.support.pictures import picture
from tests.support.waiting import wait_until

TIMEOUT = 3.0  # seconds a statement may take. After a restart, a busy machine takes more than one
IN_TIME = TIMEOUT + TIMEOUT_MARGIN + 1.2  # for two cores that do other things, too
NUMBER = iter(range(1000, 1_000_000))


@pytest.fixture(scope="module")
def primary(memory: Path) -> Iterator[Mortal]:
    server = migrated(memory / "failing" / "data")
    yield server
    server.release()


@pytest.fixture
def settings(primary: Mortal, tmp_path: Path) -> Settings:
    (tmp_path / "objects" / "sha256").mkdir(parents=True)  # the database has images of other tests
    return Settings(
        _env_file=None,
        database_url=SecretStr(url(primary)),
        storage_url=f"file:{tmp_path / 'objects'}",
        auth="none",
        database_pool_size=4,
        database_statement_timeout=TIMEOUT,
        max_image_pixels=1_000_000,
    )


def unique() -> bytes:
    return picture("PNG", seed=next(NUMBER))


def requests(client: httpx.AsyncClient, id: str) -> list[Awaitable[httpx.Response]]:
    """One of each kind, more than there are connections."""
    return [
        client.get("/v1/images"),
        client.get(f"/v1/images/{id}"),
        client.get(f"/v1/images/{id}"),
        client.get(f"/v1/images/{id}/content"),
        client.get(f"/v1/images/{id}/thumbnail"),
        client.get("/v1/images/export"),
        client.get("/v1/stats"),
        client.get("/readyz"),
        client.patch(f"/v1/images/{id}", json={"title": f"{next(NUMBER)}"}),
        client.post("/v1/images", files={"file": unique()}),
    ]


async def statuses(client: httpx.AsyncClient, id: str) -> set[int]:
    """Send one request of each kind, all at once, and return the statuses. Each 503 must have a Retry-After."""
    async with asyncio.timeout(IN_TIME):
        responses = await asyncio.gather(*requests(client, id))
    for response in responses:
        if response.status_code == 503:
            problem(response, 503)
            assert response.headers["retry-after"] == "5"
    return {response.status_code for response in responses}


async def in_thread(function: Callable[[], object]) -> None:
    await asyncio.to_thread(function)


def restart(server: Mortal) -> Iterator[None]:
    server.down()
    yield
    server.up()


def cut_off(server: Mortal) -> Iterator[None]:
    server.down("immediate")
    yield
    server.up()


def kill(server: Mortal) -> Iterator[None]:
    server.kill()
    yield
    server.up()


def freeze(server: Mortal) -> Iterator[None]:
    with server.frozen():
        yield


@pytest.mark.parametrize("death", [restart, cut_off, kill, freeze])
async def test_it_is_unavailable_until_the_server_is_back_and_no_longer(
    death: Callable[[Mortal], Iterator[None]], settings: Settings, primary: Mortal
) -> None:
    async with client_of(settings) as client:
        id = (await upload(client, unique()))["id"]
        assert await statuses(client, id) <= {200, 201}
        dying = death(primary)
        await in_thread(lambda: next(dying))

        assert await statuses(client, id) == {503}
        assert (await client.get("/healthz")).status_code == 200

        await in_thread(lambda: next(dying, None))
        assert await statuses(client, id) <= {200, 201}


@pytest.mark.parametrize("death", [restart, kill])
async def test_a_client_without_a_request_meanwhile_notices_nothing(
    death: Callable[[Mortal], Iterator[None]], settings: Settings, primary: Mortal
) -> None:
    async with client_of(settings) as client:
        id = (await upload(client, unique()))["id"]
        assert await statuses(client, id) <= {200, 201}

        await in_thread(lambda: [*death(primary)])

        assert await statuses(client, id) <= {200, 201}


async def test_a_crash_of_one_session_is_over_when_the_server_has_recovered(
    settings: Settings, primary: Mortal
) -> None:
    """PostgreSQL ends all sessions then, and takes none while it recovers."""
    async with client_of(settings) as client:
        id = (await upload(client, unique()))["id"]
        assert await statuses(client, id) <= {200, 201}
        [(victim,), *_] = primary.run("SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'images %'")

        with psycopg.connect(primary.url(DATABASE), autocommit=True) as bystander:
            os.kill(int(str(victim)), signal.SIGKILL)

            with pytest.raises(psycopg.OperationalError):
                bystander.execute("SELECT pg_sleep(60)")
        while not primary.answers():
            assert await statuses(client, id) <= {200, 201, 503}
        assert await statuses(client, id) <= {200, 201}


async def test_an_export_ends_with_its_server(settings: Settings, primary: Mortal) -> None:
    """An export has no time limit, and sends nothing while it sorts. So the service asks if the server is alive."""
    async with client_of(settings) as client:
        await upload(client, unique())
        with psycopg.connect(primary.url(DATABASE)) as other:
            other.execute("LOCK TABLE images IN ACCESS EXCLUSIVE MODE")
            export = asyncio.create_task(client.get("/v1/images/export"))
            waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            await in_thread(lambda: wait_until(lambda: primary.run(waiting)))

            with primary.frozen():
                async with asyncio.timeout(2 * (TIMEOUT + TIMEOUT_MARGIN) + IN_TIME):
                    problem(await export, 503)


async def test_without_a_connection_that_is_free_it_is_unavailable(settings: Settings, primary: Mortal) -> None:
    """PostgreSQL rejects other roles before superusers: first for the last few connections, then for all."""
    with ExitStack() as taken:
        for left in ("remaining connection slots are reserved", "too many clients"):
            role = "images_app" if "reserved" in left else "postgres"
            others = primary.url(DATABASE).replace("postgres@", f"{role}@", 1)
            connect = partial(psycopg.connect, others)
            with pytest.raises(psycopg.OperationalError, match=left):
                all(taken.enter_context(connection) for connection in iter(connect, None))
            async with client_of(settings) as client:
                async with asyncio.timeout(IN_TIME):
                    problem(await client.get("/v1/images"), 503)
                    problem(await client.post("/v1/images", files={"file": unique()}), 503)
                if role == "images_app":
                    continue
                taken.close()
                assert (await client.get("/v1/images")).status_code == 200


@contextmanager
def small(folder: Path, size: str = "2m") -> Iterator[Path]:
    """A file system of its own. If this user may not mount one, skip the test."""
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"no file system can be mounted: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: Path) -> Path:
    """A file that takes all the room that is left."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    return filler


async def test_on_a_full_disk_it_reads_and_writes_again_when_there_is_room(
    settings: Settings, primary: Mortal, memory: Path
) -> None:
    async with client_of(settings) as client:
        id = (await upload(client, unique()))["id"]
        with small(memory / "failing" / "small") as folder:
            if primary.as_user:
                os.chown(folder, primary.owner, -1)
            primary.run(f"CREATE TABLESPACE small LOCATION '{folder}'")
            primary.run("ALTER TABLE images SET TABLESPACE small")
            try:
                filler = fill(folder)
                full = False
                for _ in range(50):  # until the last page is full
                    response = await client.patch(f"/v1/images/{id}", json={"description": os.urandom(4000).hex()})
                    if full := response.status_code == 503:
                        break
                assert full
                problem(response, 503)
                problem(
                    await client.post(
                        "/v1/images", files={"file": unique()}, data={"description": os.urandom(4000).hex()}
                    ),
                    503,
                )
                assert (await client.get(f"/v1/images/{id}")).status_code == 200

                filler.unlink()
                assert await statuses(client, id) <= {200, 201}
            finally:
                (folder / "filler").unlink(missing_ok=True)
                primary.run("ALTER TABLE images SET TABLESPACE pg_default")
                primary.run("DROP TABLESPACE small")


async def test_where_the_object_store_is_full_nothing_is_stored(
    settings: Settings, primary: Mortal, tmp_path: Path
) -> None:
    with small(tmp_path / "full") as folder:
        (folder / "sha256").mkdir()
        async with client_of(settings.model_copy(update={"storage_url": f"file:{folder}"})) as client:
            id = (await upload(client, unique()))["id"]
            filler = fill(folder)
            content = unique()

            problem(await client.post("/v1/images", files={"file": content}), 503)
            assert (await client.get(f"/v1/images/{id}/content")).status_code == 200

            filler.unlink()
            assert (await client.post("/v1/images", files={"file": content})).status_code == 201


def test_each_host_has_a_url_of_its_own() -> None:
    assert asyncpg_urls("postgresql://me:x@a:1,b:2/images?sslmode=disable") == [
        "postgresql://me:x@a:1/images?sslmode=disable",
        "postgresql://me:x@b:2/images?sslmode=disable",
    ]
    assert asyncpg_urls("postgresql:///images?host=/one,/two&port=5433") == [
        "postgresql:///images?host=%2Fone&port=5433",
        "postgresql:///images?host=%2Ftwo&port=5433",
    ]
    assert len(asyncpg_urls("postgresql://a,b/images?target_session_attrs=prefer-standby")) == 1
    with pytest.raises(ValueError, match="one port, or one for each host"):
        asyncpg_urls("postgresql:///images?host=a,b,c&port=1,2")
