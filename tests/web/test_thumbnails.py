import asyncio
import io
import struct
import threading
from base64 import b64decode
from errno import ENOSPC
from typing import Any

import httpx
import psycopg
import pytest
import pyvips
from PIL import Image, ImageCms

from app.catalogue.cursors import FIRST_ID
from app.decoder.client import Codec
from app.decoder.queue import THUMBNAILS
from app.settings import Settings
from app.storage import store
from app.storage.keys import storage_key
from app.web.endpoints.thumbnails import accepted
from tests.conftest import client_of
from tests.support.api import faults, insert, objects, place, problem, put, remove, upload
from tests.support.pictures import picture, turned

FORMATS = {"image/avif": "AVIF", "image/webp": "WEBP", "image/jpeg": "JPEG"}
RED, WHITE = (255, 0, 0), (255, 255, 255)


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


async def thumbnail(
    client: httpx.AsyncClient, image: bytes, size: int = 160, accept: str = "image/jpeg"
) -> Image.Image:
    """The thumbnail of a new image."""
    id = (await upload(client, image))["id"]
    response = await client.get(f"/v1/images/{id}/thumbnail?size={size}", headers={"Accept": accept})
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == accept
    opened = Image.open(io.BytesIO(response.content))
    assert opened.format == FORMATS[accept]
    opened.load()
    return opened


def near(image: Image.Image, color: tuple[int, ...], at: tuple[float, float] = (0.5, 0.5)) -> bool:
    """Whether the color at a place, in parts of width and height, is about this one."""
    place = int(image.width * at[0]), int(image.height * at[1])
    found = image.convert("RGBA" if len(color) == 4 else "RGB").getpixel(place)
    assert isinstance(found, tuple)
    return all(abs(a - b) <= 8 for a, b in zip(found, color, strict=True))


# The thumbnails


@pytest.mark.parametrize("accept", FORMATS)
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WebP", "GIF", "TIFF", "AVIF"])
async def test_a_thumbnail_fits_its_size(client: httpx.AsyncClient, format: str, accept: str) -> None:
    small = await thumbnail(client, picture(format, (900, 600), seed=90), 320, accept)

    assert small.size == (320, 213)
    assert near(small, (90, 0, 90))


async def test_the_height_of_a_tall_image_fits_the_size(client: httpx.AsyncClient) -> None:
    assert (await thumbnail(client, picture(size=(600, 900)))).size == (107, 160)


async def test_the_thinnest_image_has_a_thumbnail(client: httpx.AsyncClient) -> None:
    assert (await thumbnail(client, picture("PNG", size=(60_000, 1)))).size == (160, 1)


async def test_a_small_image_is_not_enlarged(client: httpx.AsyncClient) -> None:
    assert (await thumbnail(client, picture(size=(61, 43)), 1280)).size == (61, 43)


@pytest.mark.parametrize("orientation", range(1, 9))
async def test_a_thumbnail_is_upright(client: httpx.AsyncClient, orientation: int) -> None:
    """The left half is red, turned as the EXIF orientation says. No metadata is left that would turn it again."""
    image = Image.new("RGB", (400, 200), (0, 0, 255))
    image.paste(RED, (0, 0, 200, 200))
    exif = Image.Exif()
    exif[0x0112] = orientation

    small = await thumbnail(client, encoded(image, "JPEG", exif=exif))

    at = {1: (0.2, 0.5), 2: (0.8, 0.5), 3: (0.8, 0.5), 4: (0.2, 0.5), 5: (0.5, 0.2), 6: (0.5, 0.2), 7: (0.5, 0.8)}
    assert small.size == ((160, 80) if orientation < 5 else (80, 160))
    assert near(small, (254, 0, 0), at.get(orientation, (0.5, 0.8)))
    assert not small.getexif()


@pytest.mark.parametrize("accept", FORMATS)
async def test_no_metadata_is_left(client: httpx.AsyncClient, accept: str) -> None:
    exif = Image.Exif()
    exif[0x010E] = "a secret"
    exif.get_ifd(0x8825)[1] = "N"  # GPS
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = encoded(Image.new("RGB", (300, 200)), "JPEG", exif=exif, icc_profile=profile, comment=b"a secret")

    small = await thumbnail(client, image, 160, accept)

    assert not small.getexif()
    assert not small.info.keys() & {"exif", "icc_profile", "comment", "xmp"}


@pytest.mark.parametrize("accept", ["image/avif", "image/webp"])
async def test_transparency_is_kept(client: httpx.AsyncClient, accept: str) -> None:
    image = Image.new("RGBA", (400, 300), (0, 0, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 200, 300))

    small = await thumbnail(client, encoded(image, "PNG"), 160, accept)

    assert near(small, (254, 0, 0, 255), (0.2, 0.5))
    assert small.convert("RGBA").getpixel((140, 60))[3] == 0  # type: ignore[index]


async def test_transparent_areas_are_white_in_jpeg(client: httpx.AsyncClient) -> None:
    image = Image.new("RGBA", (400, 300), (0, 0, 0, 0))

    assert near(await thumbnail(client, encoded(image, "PNG")), WHITE)


async def test_colors_are_those_of_the_profile(client: httpx.AsyncClient) -> None:
    """The same numbers are another color in Display P3, as telephones write it, than in sRGB."""
    p3 = bytes(pyvips.Operation.call("profile_load", "p3"))
    image = Image.new("RGB", (400, 300), (200, 100, 50))

    small = await thumbnail(client, encoded(image, "JPEG", icc_profile=p3))

    profiles = ImageCms.ImageCmsProfile(io.BytesIO(p3)), ImageCms.createProfile("sRGB")
    meant = ImageCms.profileToProfile(image, *profiles)
    assert meant is not None
    assert near(small, meant.getpixel((0, 0)))  # type: ignore[arg-type]
    assert not near(small, (200, 100, 50))


async def test_all_kinds_of_pixels_become_srgb(client: httpx.AsyncClient) -> None:
    pixels = [
        (Image.new("CMYK", (400, 300), (0, 255, 255, 0)), "JPEG", (254, 0, 0)),
        (Image.new("I;16", (400, 300), 0x8000), "PNG", (128, 128, 128)),
        (Image.new("L", (400, 300), 77), "JPEG", (77, 77, 77)),
        (Image.new("LA", (400, 300), (0, 128)), "PNG", (127, 127, 127)),
        (Image.new("1", (400, 300), 1), "PNG", WHITE),
        (Image.new("P", (400, 300), 0), "GIF", (0, 0, 0)),
    ]
    for image, format, color in pixels:
        small = await thumbnail(client, encoded(image, format))

        assert near(small, color), (image.mode, small.getpixel((80, 60)))


async def test_the_thumbnail_of_an_animation_is_its_first_picture(client: httpx.AsyncClient) -> None:
    frames = [Image.new("RGB", (300, 200), color) for color in (RED, (0, 255, 0))]

    for format in ("GIF", "WebP", "AVIF"):
        image = encoded(frames[0], format, save_all=True, append_images=frames[1:])
        assert near(await thumbnail(client, image), (254, 0, 0))


async def test_the_thumbnail_is_the_first_page_even_if_the_second_is_half_its_size(client: httpx.AsyncClient) -> None:
    """As in a pyramid, of which libvips would take the smaller picture."""
    pages = [Image.new("RGB", (600, 400), RED), Image.new("RGB", (300, 200), (0, 255, 0))]

    small = await thumbnail(client, encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:]))

    assert near(small, (254, 0, 0))


async def test_a_gif_is_shown_on_its_screen(client: httpx.AsyncClient) -> None:
    """The screen has 800 x 600 pixels, the size of an old monitor. The frame covers a quarter of it."""
    image = encoded(Image.new("RGB", (400, 300), RED), "GIF")
    image = image[:6] + struct.pack("<HH", 800, 600) + image[10:]

    small = await thumbnail(client, image)

    assert small.size == (160, 120)
    assert near(small, (254, 0, 0), (0.25, 0.25))
    assert not near(small, (254, 0, 0), (0.75, 0.75))


# The requests


ACCEPTS = [
    ("", "image/webp"),
    ("*/*", "image/webp"),
    ("image/*", "image/webp"),
    ("image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", "image/avif"),
    ("image/png,image/*;q=0.8,*/*;q=0.5", "image/webp"),
    ("image/jpeg", "image/jpeg"),
    ("IMAGE/JPEG; q=0.5", "image/jpeg"),
    ("image/webp;q=0.4, image/jpeg;q=0.5", "image/jpeg"),
    ("image/webp;q=0, */*", "image/jpeg"),
    ("image/webp;q=0.1, */*;q=0.5", "image/jpeg"),
    ("*/*;q=0.1, image/*;q=0, image/jpeg;q=0.05", "image/jpeg"),
    ("image/avif;q=0.9, image/webp", "image/webp"),
    ("image/webp;q=high, image/jpeg;q=0.001", "image/jpeg"),
    (",, ;q=1, image/jpeg", "image/jpeg"),
    ("application/problem+json", "image/webp"),
    ("application/problem+json, image/jpeg;q=0.1", "image/jpeg"),
]


@pytest.mark.parametrize(("accept", "format"), ACCEPTS)
def test_the_format_is_the_one_that_accept_prefers(accept: str, format: str) -> None:
    assert accepted(accept) == format


PROBLEMS_NOT = "application/problem+json;q=0"


async def test_a_thumbnail_is_not_acceptable_if_accept_has_none_of_its_formats(client: httpx.AsyncClient) -> None:
    url = f"/v1/images/{(await upload(client))['id']}/thumbnail"

    for accept in (
        "text/html",
        "image/png",
        "image/webp;q=0,image/jpeg;q=0.000",
        "*/*;q=0",
        "é",
        "image/webp;q=2",
        PROBLEMS_NOT,
    ):
        response = await client.get(url, headers=[(b"Accept", accept.encode())])
        assert "image/webp" in problem(response, 406)["detail"]


async def test_sizes_are_those_of_the_list(client: httpx.AsyncClient) -> None:
    url = f"/v1/images/{(await upload(client))['id']}/thumbnail"

    for size in ("161", "0", "-160", "1e2", "x", "", "9" * 5000):
        assert faults(await client.get(url, params={"size": size})) == ["size"]
    assert "160, 320, 640, 1280, 2560" in (await client.get(f"{url}?size=161")).text
    assert faults(await client.get(f"{url}?width=160")) == ["width"]
    assert faults(await client.get(f"{url}?size=160&size=320")) == ["size"]


async def test_a_thumbnail_is_cached(client: httpx.AsyncClient) -> None:
    image = await upload(client, picture(size=(900, 600)))
    url = f"/v1/images/{image['id']}/thumbnail"

    response = await client.get(url, headers={"X-Request-ID": "same"})

    assert response.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert response.headers["vary"] == "Accept"
    assert response.headers["x-content-type-options"] == "nosniff"
    etags = {response.headers["etag"]}
    for query, accept in (("?size=160", "*/*"), ("", "image/jpeg"), ("", "image/avif")):
        etags.add((await client.get(url + query, headers={"Accept": accept})).headers["etag"])
    assert len(etags) == 4
    unchanged = await client.get(url, headers={"If-None-Match": response.headers["etag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert unchanged.headers["vary"] == "Accept"
    head = await client.head(url, headers={"X-Request-ID": "same"})
    assert (head.status_code, head.content, head.headers) == (200, b"", response.headers)


async def test_a_missing_image_has_no_thumbnail(client: httpx.AsyncClient) -> None:
    problem(await client.get(f"/v1/images/{FIRST_ID}/thumbnail"), 404)
    problem(await client.get("/v1/images/x/thumbnail"), 404)


# How it is made


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """The thumbnails that the decoder has made."""
    calls: list[tuple[object, ...]] = []
    make = Codec.thumbnail

    def counted(*arguments: Any) -> bytes:
        calls.append(arguments[1:])
        return make(*arguments)

    monkeypatch.setattr(Codec, "thumbnail", counted)
    return calls


async def test_a_hundred_requests_at_once_share_one_thumbnail(client: httpx.AsyncClient, made: list[object]) -> None:
    url = f"/v1/images/{(await upload(client, picture(size=(900, 600))))['id']}/thumbnail"

    responses = await asyncio.gather(*(client.get(url) for _ in range(100)))

    assert {(response.status_code, response.content) for response in responses} == {(200, responses[0].content)}
    assert len(made) == 1


@pytest.mark.routes("direct", "pgbouncer")
async def test_each_worker_makes_a_thumbnail_once(  # no lock is held while it is made
    client: httpx.AsyncClient, settings: Settings, made: list[object]
) -> None:
    url = f"/v1/images/{(await upload(client, picture(size=(900, 600))))['id']}/thumbnail"

    async with client_of(settings) as second, client_of(settings) as third:
        responses = await asyncio.gather(*(worker.get(url) for worker in (client, second, third) for _ in range(30)))
        again = await client.get(url)

    assert {(answer.status_code, answer.content) for answer in (*responses, again)} == {(200, again.content)}
    assert len(made) <= 3


async def test_a_thumbnail_is_kept_in_the_store(
    client: httpx.AsyncClient, settings: Settings, made: list[object]
) -> None:
    image = await upload(client)
    url = f"/v1/images/{image['id']}/thumbnail"
    first = await client.get(url)
    (key,) = (key for key in objects(settings) if key.startswith("thumbnails/"))
    assert image["sha256"] in key
    assert place(settings, key).read_bytes() == first.content

    assert (await client.get(url)).content == first.content
    assert len(made) == 1
    remove(settings, key)
    assert (await client.get(url)).content == first.content
    assert len(made) == 2


async def test_a_client_that_goes_away_does_not_end_the_work_for_others(
    client: httpx.AsyncClient, made: list[object]
) -> None:
    url = f"/v1/images/{(await upload(client, picture('PNG', size=(900, 900))))['id']}/thumbnail"
    first, second = (asyncio.create_task(client.get(url)) for _ in range(2))
    while not made:  # noqa: ASYNC110
        await asyncio.sleep(0.001)

    first.cancel()

    assert (await second).status_code == 200
    assert first.cancelled()
    assert len(made) == 1


async def test_the_thumbnails_of_a_deleted_image_are_deleted(client: httpx.AsyncClient, settings: Settings) -> None:
    kept = (await upload(client, picture(seed=1)))["id"]
    url = f"/v1/images/{(await upload(client))['id']}"
    await client.get(f"/v1/images/{kept}/thumbnail")
    before = objects(settings)
    for size in (160, 320, 640, 1280, 2560):
        for accept in FORMATS:
            await client.get(f"{url}/thumbnail?size={size}", headers={"Accept": accept})
    assert len(objects(settings)) == len(before) + 15

    await client.delete(url)

    assert len(objects(settings)) == len(before) - 1
    problem(await client.get(f"{url}/thumbnail"), 404)


@pytest.mark.parametrize("accept", FORMATS)
async def test_a_damaged_thumbnail_is_made_again(accept: str, client: httpx.AsyncClient, settings: Settings) -> None:
    """A power cut or a full disk leaves files that are empty or too short."""
    image = await upload(client)
    url, before = f"/v1/images/{image['id']}/thumbnail?size=160", objects(settings)
    made = (await client.get(url, headers={"Accept": accept})).content
    (key,) = set(objects(settings)) - set(before)
    for damaged in (b"", made[:3], made[:20], made[:-1], b"<html><script>"):
        put(settings, key, damaged)

        assert (await client.get(url, headers={"Accept": accept})).content == made
    assert place(settings, key).read_bytes() == made


async def test_a_store_that_is_full_still_shows_thumbnails(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"/v1/images/{(await upload(client))['id']}/thumbnail"

    async def full(*arguments: object) -> None:
        raise OSError(ENOSPC, "No space left on device")

    monkeypatch.setattr(store, "put", full)

    assert (await client.get(url)).status_code == 200


async def test_uploads_go_on_while_thumbnails_are_made(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = asyncio.Event()
    loop = asyncio.get_running_loop()
    making: list[object] = []

    def slow(*arguments: object) -> bytes:
        making.append(arguments)
        asyncio.run_coroutine_threadsafe(made.wait(), loop).result()
        return b"made"

    monkeypatch.setattr(Codec, "thumbnail", slow)
    ids = [(await upload(client, picture(seed=seed)))["id"] for seed in range(5)]
    waiting = [asyncio.create_task(client.get(f"/v1/images/{id}/thumbnail")) for id in ids]
    while len(making) < THUMBNAILS:  # noqa: ASYNC110
        await asyncio.sleep(0.001)

    try:
        async with asyncio.timeout(10):
            await upload(client, picture(seed=9))
    finally:
        made.set()
    assert [(await response).content for response in waiting] == [b"made"] * 5


@pytest.mark.routes("direct", "pgbouncer")
async def test_a_thumbnail_that_is_made_while_its_image_is_deleted_does_not_stay(
    client: httpx.AsyncClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    making, go_on = threading.Event(), threading.Event()

    def slow(*arguments: object) -> bytes:
        making.set()
        assert go_on.wait(20)
        return b"made"

    monkeypatch.setattr(Codec, "thumbnail", slow)
    url = f"/v1/images/{(await upload(client))['id']}"
    asked = asyncio.create_task(client.get(f"{url}/thumbnail"))
    assert await asyncio.to_thread(making.wait, 20)
    deleted = asyncio.create_task(client.delete(url))
    while (await client.get(url)).status_code != 404:
        pass
    go_on.set()

    assert ((await asked).status_code, (await deleted).status_code) == (404, 204)
    assert objects(settings) == []


async def test_a_thumbnail_of_an_image_deleted_a_moment_ago_is_not_found(
    client: httpx.AsyncClient,
    connection: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    url = f"/v1/images/{(await upload(client))['id']}"
    size = store.size

    async def late(objects: Any, key: str) -> int | None:
        connection.execute("DELETE FROM images")
        await store.delete(objects, [key])
        return await size(objects, key)

    monkeypatch.setattr(store, "size", late)

    assert (await client.head(f"{url}/content")).status_code == 404
    assert caplog.records == []


# Rows of the former service


BROKEN = [
    b"",
    b"text",
    b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>",
    picture(size=(300, 200))[:700],
    picture("PNG", size=(300, 200))[:200],
    picture("PNG", size=(1001, 1000)),
]


async def test_broken_bytes_have_no_thumbnail(
    client: httpx.AsyncClient, connection: psycopg.Connection, settings: Settings
) -> None:
    for number, old in enumerate(BROKEN):
        put(settings, f"old/{number}", old)
        id = insert(connection, storage_key=f"old/{number}")

        for _ in range(2):
            assert problem(await client.get(f"/v1/images/{id}/thumbnail"), 404, "no-thumbnail")["detail"]


async def test_changed_bytes_of_the_same_size_are_told_from_those_without_a_thumbnail(
    client: httpx.AsyncClient, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    image = await upload(client, content := picture("PNG"))
    key = storage_key(image["sha256"])
    put(settings, key, bytes(len(content)))

    problem(await client.get(f"/v1/images/{image['id']}/thumbnail"), 404, "content-missing")

    assert f"the object store has other bytes under '{key}'" in caplog.text


@pytest.mark.parametrize("key", ["../secret", "a//b", "none"])
async def test_missing_bytes_have_no_thumbnail(
    client: httpx.AsyncClient, connection: psycopg.Connection, key: str
) -> None:
    id = insert(connection, storage_key=key)

    problem(await client.get(f"/v1/images/{id}/thumbnail"), 404, "content-missing")


@pytest.mark.parametrize("sha256", ["", "..", "a/../b", "тест \r\n", "A" * 64])
async def test_an_adopted_row_may_have_any_text_as_its_sha256(
    client: httpx.AsyncClient, connection: psycopg.Connection, settings: Settings, sha256: str
) -> None:
    put(settings, "old", turned(6))
    id = insert(connection, storage_key="old", sha256=sha256)

    response = await client.get(f"/v1/images/{id}/thumbnail")

    assert response.status_code == 200
    assert len(objects(settings)) == 2
    assert (await client.delete(f"/v1/images/{id}")).status_code == 204
    assert objects(settings) == []


# The first paint


@pytest.mark.parametrize("accept", FORMATS)
async def test_the_first_thumbnail_of_a_jpeg_gives_it_its_first_paint(client: httpx.AsyncClient, accept: str) -> None:
    picture = Image.new("RGB", (600, 300), (200, 30, 30))
    picture.paste((30, 30, 200), (400, 0, 600, 300))
    image = await upload(client, encoded(picture, "JPEG"))
    assert (image["color"], image["thumbhash"]) == (None, None)
    etag = (await client.get(f"/v1/images/{image['id']}")).headers["etag"]

    await client.get(f"/v1/images/{image['id']}/thumbnail", headers={"Accept": accept})

    response = await client.get(f"/v1/images/{image['id']}")
    painted = response.json()
    whole = await upload(client, encoded(picture, "PNG"))
    assert near(Image.new("RGB", (1, 1), painted["color"]), (200, 30, 30))
    found, expected = b64decode(painted["thumbhash"]), b64decode(whole["thumbhash"])
    assert len(found) == len(expected)
    assert abs((found[0] & 63) - (expected[0] & 63)) <= 2  # the mean lightness
    assert painted == image | {"color": painted["color"], "thumbhash": painted["thumbhash"]}
    assert response.headers["etag"] == etag  # a client that has read the image before can change it
    again = await client.get(f"/v1/images/{image['id']}/thumbnail?size=160", headers={"Accept": accept})
    assert again.status_code == 200
    assert (await client.get(f"/v1/images/{image['id']}")).json() == painted
