"""Capture metadata, positions and the first paint of an image, on each way out of the service."""

import json
from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any

import httpx
import psycopg
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from app.settings import Settings
from tests.conftest import client_of
from tests.support.api import faults, upload
from tests.support.pictures import photo, picture
from tests.web.test_tokens import bearer, made

NDJSON = {"Content-Type": "application/x-ndjson"}
POSITION = {"latitude": 48.2083333, "longitude": -11.57, "altitude_m": -12.5}
# Texts in front of the position that look like its beginning and its end.
TRAPS = {"title": ',"location":{"latitude":1},"attributes":', "tags": [",", '"location":{', '},"attributes":']}


async def test_an_upload_returns_what_its_bytes_tell(client: httpx.AsyncClient) -> None:
    image = await upload(client, photo())

    assert image["capture"]["captured_at"] == "2026-07-14T18:30:05.250000+02:00"
    assert image["capture"]["model"] == "Canon EOS R5"
    assert image["location"] == POSITION
    assert (image["color"], image["thumbhash"]) == (None, None)  # a JPEG without a thumbnail in it
    png = await upload(client, photo("PNG"))
    assert png["color"] == "#00005a"
    assert png["thumbhash"]
    assert (image["title"], image["description"], image["tags"]) == (None, None, [])


async def test_an_image_whose_bytes_say_nothing_has_an_empty_object(client: httpx.AsyncClient) -> None:
    image = await upload(client, picture())

    assert (image["capture"], image["location"]) == ({}, None)


async def test_an_export_is_imported_as_it_was(client: httpx.AsyncClient, connection: psycopg.Connection) -> None:
    image = await upload(client, photo())
    line = (await client.get("/v1/images/export")).text
    connection.execute("CREATE TABLE kept AS SELECT * FROM images; DELETE FROM images")

    response = await client.post("/v1/images/import", content=line, headers=NDJSON)

    assert response.json() == {"new": 1, "known": 0}
    assert (await client.get(f"/v1/images/{image['id']}")).json() == image
    assert connection.execute("SELECT captured_at FROM kept EXCEPT SELECT captured_at FROM images").fetchall() == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"thumbhash": "!"},
        {"thumbhash": "AAAA" * 9},
        {"color": "red"},
        {"capture": {"caption": "\0"}},
        {"capture": {"captured_at": "0001-01-01T00:00:00Z"}},
        {"capture": {"iso": 0}},
        {"capture": {"other": 1}},
        {"location": {"latitude": 91, "longitude": 0}},
        {"location": {"latitude": 1}},
    ],
)
async def test_an_import_of_what_cannot_be_is_rejected(client: httpx.AsyncClient, wrong: dict[str, Any]) -> None:
    image = await upload(client, photo())

    response = await client.post("/v1/images/import", content=json.dumps(image | wrong), headers=NDJSON)

    assert response.status_code == 422


# LOCATION


@pytest.fixture
async def admins_only(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(settings.model_copy(update={"auth": "token"})) as client:
        yield client


async def seen(client: httpx.AsyncClient, image: dict[str, Any], headers: dict[str, str]) -> list[object]:
    """The positions that a token sees, on each way out that needs only the scope read."""
    path = f"/v1/images/{image['id']}"
    pages = [
        (await client.get(f"/v1/images?{query}", headers=headers)).json()["images"][0]
        for query in ("", "sort=oldest", "sort=largest", "sort=name", "tag=,", "q=location", "sort=name&tag=,")
    ]
    exports = [
        json.loads((await client.get(f"/v1/images/export?{query}", headers=headers)).text) for query in ("", "tag=,")
    ]
    found = [(await client.get(path, headers=headers)).json(), *pages, *exports]
    assert [each | {"location": None} for each in found] == [image | {"location": None}] * len(found)
    return [each["location"] for each in found]


async def test_by_default_only_admins_see_positions(admins_only: httpx.AsyncClient, settings: Settings) -> None:
    tokens = {scope: bearer(await made(settings, scope, scope)) for scope in ("read", "write", "admin")}
    response = await admins_only.post(
        "/v1/images", files={"file": ("a.jpg", photo())}, data=TRAPS | {"attributes": "{}"}, headers=tokens["write"]
    )
    image = response.json()

    assert image["location"] is None
    assert set(map(str, await seen(admins_only, image, tokens["read"]))) == {"None"}
    assert all(each == POSITION for each in await seen(admins_only, image, tokens["admin"]))

    path = f"/v1/images/{image['id']}"
    known = await admins_only.post("/v1/images", files={"file": ("a.jpg", photo())}, headers=tokens["write"])
    patched = await admins_only.patch(path, json={"title": "A"}, headers=tokens["write"])
    assert [each.json()["location"] for each in (known, patched)] == [None, None]
    # An entity tag does not tell whether there is a position, and a cache keeps the answers of tokens apart.
    both = [await admins_only.get(path, headers=tokens[scope]) for scope in ("read", "admin")]
    assert len({each.headers["etag"] for each in both}) == 1
    assert all("Authorization" in each.headers["vary"] for each in both)


async def test_with_keep_each_client_sees_positions(settings: Settings) -> None:
    async with client_of(settings.model_copy(update={"auth": "token", "location": "keep"})) as client:
        writer = bearer(await made(settings, "write"))
        response = await client.post("/v1/images", files={"file": ("a.jpg", photo())}, data=TRAPS, headers=writer)

        assert all(each == POSITION for each in await seen(client, response.json(), writer))


async def test_with_strip_no_position_is_stored_or_shown(settings: Settings, connection: psycopg.Connection) -> None:
    async with client_of(settings.model_copy(update={"location": "strip"})) as client:
        image = await upload(client, photo(), **TRAPS)
        line = json.dumps(image | {"id": None, "sha256": "ab" * 32, "location": POSITION})
        await client.post("/v1/images/import", content=line, headers=NDJSON)

        assert connection.execute("SELECT count(*), count(location) FROM images").fetchone() == (2, 0)
        assert image["capture"]["model"] == "Canon EOS R5"
        connection.execute("UPDATE images SET location = %s", [json.dumps(POSITION)])  # as before the setting changed
        connection.execute("DELETE FROM images WHERE id <> %s", [image["id"]])
        assert set(map(str, await seen(client, image, {}))) == {"None"}


# use=keywords,caption


async def test_keywords_and_caption_are_used_only_if_the_upload_asks(client: httpx.AsyncClient) -> None:
    asked = {
        "": ([], None),
        "use=": ([], None),
        "use=keywords": (["Boat", "Café"], None),
        "use=caption": ([], "The harbour\nin July"),
        "use=caption,keywords": (["Boat", "Café"], "The harbour\nin July"),
        "use=keywords,caption&tag=mine&description=Mine": (["mine"], "Mine"),
        "use=keywords,caption&description=": (["Boat", "Café"], ""),
    }

    for number, (query, expected) in enumerate(asked.items()):
        content = described(f"{number}")
        raw = await client.post(f"/v1/images?{query}", content=content, headers={"Content-Type": "image/png"})
        assert raw.status_code == 201, raw.text
        assert (raw.json()["tags"], raw.json()["description"]) == expected, query

    form = await upload(client, described("form"), use="keywords,caption", tags=["mine"])
    assert (form["tags"], form["description"]) == (["mine"], "The harbour\nin July")
    again = await upload(client, described("0"), use="keywords,caption")
    assert (again["tags"], again["description"]) == ([], None)


async def test_keywords_that_are_too_long_or_too_many_are_left_out(settings: Settings) -> None:
    small = settings.model_copy(update={"max_tags": 1, "max_tag_length": 4, "max_description_length": 5})

    async with client_of(small) as client:
        image = await upload(client, described("limits"), use="keywords,caption")

    assert (image["tags"], image["description"]) == (["Boat"], "The h")


@pytest.mark.parametrize("use", ["tags", "keywords,", "keywords caption", "KEYWORDS", "keywords,caption,title"])
async def test_what_an_upload_cannot_use_is_wrong(client: httpx.AsyncClient, use: str) -> None:
    response = await client.post(
        "/v1/images", params={"use": use}, content=picture(), headers={"Content-Type": "image/png"}
    )

    assert faults(response) == ["use"]
    form = await client.post("/v1/images", files={"file": ("a.jpg", picture())}, data={"use": use})
    assert faults(form) == ["/use"]


def described(title: str) -> bytes:
    """Return a PNG with a caption of two lines, and three keywords of which two are equal."""
    packet = f"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
        <rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
            xmp:CreatorTool="{title}"><dc:subject><rdf:Bag><rdf:li>Boat</rdf:li><rdf:li>boat</rdf:li>
            <rdf:li>Cafe\u0301</rdf:li></rdf:Bag></dc:subject><dc:description><rdf:Alt>
            <rdf:li xml:lang="x-default">The harbour\nin July</rdf:li></rdf:Alt></dc:description>
        </rdf:Description></rdf:RDF></x:xmpmeta>"""
    text = PngInfo()
    text.add_itxt("XML:com.adobe.xmp", packet)
    stream = BytesIO()
    Image.new("RGB", (4, 4)).save(stream, "PNG", pnginfo=text)
    return stream.getvalue()
