"""GET /v1/tags: the tags that images have, and how many images have each."""

import re
from typing import Any

import httpx
import psycopg
import pytest

from app.settings import Settings
from tests.conftest import client_of
from tests.support.api import faults, insert, upload
from tests.support.pictures import picture

LAST = "\U0010ffff"
TAGS = [
    "a",
    "ab",
    "a%",
    "a%b",
    "a_",
    "a_b",
    "a\\",
    "a\\%",
    "a b",
    "á",
    "é",
    "éa",
    "日本",
    "日本語",
    "😀",
    "😀😀",
    LAST,
    LAST * 100,
    "\ud7ff",
    "\ue000",
    "z" * 100,
    "tag:a",
    "type:image/png",
    '"quoted"',
    "line\nbreak",
    "street,night",
]
MANY = """
    INSERT INTO images (filename, content_type, byte_size, width, height, content_sha256, own_key, tags)
    SELECT
        'a.png', 'image/png', 1, 1, 1, images_sha256_bytes(n::text), n,
        ARRAY['common', CASE WHEN n <= 1000 THEN 'just so' ELSE 'rest' END]
    FROM generate_series(1, 3000) AS n
"""


async def tags(client: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    """The tags of all pages, each page by the Link of the one before."""
    response = await client.get("/v1/tags", params=query)
    found = []
    while True:
        assert response.status_code == 200, response.text
        page = response.json()
        found += page["tags"]
        link = re.fullmatch(r'<(/v1/tags\?.*)>; rel="next"', response.headers.get("link", ""))
        assert bool(link) == (page["next"] is not None)
        if link is None:
            return found
        assert page["tags"]
        response = await client.get(link[1])


async def names(client: httpx.AsyncClient, **query: Any) -> list[str]:
    return [tag["tag"] for tag in await tags(client, **query)]


async def test_no_tags_are_an_empty_page(client: httpx.AsyncClient, connection: psycopg.Connection) -> None:
    insert(connection)

    response = await client.get("/v1/tags")

    assert response.json() == {"tags": [], "next": None}
    assert "link" not in response.headers


async def test_tags_have_the_number_of_their_images(client: httpx.AsyncClient, connection: psycopg.Connection) -> None:
    for given in (["red", "flat"], ["red"], ["Red", "red", "red"]):
        insert(connection, tags=given)

    assert await tags(client) == [
        {"tag": "flat", "images": 1, "estimated": False},
        {"tag": "red", "images": 3, "estimated": False},
    ]


async def test_the_numbers_follow_each_change(client: httpx.AsyncClient) -> None:
    one = await upload(client, picture(seed=1), tags=["red", "flat"])
    two = await upload(client, picture(seed=2), tags=["red"])

    await client.patch(f"/v1/images/{one['id']}", json={"tags": ["blue"]}, headers={"Content-Type": "application/json"})
    assert [(tag["tag"], tag["images"]) for tag in await tags(client)] == [("blue", 1), ("red", 1)]

    await client.delete(f"/v1/images/{two['id']}")
    assert await names(client) == ["blue"]


@pytest.mark.parametrize("limit", [1, 3, 200])
async def test_a_prefix_is_taken_by_its_characters(
    client: httpx.AsyncClient, connection: psycopg.Connection, limit: int
) -> None:
    for tag in TAGS:
        insert(connection, tags=[tag])
    prefixes = {tag[:length] for tag in TAGS for length in (0, 1, 2, 3, 100)} | {
        "%",
        "_",
        "\\",
        "none",
        "tag:",
        "type:",
    }

    for prefix in prefixes:
        assert await names(client, prefix=prefix, limit=limit) == sorted(t for t in TAGS if t.startswith(prefix))


async def test_a_language_does_not_move_the_tags(settings: Settings, database: str) -> None:
    """One in whose order the tags with a prefix are no neighbors. The embedded PostgreSQL has no ICU."""
    given = ["a", "a-b", "ab", "a_c", "ä", "b"]
    with psycopg.connect(database, autocommit=True) as connection:
        try:
            connection.execute("CREATE COLLATION language (provider = icu, locale = 'de-u-ka-shifted')")
        except psycopg.errors.FeatureNotSupported as error:
            pytest.skip(f"{error}")
        connection.execute("ALTER TABLE image_terms ALTER COLUMN term TYPE text COLLATE language")
        for tag in given:
            insert(connection, tags=[tag])

    async with client_of(settings) as client:
        assert await names(client, limit=2) == ["a", "a-b", "a_c", "ab", "b", "ä"]
        assert await names(client, prefix="a", limit=2) == ["a", "a-b", "a_c", "ab"]


async def test_what_no_client_can_ask_for_is_no_tag(client: httpx.AsyncClient, connection: psycopg.Connection) -> None:
    insert(connection, tags=["", "t" * 101, None, "t" * 100])

    assert await names(client) == ["t" * 100]


async def test_the_number_is_exact_up_to_a_thousand(client: httpx.AsyncClient, connection: psycopg.Connection) -> None:
    connection.execute(MANY.encode())

    counted = {tag["tag"]: tag for tag in await tags(client)}

    assert counted["just so"] == {"tag": "just so", "images": 1000, "estimated": False}
    for name in ("common", "rest"):  # of which no ANALYZE has told yet
        assert counted[name] == {"tag": name, "images": 1001, "estimated": True}


async def test_more_is_estimated_by_what_analyze_found(
    client: httpx.AsyncClient, connection: psycopg.Connection
) -> None:
    connection.execute(MANY.encode())
    connection.execute("ANALYZE image_terms")
    counted = {tag["tag"]: tag["images"] for tag in await tags(client)}
    assert counted == {"common": 3000, "just so": 1000, "rest": 2000}

    connection.execute(MANY.replace("generate_series(1, 3000)", "generate_series(3001, 6000)").encode())
    grown = {tag["tag"]: tag["images"] for tag in await tags(client)}

    assert grown["common"] == pytest.approx(6000, rel=0.15)


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("limit=0", ["limit"]),
        ("limit=201", ["limit"]),
        (f"prefix={'x' * 101}", ["prefix"]),
        ("prefix=a%00", ["prefix"]),
        ("prefix=a&prefix=b", ["prefix"]),
        ("cursor=", ["cursor"]),
        ("cursor=x", ["cursor"]),
        ("cursor=WyJ0YWdzIl0=", ["cursor"]),
        ("cursor=WyJ0YWdzIiwxXQ==", ["cursor"]),
        ("cursor=WyJ0YWdzIiwiXHUwMDAwIl0=", ["cursor"]),
        ("sort=name", ["sort"]),
    ],
)
async def test_a_parameter_that_is_not_valid_is_named(client: httpx.AsyncClient, query: str, named: list[str]) -> None:
    assert faults(await client.get(f"/v1/tags?{query}")) == named
