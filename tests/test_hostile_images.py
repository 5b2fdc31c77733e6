"""Hostile, odd and broken images: each has the documented answer, and afterwards what was accepted is there, no more."""

import io
import random
import struct
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import httpx
import psycopg
import pytest
from PIL import Image, ImageOps
from pydantic import SecretStr

from app.embedded import Server
from app.settings import Settings
from tests.api import objects, place, problem, rows
from tests.conftest import _database, client_of
from tests.hostile import BROKEN, CASES, FORMATS, UNSUPPORTED
from tests.pictures import picture


class Service(NamedTuple):
    client: httpx.AsyncClient
    connection: psycopg.Connection
    settings: Settings


@pytest.fixture(scope="module")
def module_database(server: Server, admin: psycopg.Connection, template: str) -> Iterator[str]:
    yield from _database(server, admin, template)


@pytest.fixture(scope="module")
async def running(module_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    settings = Settings(
        _env_file=None,
        database_url=SecretStr(module_database),
        storage_url=f"file:{tmp_path_factory.mktemp('objects')}",
        max_upload_bytes=5_000_000,
        max_image_pixels=1_000_000,
    )
    with psycopg.connect(module_database, autocommit=True) as connection:
        async with client_of(settings) as client:
            yield Service(client, connection, settings)


async def sent(running: Service, content: bytes) -> httpx.Response:
    """The answer to the upload, of which nothing is left afterwards; while it is there it is what was sent."""
    client, connection, settings = running
    response = await client.post("/v1/images", content=content, headers={"Content-Type": "image/png"})
    if response.status_code != 201:
        assert rows(connection) == 0
        assert objects(settings) == []
        return response
    url, image = response.headers["location"], response.json()
    assert (await client.get(f"{url}/content")).content == content
    small = await client.get(f"{url}/thumbnail?size=160")
    if small.status_code != 200:
        problem(small, 404, "no-thumbnail")
    assert rows(connection) == 1
    assert place(settings, f"sha256/{image['sha256'][:2]}/{image['sha256'][2:4]}/{image['sha256']}").exists()
    assert (await client.delete(url)).status_code == 204
    assert objects(settings) == []
    return response


def displayed(content: bytes) -> tuple[int, int] | None:
    """The size that Pillow has it displayed in; None where it does not read it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(content)) as image:
                return ImageOps.exif_transpose(image).size
        except Exception:
            return None


@pytest.mark.parametrize("name", CASES)
async def test_each_has_its_answer(running: Service, name: str) -> None:
    expected, make = CASES[name]
    content = make()

    response = await sent(running, content)

    if isinstance(expected, str):
        problem(response, 415 if expected == UNSUPPORTED else 422, expected)
        return
    image = response.json()
    assert response.status_code == 201, image
    assert (image["content_type"], image["width"], image["height"]) == expected
    assert displayed(content) in {None, expected[1:]}
