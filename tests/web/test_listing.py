"""GET /v1/images?sort=: each order with each filter, page by page."""

import itertools
import json
from base64 import urlsafe_b64encode
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest

from app.catalogue.cursors import FIRST_ID, cursor_of
from app.database import queries
from tests.support.api import faults, insert
from tests.web.test_images import NOON, listed

ORDERS = {
    "newest": "created_at DESC, id DESC",
    "oldest": "created_at, id",
    "largest": "byte_size DESC, id DESC",
    "name": 'filename COLLATE "C", id',
}
# Five images have the same time, and about fifteen the same size and the same name. Each sort gives another order.
# The last eighth is marked.
FILL = r"""
    INSERT INTO images
        (filename, content_type, byte_size, width, height, content_sha256, own_key, title, tags, created_at)
    SELECT
        (ARRAY['a', 'B', '_', 'é', 'ab', '"quoted\"', ',', '日本'])[1 + n % 8] || repeat((n % 40)::text, n % 2),
        CASE WHEN n % 3 = 0 THEN 'image/png' ELSE 'image/jpeg' END,
        n * 7919 % 41,
        1,
        1,
        images_sha256_bytes(n::text),
        n,
        CASE WHEN n % 4 = 0 THEN 'Harbour' END,
        ARRAY[
            'all',
            'of ' || n % 7,
            CASE WHEN n IN (0, 280, 559) THEN 'rare' WHEN n >= 490 THEN 'late' ELSE 'other' END
        ],
        '2026-01-31T12:00Z'::timestamptz + n / 5 * interval '1 minute'
    FROM generate_series(0, 559) AS n
"""
PLAIN = """
    SELECT id::text
    FROM images
    WHERE (%(tag)s::text IS NULL OR %(tag)s = ANY (tags))
        AND (%(content_type)s::text IS NULL OR content_type = %(content_type)s)
        AND (%(q)s::text IS NULL OR COALESCE(title, '') ILIKE %(q)s)
        AND (%(created_after)s::timestamptz IS NULL OR created_at > %(created_after)s)
        AND (%(created_before)s::timestamptz IS NULL OR created_at < %(created_before)s)
    ORDER BY """
SHORT = {"created_after": "2026-01-31T12:10:00Z", "created_before": "2026-01-31T12:20:00Z"}
LONG = {"created_after": "2026-01-31T12:10:00Z", "created_before": "2026-01-31T13:45:00Z"}
FILTERS = [
    {},
    {"tag": "all"},
    {"tag": "of 3"},
    {"tag": "rare"},
    {"tag": "late"},
    {"tag": "nobody's"},
    {"content_type": "image/png"},
    {"q": "harbour"},
    {"q": "nothing"},
    {"q": "harbour", "tag": "late", "content_type": "image/png"},
    {"created_after": "2026-01-31T13:40:00Z"},
    {"created_before": "2026-01-31T12:07:00Z"},
    SHORT,
    LONG,
    {**SHORT, "tag": "of 3"},
    {**LONG, "tag": "of 3"},
    {**LONG, "tag": "rare"},
    {**LONG, "tag": "late", "q": "harbour"},
]


@pytest.fixture
def filled(connection: psycopg.Connection) -> psycopg.Connection:
    connection.execute(FILL.encode())
    return connection


def plain(connection: psycopg.Connection, sort: str, filters: dict[str, str]) -> list[str]:
    names = ("tag", "content_type", "q", "created_after", "created_before")
    query = (PLAIN + ORDERS[sort]).encode()
    return [id for (id,) in connection.execute(query, {name: filters.get(name) for name in names})]


@pytest.mark.parametrize("sort", ORDERS)
async def test_each_order_with_each_filter_has_each_image_once(
    client: httpx.AsyncClient, filled: psycopg.Connection, sort: str
) -> None:
    """With one image on a page, few of the images after it match. Every branch of a statement is used."""
    for filters in FILTERS:
        expected = plain(filled, sort, filters)
        for limit in (1, 3, 200) if len(expected) <= 40 else (17, 200):
            assert await listed(client, sort=sort, limit=limit, **filters) == expected, (filters, limit)


@pytest.mark.parametrize("sort", ORDERS)
async def test_what_was_walked_past_is_not_listed_twice(
    client: httpx.AsyncClient, connection: psycopg.Connection, sort: str
) -> None:
    """One at the beginning, so that the walk is tried, and one so far behind that it is given up."""
    aligned = (
        FILL.replace("(ARRAY[", "lpad(n::text, 3, '0') || (ARRAY[").replace("n * 7919 % 41", "n").replace("280, ", "")
    )
    connection.execute(aligned.encode())

    for limit in (3, 6):
        assert await listed(client, sort=sort, tag="rare", limit=limit) == plain(connection, sort, {"tag": "rare"})


@pytest.mark.parametrize("sort", ["largest", "name"])
async def test_a_walk_that_stops_is_continued_on_the_next_page(
    client: httpx.AsyncClient, filled: psycopg.Connection, sort: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page has fewer images than the limit, or none. All pages from a place on have each image once, in order."""
    monkeypatch.setattr(queries, "MAX_WALK", 1)
    for filters in (LONG, {**LONG, "tag": "late"}):
        expected = plain(filled, sort, filters)
        before = expected[-min(len(expected), 40)]
        key = "byte_size" if sort == "largest" else "filename"
        [(place,)] = filled.execute(f"SELECT {key} FROM images WHERE id = '{before}'".encode())  # noqa: S608
        cursor: str | None = cursor_of(sort, place, UUID(before))
        found: list[str] = []
        sizes = []
        while cursor:
            query: dict[str, str] = {"sort": sort, "limit": "1", "cursor": cursor, **filters}
            page = (await client.get("/v1/images", params=query)).json()
            cursor = page["next"]
            found += [image["id"] for image in page["images"]]
            sizes.append(len(page["images"]))

        assert found == expected[expected.index(before) + 1 :], filters
        assert {*sizes} == {0, 1}


@pytest.mark.parametrize("sort", ORDERS)
async def test_the_id_tells_apart_what_is_found_by_the_index(
    client: httpx.AsyncClient, connection: psycopg.Connection, sort: str
) -> None:
    for n in range(130):
        insert(connection, id=UUID(int=n), created_at=NOON, tags=["x"] if n % 40 == 9 else [])

    assert await listed(client, sort=sort, tag="x", limit=1) == plain(connection, sort, {"tag": "x"})


async def test_newest_is_the_order_unless_told(client: httpx.AsyncClient, filled: psycopg.Connection) -> None:
    assert await listed(client, limit=200) == plain(filled, "newest", {})


async def test_names_are_sorted_by_their_characters(client: httpx.AsyncClient, connection: psycopg.Connection) -> None:
    names = [
        "",
        " ",
        "A",
        "B.jpg",
        "a",
        "a\\",
        'a","id":"',
        "a\n",
        "b",
        "é",
        "\u2028",
        "\uffff",
        "\U0001f4f7",
        "z" * 255,
    ]
    for name in names:
        insert(connection, filename=name)

    page = (await client.get("/v1/images?sort=name")).json()["images"]
    ids = await listed(client, sort="name", limit=1)

    assert [image["filename"] for image in page] == sorted(names)
    assert ids == [image["id"] for image in page]


async def test_sizes_may_be_any_number(client: httpx.AsyncClient, connection: psycopg.Connection) -> None:
    ids = [insert(connection, byte_size=size) for size in (2**63 - 1, 2**53 + 1, 2**53, 1, 0, -1, -(2**63))]

    assert await listed(client, sort="largest", limit=1) == ids


@pytest.mark.parametrize("sort", ORDERS)
@pytest.mark.parametrize("tag", [{}, {"tag": "x"}])
async def test_rows_of_no_moment_are_in_each_order(
    client: httpx.AsyncClient, connection: psycopg.Connection, sort: str, tag: dict[str, str]
) -> None:
    moments = [NOON, *["infinity"] * 3]
    ids = [insert(connection, created_at=moment, filename=f"{moment}", tags=["x"]) for moment in moments]

    assert set(await listed(client, sort=sort, limit=1, **tag)) == set(ids)
    assert set(await listed(client, sort=sort, limit=1, created_after=NOON.isoformat(), **tag)) == set(ids[1:])
    assert await listed(client, sort=sort, created_before="2027-01-01T00:00:00Z", **tag) == ids[:1]


async def test_images_stored_meanwhile_do_not_move_the_pages(
    client: httpx.AsyncClient, connection: psycopg.Connection
) -> None:
    ids = [insert(connection, byte_size=10 - n, filename=f"{n}") for n in range(4)]
    for sort in ("largest", "name"):
        first = (await client.get(f"/v1/images?limit=2&sort={sort}")).json()

        insert(connection, byte_size=11, filename="")
        query = {"limit": 2, "sort": sort, "cursor": first["next"]}
        second = (await client.get("/v1/images", params=query)).json()

        connection.execute("DELETE FROM images WHERE filename = ''")
        assert [image["id"] for image in first["images"] + second["images"]] == ids


async def test_a_cursor_is_good_for_its_own_order_alone(client: httpx.AsyncClient, filled: psycopg.Connection) -> None:
    cursors = {sort: (await client.get(f"/v1/images?limit=1&sort={sort}")).json()["next"] for sort in ORDERS}
    cursors["tags"] = (await client.get("/v1/tags?limit=1")).json()["next"]

    for sort, other in itertools.product(ORDERS, cursors):
        response = await client.get("/v1/images", params={"sort": sort, "cursor": cursors[other]})
        if sort == other:
            assert response.status_code == 200
        else:
            assert faults(response) == ["cursor"]
    assert faults(await client.get("/v1/images", params={"cursor": cursors["name"]})) == ["cursor"]
    assert faults(await client.get("/v1/tags", params={"cursor": cursors["name"]})) == ["cursor"]


def encoded(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode()


def cursor(*place: Any) -> str:
    return encoded(json.dumps(place, separators=(",", ":"), ensure_ascii=False))


ID = str(FIRST_ID)
NO_CURSORS = {
    "oldest": [
        cursor("oldest", "2026-01-31T12:00:00", ID),
        cursor("oldest", "2026-01-31T12:00:00+03:00", ID),
        cursor("oldest", "2026-01-31", ID),
        cursor("oldest", "infinity", ID),
        cursor("oldest", "-4000-01-31T12:00:00Z", ID),
        cursor("oldest", 1769860800, ID),
        cursor("oldest", None, ID),
    ],
    "largest": [
        cursor("largest", 2**63, ID),
        cursor("largest", -(2**63) - 1, ID),
        cursor("largest", "1", ID),
        cursor("largest", 1.0, ID),
        cursor("largest", True, ID),
        cursor("largest", float("nan"), ID),
        cursor("largest", 1),
        cursor("largest", 1, ID, ID),
        cursor("largest", 1, ID.replace("-", "")),
        cursor("largest", 1, ID[:-1]),
        encoded(f'["largest", 1,"{ID}"]'),
        encoded(f'["largest",{"9" * 5000},"{ID}"]'),
        encoded('{"largest":1}'),
        cursor("largest", 1, ID) + "=",
        cursor("largest", 1, ID) + "\n",
    ],
    "name": [
        cursor("name", "a\x00", ID),
        encoded(rf'["name","\ud800","{ID}"]'),
        encoded(rf'["name","\u0061","{ID}"]'),
        cursor("name", ["a"], ID),
        cursor("name", "a", None),
        "",
        "é",
        "x",
        "AAAA",
        encoded("[" * 2000),
    ],
}


@pytest.mark.parametrize("sort", NO_CURSORS)
async def test_what_is_no_cursor_is_refused(client: httpx.AsyncClient, sort: str) -> None:
    for value in NO_CURSORS[sort]:
        response = await client.get("/v1/images", params={"sort": sort, "cursor": value})
        assert faults(response) == ["cursor"], value


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("sort=", ["sort"]),
        ("sort=smallest", ["sort"]),
        ("sort=NAME", ["sort"]),
        ("sort=name&sort=name", ["sort"]),
        ("sort=smallest&cursor=x", ["sort"]),
        ("sort=name&cursor=x&limit=0", ["limit", "cursor"]),
    ],
)
async def test_an_order_that_is_not_known_is_named(client: httpx.AsyncClient, query: str, named: list[str]) -> None:
    assert faults(await client.get(f"/v1/images?{query}")) == named


async def test_an_export_has_one_order(client: httpx.AsyncClient) -> None:
    assert faults(await client.get("/v1/images/export?sort=name")) == ["sort"]
