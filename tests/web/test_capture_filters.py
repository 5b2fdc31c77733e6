"""Lists by time of capture, their filters and pages, and the timeline."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest

from app.database import queries
from app.settings import Settings
from tests.conftest import client_of
from tests.support.api import insert, problem
from tests.web.test_tokens import bearer, made

PATH = "/v1/images"
START = datetime(2026, 7, 1, tzinfo=UTC)


def taken(connection: psycopg.Connection, n: int, day: int | None, **columns: Any) -> str:
    """Insert an image that was stored in hour n, and taken on a day. Return its title."""
    moment = None if day is None else START + timedelta(days=day)
    model, place = columns.pop("model", None), columns.pop("place", None)
    known = {"model": model} if model else {}
    location = None if place is None else {"longitude": place[0], "latitude": place[1]}
    id = insert(connection, title=f"{n}", tags=columns.pop("tags", []), **columns)
    connection.execute(
        "UPDATE images SET created_at = %s, captured_at = %s, capture = %s, location = %s WHERE id = %s",
        [START + timedelta(hours=n), moment, json.dumps(known), location and json.dumps(location), id],
    )
    return f"{n}"


async def found(client: httpx.AsyncClient, **query: Any) -> list[str]:
    """The titles on all pages, each of which has two images at most."""
    titles, url = [], httpx.URL(PATH, params={"limit": 2} | query)
    while True:
        response = await client.get(url)
        assert response.status_code == 200, response.text
        titles += [image["title"] for image in response.json()["images"]]
        if response.json()["next"] is None:
            return titles
        url = httpx.URL(response.links["next"]["url"])


@pytest.fixture
def trip(connection: psycopg.Connection) -> None:
    """Stored in the order 0 to 6. The days of capture are in another order, and two images have none."""
    taken(connection, 0, 3, model="Canon EOS R5", place=(11.5, 48.2), tags=["sea"])
    taken(connection, 1, None, tags=["sea"])
    taken(connection, 2, 40, model="canon eos r5", place=(179.5, -17.0))
    taken(connection, 3, 3, model="iPhone 17", place=(-179.5, -17.0))
    taken(connection, 4, None)
    taken(connection, 5, -400, place=(11.6, 48.3), tags=["sea"])
    taken(connection, 6, 5, model="Canon EOS R5 II")


@pytest.mark.usefixtures("trip")
async def test_the_last_taken_come_first_and_those_without_a_time_last(client: httpx.AsyncClient) -> None:
    assert await found(client, sort="captured") == ["2", "6", "3", "0", "5", "4", "1"]
    assert await found(client) == ["6", "5", "4", "3", "2", "1", "0"]


# Filters, and the titles that they leave, in order.
FILTERED: list[tuple[dict[str, Any], str]] = [
    ({"captured_after": "2026-07-04T00:00:00Z"}, "26"),
    ({"captured_before": "2026-07-04T00:00:00Z"}, "5"),
    ({"captured_after": "2026-07-03T23:59:59.999999Z", "captured_before": "2026-07-06T00:00:00.000001Z"}, "630"),
    ({"camera": "CANON EOS R5"}, "20"),
    ({"camera": "Canon"}, ""),
    ({"bbox": "11,48,12,49"}, "05"),
    ({"bbox": "11.5,48.2,11.5,48.2"}, "0"),
    ({"bbox": "179,-20,-179,-10"}, "23"),
    ({"bbox": "-179,-20,179,-10"}, ""),
    ({"bbox": "-180,-90,180,90"}, "2305"),
    ({"bbox": "-180,-90,180,90", "camera": "Canon EOS R5"}, "20"),
    ({"bbox": "11,48,12,49", "captured_after": "2026-01-01T00:00:00Z"}, "0"),
    ({"sort": "captured", "tag": "sea"}, "051"),
    ({"sort": "captured", "tag": ["sea", "none"]}, ""),
    ({"sort": "captured", "q": "5 or 1"}, "51"),
    ({"sort": "captured", "q": "5", "tag": "sea"}, "5"),
    ({"sort": "captured", "created_after": "2026-07-01T03:00:00Z"}, "654"),
    ({"sort": "captured", "created_before": "2026-07-01T03:00:00Z"}, "201"),
    ({"camera": "canon eos r5", "created_before": "2026-07-01T02:00:00Z", "tag": "sea"}, "0"),
]


@pytest.mark.usefixtures("trip")
@pytest.mark.parametrize("walk", [1, 3, 10_000])
async def test_each_filter_filters_on_all_pages(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, walk: int
) -> None:
    monkeypatch.setattr(queries, "MAX_CAPTURED_WALK", walk)

    for query, expected in FILTERED:
        assert "".join(await found(client, **query)) == expected, query


@pytest.mark.usefixtures("trip")
async def test_an_export_has_the_same_filters(client: httpx.AsyncClient) -> None:
    for query, expected in FILTERED:
        filters = {name: value for name, value in query.items() if name != "sort"}
        response = await client.get(f"{PATH}/export", params=filters)
        titles = [json.loads(line)["title"] for line in response.text.splitlines()]
        assert titles == sorted(expected, reverse=True), query  # the newest first


async def test_a_camera_may_be_called_by_its_maker_and_model(
    client: httpx.AsyncClient, connection: psycopg.Connection
) -> None:
    taken(connection, 0, 1, model="Pixel 8")
    taken(connection, 1, 2, model="Pixel 8 Pro")
    connection.execute('UPDATE images SET capture = capture || \'{"make": "Google"}\'')

    for name in ("Pixel 8", " pixel 8 ", "Google Pixel 8", "GOOGLE  pixel 8"):
        assert await found(client, camera=name) == ["0"], name
        exported = await client.get(f"{PATH}/export", params={"camera": name})
        assert [json.loads(line)["title"] for line in exported.text.splitlines()] == ["0"], name
    for name in ("Google", "Apple Pixel 8", "Pixel", "Google Pixel", "8", " "):
        assert await found(client, camera=name) == [], name


async def test_a_common_area_is_walked(client: httpx.AsyncClient, connection: psycopg.Connection) -> None:
    connection.execute(
        """
        INSERT INTO images (filename, content_type, byte_size, width, height, content_sha256, title, capture,
            captured_at, location)
        SELECT 'a.jpg', 'image/jpeg', 1, 1, 1, sha256(n::text::bytea), n::text, '{"model": "A"}',
            timestamptz '2026-01-01 00:00Z' + n * interval '1 minute',
            jsonb_build_object('longitude', mod(n, 2), 'latitude', 0)
        FROM generate_series(1, 5000) AS n
        """
    )

    for query in ({"bbox": "1,-1,2,1"}, {"bbox": "1,-1,2,1", "camera": "a"}):
        first = await client.get(PATH, params=query | {"limit": "3"})
        second = await client.get(first.links["next"]["url"])
        titles = [image["title"] for page in (first, second) for image in page.json()["images"]]
        assert titles == ["4999", "4997", "4995", "4993", "4991", "4989"]


async def test_a_wrong_area_is_rejected(client: httpx.AsyncClient) -> None:
    for bbox in ("", "1,2,3", "1,2,3,4,5", "a,b,c,d", "0,10,0,9", "181,0,0,0", "0,0,0,91", "nan,0,0,0", "1e1,0,11,1"):
        response = await client.get(PATH, params={"bbox": bbox})

        assert problem(response, 422, "invalid-request")["errors"][0]["parameter"] == "bbox", bbox


async def test_filters_of_capture_need_their_sort(client: httpx.AsyncClient) -> None:
    response = await client.get(PATH, params={"camera": "a", "sort": "newest"})

    assert problem(response, 422, "invalid-request")["errors"][0] == {
        "parameter": "sort",
        "detail": "must be captured with camera",
    }


@pytest.mark.usefixtures("trip")
async def test_a_cursor_belongs_to_its_sort(client: httpx.AsyncClient) -> None:
    cursor = (await client.get(PATH, params={"sort": "captured", "limit": 1})).json()["next"]

    for sort in ("newest", "oldest", "largest", "name"):
        assert (await client.get(PATH, params={"sort": sort, "cursor": cursor})).status_code == 422


async def test_an_area_tells_no_position_to_clients_that_may_see_none(
    settings: Settings, connection: psycopg.Connection
) -> None:
    taken(connection, 0, 3, place=(11.5, 48.2))
    here, away = {"bbox": "11,48,12,49"}, {"bbox": "0,0,1,1"}
    async with client_of(settings.model_copy(update={"auth": "token"})) as client:
        tokens = {scope: bearer(await made(settings, scope, scope)) for scope in ("read", "write", "admin")}
        for scope in ("read", "write"):
            for query in (here, away):
                for path in (PATH, f"{PATH}/export"):
                    problem(await client.get(path, params=query, headers=tokens[scope]), 403, "insufficient-scope")
        pages = [await client.get(PATH, params=query, headers=tokens["admin"]) for query in (here, away)]
        counts = [len(page.json()["images"]) for page in pages]
        assert counts == [1, 0]
    async with client_of(settings.model_copy(update={"location": "strip"})) as client:
        for query in (here, away):
            for path in (PATH, f"{PATH}/export"):
                problem(await client.get(path, params=query), 422, "invalid-request")


@pytest.mark.usefixtures("trip")
async def test_the_cameras_are_listed_once_in_any_case(client: httpx.AsyncClient) -> None:
    whole = (await client.get("/v1/cameras")).json()
    assert (whole["cameras"][0].lower(), whole["cameras"][1:]) == ("canon eos r5", ["Canon EOS R5 II", "iPhone 17"])
    assert whole["next"] is None
    first = (await client.get("/v1/cameras?limit=2")).json()
    assert first == {"cameras": whole["cameras"][:2], "next": "Canon EOS R5 II"}
    rest = (await client.get("/v1/cameras", params={"after": first["next"]})).json()
    assert rest == {"cameras": ["iPhone 17"], "next": None}


@pytest.mark.usefixtures("trip")
async def test_the_timeline_has_the_months_in_which_images_were_taken(
    client: httpx.AsyncClient, connection: psycopg.Connection
) -> None:
    months = [
        {"month": "2026-08", "images": 1, "estimated": False},
        {"month": "2026-07", "images": 3, "estimated": False},
        {"month": "2025-05", "images": 1, "estimated": False},
    ]

    assert (await client.get("/v1/timeline")).json() == {"months": months, "next": None}
    first = (await client.get("/v1/timeline?limit=2")).json()
    assert first == {"months": months[:2], "next": "2026-07"}
    assert (await client.get(f"/v1/timeline?limit=2&before={first['next']}")).json()["months"] == months[2:]
    assert (await client.get("/v1/timeline?before=2026-13")).status_code == 422
    # The images of a month, as the guide asks for them: the moments themselves are excluded.
    month = {"captured_after": "2026-06-30T23:59:59.999999Z", "captured_before": "2026-08-01T00:00:00Z"}
    taken(connection, 7, 0)
    taken(connection, 8, 31)
    assert await found(client, **month) == ["6", "3", "0", "7"]


async def test_a_month_of_many_images_is_estimated(client: httpx.AsyncClient, connection: psycopg.Connection) -> None:
    connection.execute(
        """
        INSERT INTO images (filename, content_type, byte_size, width, height, content_sha256, captured_at)
        SELECT 'a.jpg', 'image/jpeg', 1, 1, 1, sha256(n::text::bytea),
            timestamptz '2026-01-01 00:00Z' + n * interval '1 hour'
        FROM generate_series(0, 3000) AS n
        """
    )
    before = (await client.get("/v1/timeline")).json()["months"]
    connection.execute("ANALYZE images")
    months = (await client.get("/v1/timeline")).json()["months"]

    assert [month["month"] for month in months] == ["2026-05", "2026-04", "2026-03", "2026-02", "2026-01"]
    assert months[0] == before[0] == {"month": "2026-05", "images": 121, "estimated": False}
    for month, hours in zip(months[1:], (720, 744, 672, 744), strict=True):
        assert month["estimated"]
        assert abs(month["images"] - hours) <= hours / 10
    assert all(month["images"] == 201 for month in before[1:])
