"""Hostile, odd and broken images: each gets its documented answer. Only accepted images are stored."""

import asyncio
import io
import random
import re
import warnings
from collections.abc import AsyncIterator, Iterator
from functools import cache
from typing import NamedTuple

import httpx
import psycopg
import pytest
from PIL import Image, ImageOps
from pydantic import SecretStr

from app.embedded_postgres import Server
from app.settings import Settings
from tests.conftest import _database, client_of
from tests.support.api import objects, place, problem, rows
from tests.support.hostile import BROKEN, CASES, FORMATS, UNSUPPORTED, encoded
from tests.support.pictures import picture

# Parts of messages that are for the authors of libraries.
LIBRARY_WORDS = re.compile("(?i)vips|heif:|libpng|_source|unable|tiff2|xff|\ufffd")


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
        auth="none",
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
        assert not LIBRARY_WORDS.search(response.json()["detail"])
        assert rows(connection) == 0
        assert objects(settings) == []
        return response
    url, image = response.headers["location"], response.json()
    assert (await client.get(f"{url}/content")).content == content
    small = await client.get(f"{url}/thumbnail?size=160")
    assert small.status_code == 200, small.text
    assert rows(connection) == 1
    assert place(settings, f"sha256/{image['sha256'][:2]}/{image['sha256'][2:4]}/{image['sha256']}").exists()
    assert (await client.delete(url)).status_code == 204
    assert objects(settings) == []
    return response


def displayed(content: bytes) -> tuple[int, int] | None:
    """Return the displayed size according to Pillow, or None if Pillow cannot read the image."""
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


# Cut and damaged


@pytest.mark.parametrize("format", FORMATS)
async def test_the_beginning_of_an_image_is_rejected(running: Service, format: str) -> None:
    """Each of the first 64 lengths."""
    content = picture(format, (300, 200))

    headers = {"Content-Type": "image/*"}
    posts = (running.client.post("/v1/images", content=content[:length], headers=headers) for length in range(65))
    for response in await asyncio.gather(*posts):
        problem(response, response.status_code, UNSUPPORTED if response.status_code == 415 else BROKEN)
    assert rows(running.connection) == 0
    assert objects(running.settings) == []


@pytest.mark.parametrize("hundredths", [5, 10, 25, 50, 75, 90, 97, 99])
@pytest.mark.parametrize("format", FORMATS)
async def test_a_cut_image_is_rejected(running: Service, format: str, hundredths: int) -> None:
    content = noise(format)

    problem(await sent(running, content[: len(content) * hundredths // 100]), 422, BROKEN)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("format", FORMATS)
async def test_a_damaged_image_is_rejected_or_has_its_displayed_size(running: Service, format: str, seed: int) -> None:
    """Ten times: one to eight bytes of it are others."""
    chance = random.Random(seed)  # noqa: S311
    for _ in range(10):
        content = bytearray(noise(format))
        for _ in range(chance.randint(1, 8)):
            beginning = 200 if chance.random() < 0.5 else len(content)
            content[chance.randrange(beginning)] = chance.randrange(256)

        response = await sent(running, bytes(content))

        if response.status_code == 201:
            image = response.json()
            assert displayed(bytes(content)) in {None, (image["width"], image["height"])}
        else:
            kind = response.json()["type"].removeprefix("/problems/")
            problem(response, 415 if kind == UNSUPPORTED else 422, kind)


@cache
def noise(format: str) -> bytes:
    return encoded(Image.effect_noise((64, 48), 90).convert("RGB"), format)


# Told otherwise than it is


@pytest.mark.parametrize("told", ["image/jpeg", "image/svg+xml", "image/nonsense", "image/*"])
@pytest.mark.parametrize("format", FORMATS)
async def test_the_type_is_that_of_the_bytes(running: Service, format: str, told: str) -> None:
    client = running.client
    raw = await client.post("/v1/images", content=picture(format), headers={"Content-Type": told})
    form = await client.post("/v1/images", files={"file": ("cat.html", picture(format), told)})

    assert (raw.status_code, form.status_code) == (201, 200)
    assert raw.json()["content_type"] == f"image/{format.lower()}"
    content = await client.get(f"{raw.headers['location']}/content")
    assert content.headers["content-type"] == f"image/{format.lower()}"
    assert content.headers["x-content-type-options"] == "nosniff"
    assert (await client.delete(raw.headers["location"])).status_code == 204
