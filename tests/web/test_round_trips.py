"""Round trips: an imported image is in each list and in the export, and can be imported again."""

import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest

from app.catalogue import tag_keys
from tests.support.api import insert, problem
from tests.support.properties import for_each, st
from tests.web.test_imports import lines, record, send

SORTS = ("newest", "oldest", "largest", "name")
UUIDS = st.one_of(st.uuids(), st.sampled_from([UUID(int=0), UUID(int=2**128 - 1), UUID(int=1)])).map(str)
ZONES = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))
FIRST, LAST = datetime(1000, 1, 1, tzinfo=UTC), datetime(9998, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
MOMENTS = st.one_of(
    st.sampled_from([FIRST, LAST, FIRST + timedelta(microseconds=1), datetime(1970, 1, 1, tzinfo=UTC)]),
    st.datetimes(FIRST.replace(year=1001, tzinfo=None), LAST.replace(year=9997, tzinfo=None), timezones=ZONES),
).map(datetime.isoformat)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
NAMES = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\"), min_size=1, max_size=20
).filter(lambda name: name not in {".", ".."})
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(-1e9, 1e9) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
RECORDS = st.lists(
    st.fixed_dictionaries(
        {
            "id": UUIDS,
            "filename": NAMES,
            "content_type": st.sampled_from(["image/png", "image/jpeg"]),
            "byte_size": st.one_of(st.integers(0, 3), st.just(2**53 - 1)),
            "width": st.sampled_from([1, 2**31 - 1]),
            "height": st.just(1),
            "sha256": st.binary(min_size=32, max_size=32).map(bytes.hex),
            "title": st.none() | TEXTS,
            "description": st.none() | TEXTS,
            "tags": st.lists(TEXTS.filter(tag_keys.key).map(tag_keys.clean), max_size=3, unique_by=tag_keys.key),
            "created_at": MOMENTS,
            "updated_at": MOMENTS,
            "attributes": st.dictionaries(TEXTS, VALUES, max_size=3),
            "color": st.sampled_from([None, "#00ff7f"]),
            "thumbhash": st.none() | st.binary(min_size=5, max_size=25).map(lambda value: b64encode(value).decode()),
            "capture": st.sampled_from([None, {}, {"iso": 100, "aperture": 2.8, "caption": '\u2028"}', "rating": -1}]),
            "location": st.sampled_from([None, {"latitude": -90.0, "longitude": 0.5, "altitude_m": 1e-7}]),
        }
    ),
    min_size=1,
    max_size=5,
    unique_by=(lambda record: record["id"], lambda record: record["sha256"]),
)


def parsed(images: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the images by ID, with their times as numbers of the same zone."""
    times = ("created_at", "updated_at")
    return {image["id"]: image | {name: datetime.fromisoformat(image[name]) for name in times} for image in images}


async def listed(client: httpx.AsyncClient, **parameters: str) -> list[dict[str, Any]]:
    """Return the images of all pages."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        response = await client.get("/v1/images", params={"limit": "2", **parameters, **cursor})
        assert response.status_code == 200, response.text
        found += response.json()["images"]
        assert len(found) <= 20, "the pages have no end"
        if response.json()["next"] is None:
            return found
        cursor = {"cursor": response.json()["next"]}


async def exported(client: httpx.AsyncClient, **parameters: str) -> list[dict[str, Any]]:
    response = await client.get("/v1/images/export", params=parameters)
    assert response.status_code == 200, response.text
    return [json.loads(line) for line in response.content.decode().split("\n")[:-1]]


async def test_an_imported_image_is_in_each_list_and_in_the_export_and_imported_again(
    client: httpx.AsyncClient, connection: psycopg.Connection
) -> None:
    keys: dict[str, Any] = {
        "newest": lambda image: (image["created_at"], UUID(image["id"])),
        "largest": lambda image: (image["byte_size"], UUID(image["id"])),
        "name": lambda image: (image["filename"].encode(), UUID(image["id"])),
    }
    keys["oldest"] = keys["newest"]

    async def check(records: list[dict[str, Any]]) -> None:
        expected = parsed(records)
        connection.execute("TRUNCATE images")
        answer = await send(client, lines(*records))
        assert (answer.status_code, answer.json()) == (200, {"new": len(records), "known": 0})

        for sort in SORTS:
            found = await listed(client, sort=sort)
            assert parsed(found) == expected
            ids = [image["id"] for image in found]
            assert ids == sorted(ids, key=lambda id: keys[sort](expected[id]), reverse=sort in {"newest", "largest"})
        moment = expected[records[0]["id"]]["created_at"]
        for name, others in (
            ("created_after", {id for id, image in expected.items() if image["created_at"] > moment}),
            ("created_before", {id for id, image in expected.items() if image["created_at"] < moment}),
        ):
            for sort in SORTS:
                assert {
                    image["id"] for image in await listed(client, sort=sort, **{name: moment.isoformat()})
                } == others
            assert {image["id"] for image in await exported(client, **{name: moment.isoformat()})} == others

        export = await client.get("/v1/images/export")
        assert parsed([json.loads(line) for line in export.content.decode().split("\n")[:-1]]) == expected
        connection.execute("TRUNCATE images")
        assert (await send(client, export.content)).json() == {"new": len(records), "known": 0}
        assert (await client.get("/v1/images/export")).content == export.content

    await for_each(RECORDS, check, examples=30)


@pytest.mark.parametrize("field", ["created_at", "updated_at"])
@pytest.mark.parametrize(
    "moment",
    [
        "0001-01-01T00:00:00Z",  # Go's zero time
        "0999-12-31T23:59:59.999999Z",
        "1000-01-01T00:00:00+00:01",
        "9998-12-31T23:59:59-00:01",
        "9999-12-31T23:59:59.999999Z",  # Python's last time
        "0001-01-01T00:00:00+01:00",
    ],
)
async def test_a_time_that_not_every_client_can_read_is_rejected(
    client: httpx.AsyncClient, field: str, moment: str
) -> None:
    fault = problem(await send(client, lines(record(1), record(2, **{field: moment}))), 422, "invalid-request")

    [error] = fault["errors"]
    assert (error["line"], error["pointer"]) == (2, f"/{field}")
    assert error["detail"].startswith("must be in the years 1")
    assert await listed(client) == []


@pytest.mark.parametrize("parameter", [{}, {"tag": "old"}, {"q": "old"}, {"tag": "old", "q": "old"}])
async def test_adopted_images_without_an_end_in_time_are_listed(
    client: httpx.AsyncClient, connection: psycopg.Connection, parameter: dict[str, str]
) -> None:
    times = ["-infinity", "-infinity", "0001-01-01T00:00:00.000001Z", "2020-01-01Z", "infinity", "infinity"]
    ids = [insert(connection, created_at=time, updated_at=time, tags=["old"]) for time in times]

    for sort in SORTS:
        assert sorted(image["id"] for image in await listed(client, sort=sort, **parameter)) == sorted(ids), sort
    assert {image["id"] for image in await exported(client, **parameter)} == {*ids}
    assert [image["created_at"] for image in await exported(client, **parameter)][-2:] == ["-infinity"] * 2
    ends = {"created_after": "0001-01-01T00:00:00Z", "created_before": "9999-12-31T23:59:59.999999Z"}
    for sort in SORTS:
        found = await listed(client, sort=sort, **ends, **parameter)
        assert {image["id"] for image in found} == {ids[2], ids[3]}, sort
    assert {image["id"] for image in await exported(client, **ends, **parameter)} == {ids[2], ids[3]}
    for id in ids:
        assert (await client.get(f"/v1/images/{id}")).status_code == 200
        assert (await client.patch(f"/v1/images/{id}", json={"title": "x"})).status_code == 200
    assert (await client.get("/v1/stats")).json()["images"] == 6
