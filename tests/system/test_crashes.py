"""Crash tests: the service is killed at each step of an upload and of a DELETE.

An image always has its bytes, and the check of the object store finds the orphans.
"""

import asyncio
import io
import json
import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from uuid import uuid4

import httpx
import psycopg
import pytest

from app.catalogue.ownership import claim
from app.cli.check_objects import check_objects
from app.database.pool import Pool
from app.errors import ExitCode
from app.settings import Settings
from app.storage.keys import storage_key
from app.storage.store import PART, open_store
from tests.cli.test_check_objects import keys
from tests.cli.test_entrypoint import ready
from tests.conftest import client_of, free_port
from tests.migrations.test_backend import wait_until
from tests.support import dying
from tests.support.api import rows, upload
from tests.support.forked import Running
from tests.support.pictures import picture
from tests.support.s3 import BUCKET, S3
from tests.support.serving import uvicorn

CONTENT = picture(seed=5) + bytes(3 * PART)

# For each step: the number of images afterwards, and the objects without an image, by kind.
LEFT: dict[str, tuple[int, dict[str, int]]] = {
    "upload: half received": (0, {}),
    "upload: received": (0, {}),
    "upload: half written": (0, {"unfinished": 1}),
    "upload: bytes written": (0, {"orphan": 1}),
    "upload: row inserted": (0, {"orphan": 1}),
    "upload: committed": (1, {}),
    "delete: received": (1, {}),
    "delete: committed": (0, {"orphan": 1, "thumbnail": 2}),
    "delete: locked": (0, {"orphan": 1, "thumbnail": 2}),
    "delete: bytes removed": (0, {"thumbnail": 2}),
    "delete: thumbnails removed": (0, {"orphan": 1}),
    "delete: all removed": (0, {}),
}


# The steps that another object store could change: writes and removals.
OVER_S3 = {"upload: half written", "upload: bytes written", "delete: committed", "delete: bytes removed"}


def steps(of: str) -> list[tuple[str, str]]:
    """Return pairs of an object store and a step whose name begins with `of`."""
    return [("files", step) for step in LEFT if step.startswith(of)] + [
        ("s3", step) for step in sorted(OVER_S3) if step.startswith(of)
    ]


@pytest.fixture(params=["files", "s3"])
async def settings(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    """The settings of a service that has been started before, so the store is that of the database."""
    url = settings.storage_url
    if request.param == "s3":
        request.getfixturevalue("s3")
        url = f"s3://{BUCKET}/{uuid4()}/objects"
    settings = settings.model_copy(update={"storage_url": url, "max_upload_bytes": 50_000_000})
    async with Pool(settings) as pool:
        await claim(pool, open_store(settings.storage_url))
    return settings


@contextmanager
def service(settings: Settings, step: str = "") -> Iterator[tuple[str, Running]]:
    """Run a worker that kills itself at the step. Yield the URL of its images and its process."""
    port = free_port()
    variables = {name: value for name, value in os.environ.items() if name.startswith("AWS_")} | {
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "STORAGE_URL": str(settings.storage_url),
        "AUTH": "none",
        "UVICORN_LOG_LEVEL": "error",
        "UVICORN_PORT": str(port),
        "DYING": step,
    }
    process = uvicorn("tests.support.dying:create" if step else "app.main:from_environment", **variables)
    try:
        wait_until(lambda: ready(port))
        yield f"http://127.0.0.1:{port}/v1/images", process
    finally:
        process.kill()
        process.wait()


async def found(settings: Settings, connection: psycopg.Connection, remove: bool = False) -> dict[str, int]:
    """Wait until the sessions of the service are closed. Return the number of findings of the check, by kind."""
    sessions = "SELECT FROM pg_stat_activity WHERE application_name LIKE 'images %' AND datname = current_database()"
    wait_until(lambda: not connection.execute(sessions).fetchall())
    output = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(output):
        patch.setenv("DATABASE_URL", settings.database_url.get_secret_value())
        patch.setenv("STORAGE_URL", str(settings.storage_url))
        status = await asyncio.to_thread(check_objects, 0, remove, 1000, "json")
    kinds = Counter(finding["kind"] for finding in json.loads(output.getvalue())["findings"])
    assert status == (ExitCode.ACTION_NEEDED if kinds and not remove else ExitCode.DONE)
    return dict(kinds)


async def converges(settings: Settings, connection: psycopg.Connection, left: dict[str, int]) -> None:
    """Assert that the check finds these objects and removes them, and that the same upload then succeeds."""
    assert await found(settings, connection) == left
    assert await found(settings, connection, remove=True) == left
    assert await found(settings, connection) == {}
    async with client_of(settings) as client:
        image = await upload(client, CONTENT)
        assert (await client.get(f"/v1/images/{image['id']}/content")).content == CONTENT
        assert (await client.get(f"/v1/images/{image['id']}/thumbnail")).status_code == 200
    assert storage_key(image["sha256"]) in keys(settings)
    assert rows(connection) == 1
    assert await found(settings, connection) == {}


def test_each_step_is_known() -> None:
    assert LEFT.keys() == dying.STEPS.keys()


@pytest.mark.parametrize(("settings", "step"), steps("upload"), indirect=["settings"])
async def test_killed_in_an_upload(step: str, settings: Settings, connection: psycopg.Connection) -> None:
    images, left = LEFT[step]
    s3 = str(settings.storage_url).startswith("s3:")
    with service(settings, step) as (url, process):
        async with httpx.AsyncClient() as client:
            with pytest.raises(httpx.TransportError):
                await client.post(url, content=CONTENT, headers={"Content-Type": "image/jpeg"})
        assert process.wait(timeout=10) == -9

    assert rows(connection) == images
    # S3 lists unfinished parts only in another listing. A lifecycle rule of the bucket removes them.
    await converges(settings, connection, {} if s3 and "unfinished" in left else left)


@pytest.mark.parametrize(("settings", "step"), steps("delete"), indirect=["settings"])
async def test_killed_in_a_delete(step: str, settings: Settings, connection: psycopg.Connection) -> None:
    images, left = LEFT[step]
    async with client_of(settings) as client:
        url = f"/{(await upload(client, CONTENT))['id']}"
        for size in (160, 320):
            assert (await client.get(f"/v1/images{url}/thumbnail?size={size}")).status_code == 200
    with service(settings, step) as (images_url, process):
        async with httpx.AsyncClient() as other:
            with pytest.raises(httpx.TransportError):
                await other.delete(f"{images_url}{url}")
        assert process.wait(timeout=10) == -9

    assert rows(connection) == images
    await converges(settings, connection, left)


@pytest.mark.parametrize("settings", ["files"], indirect=True)
async def test_killed_while_postgresql_deletes(settings: Settings, connection: psycopg.Connection) -> None:
    """PostgreSQL finishes the DELETE without the service, and commits."""
    async with client_of(settings) as client:
        id = (await upload(client, CONTENT))["id"]
    with service(settings) as (url, process):

        def delete() -> None:
            with suppress(httpx.TransportError):
                httpx.delete(f"{url}/{id}", timeout=30)

        request = threading.Thread(target=delete)
        with connection.transaction():
            connection.execute("SELECT FROM images FOR UPDATE")
            request.start()
            wait_until(lambda: connection.execute("SELECT FROM pg_locks WHERE NOT granted").fetchall())
            process.kill()
            request.join()

    wait_until(lambda: rows(connection) == 0)
    await converges(settings, connection, {"orphan": 1})


@pytest.mark.parametrize("settings", ["s3"], indirect=True)
def test_a_killed_multipart_upload_leaves_no_object(settings: Settings, s3: S3) -> None:
    prefix = str(settings.storage_url).removeprefix(f"s3://{BUCKET}/")
    with service(settings, "upload: half written") as (url, _), suppress(httpx.TransportError):
        httpx.post(url, content=CONTENT, headers={"Content-Type": "image/jpeg"}, timeout=60)

    assert s3.keys(f"{prefix}/") == []
    assert len(s3.uploads(prefix)) == 1  # a lifecycle rule of the bucket aborts it
