"""GET /v1/stats: exact for few images, estimated for many, and said so."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import psycopg
import pytest

from app.database import queries
from app.database.pool import Pool
from app.settings import Settings
from tests.support.api import faults, insert
from tests.web.test_images import NOON

FILL = """
    INSERT INTO images (filename, content_type, byte_size, width, height, content_sha256, own_key, tags, created_at)
    SELECT
        'a',
        CASE WHEN n % 100 = 0 THEN 'image/avif' WHEN n % 4 = 0 THEN 'image/png' ELSE 'image/jpeg' END,
        500 + n % 1001,
        1,
        1,
        images_sha256_bytes(n::text),
        n,
        ARRAY['all', 'of ' || n % 50],
        '2026-01-31T12:00Z'::timestamptz + n * interval '1 second'
    FROM generate_series({}) AS n
"""
ESTIMATES = ["images", "bytes", "content_types", "tags"]


@pytest.fixture
async def pool(settings: Settings) -> AsyncIterator[Pool]:
    async with Pool(settings) as pool:
        yield pool


async def stats(pool: Pool, few: int) -> dict[str, Any]:
    figures: dict[str, Any] = json.loads(await queries.read_stats(pool, few))
    return figures


def fill(connection: psycopg.Connection, first: int, last: int) -> None:
    connection.execute(FILL.replace("{}", f"{first}, {last}").encode())


async def test_an_empty_catalogue_has_figures_too(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/stats")

    assert response.headers["content-type"] == "application/json"
    assert response.json() == {
        "images": 0,
        "bytes": 0,
        "content_types": {},
        "tags": 0,
        "oldest": None,
        "newest": None,
        "estimated": [],
    }


async def test_few_images_are_counted(client: httpx.AsyncClient, connection: psycopg.Connection) -> None:
    insert(connection, created_at=NOON, byte_size=2**62, tags=["a", "b", "", "t" * 101])
    insert(connection, created_at=NOON, byte_size=2**62, tags=["a", "a"])
    gone = insert(connection, content_type="image/png", byte_size=5, tags=["c"])
    insert(connection, content_type="image/png", byte_size=7)
    await client.delete(f"/v1/images/{gone}")

    figures = (await client.get("/v1/stats")).json()

    assert figures.pop("newest") > figures["oldest"]
    assert figures == {
        "images": 3,
        "bytes": 2**63 + 7,
        "content_types": {"image/jpeg": 2, "image/png": 1},
        "tags": 2,
        "oldest": "2026-01-31T12:00:00+00:00",
        "estimated": [],
    }


async def test_images_of_no_moment_have_one_in_the_figures(
    client: httpx.AsyncClient, connection: psycopg.Connection
) -> None:
    for moment in ("-infinity", NOON, "infinity"):
        insert(connection, created_at=moment)

    figures = (await client.get("/v1/stats")).json()

    assert (figures["images"], figures["oldest"], figures["newest"]) == (3, "-infinity", "infinity")


async def test_few_ends_where_many_begin(pool: Pool, connection: psycopg.Connection) -> None:
    fill(connection, 1, 300)

    exact, estimated = await stats(pool, 300), await stats(pool, 299)

    assert exact == {
        "images": 300,
        "bytes": sum(500 + n % 1001 for n in range(1, 301)),
        "content_types": {"image/jpeg": 225, "image/png": 72, "image/avif": 3},
        "tags": 51,
        "oldest": "2026-01-31T12:00:01+00:00",
        "newest": "2026-01-31T12:05:00+00:00",
        "estimated": [],
    }
    assert estimated == exact | {"estimated": ESTIMATES}  # the sample is all of them, and their pages are counted


@pytest.mark.parametrize("analyzed", [False, True])
async def test_many_images_are_estimated(pool: Pool, connection: psycopg.Connection, analyzed: bool) -> None:
    fill(connection, 1, 20_000)
    if analyzed:
        connection.execute("ANALYZE images, image_terms")

    figures = await stats(pool, 10_000)

    assert figures["images"] == pytest.approx(20_000, rel=0.05)
    assert figures["bytes"] == pytest.approx(20_000_000, rel=0.1)
    assert figures["content_types"].pop("image/avif") == 200
    assert figures["content_types"] == pytest.approx({"image/jpeg": 15_000, "image/png": 4800}, rel=0.3)
    assert figures["tags"] == 51
    assert (figures["oldest"], figures["newest"]) == ("2026-01-31T12:00:01+00:00", "2026-01-31T17:33:20+00:00")
    assert figures["estimated"] == ESTIMATES


async def test_a_few_large_images_are_in_the_estimate_of_bytes(pool: Pool, connection: psycopg.Connection) -> None:
    """40 of 20,000 images have 95 % of the bytes. A sample of 1,000 has 2 of them, or none, or 6."""
    fill(connection, 1, 20_000)
    connection.execute("UPDATE images SET byte_size = 10000000 WHERE own_key::integer % 500 = 0")
    connection.execute("VACUUM ANALYZE images")  # the former rows would count, too
    [(total,)] = connection.execute("SELECT sum(byte_size)::float FROM images").fetchall()

    for _ in range(5):
        assert (await stats(pool, 10_000))["bytes"] == pytest.approx(total, rel=0.03)


async def test_images_of_one_size_are_estimated_as_their_sum(pool: Pool, connection: psycopg.Connection) -> None:
    fill(connection, 1, 3000)
    connection.execute("UPDATE images SET byte_size = 7")
    connection.execute("VACUUM ANALYZE images")

    figures = await stats(pool, 2000)

    assert figures["bytes"] == 7 * figures["images"]


async def test_the_estimate_follows_the_table(pool: Pool, connection: psycopg.Connection) -> None:
    fill(connection, 1, 2000)
    connection.execute("VACUUM ANALYZE images")
    fill(connection, 2001, 8000)

    assert (await stats(pool, 1000))["images"] == pytest.approx(8000, rel=0.1)

    connection.execute("DELETE FROM images WHERE own_key::integer > 500 AND own_key::integer < 7999")
    connection.execute("VACUUM ANALYZE images")
    fill(connection, 501, 1000)  # into the same pages, so that the table does not grow

    assert (await stats(pool, 1001))["images"] == 1002


@pytest.mark.parametrize("analyzed", [False, True])
async def test_partitions_are_added_up(pool: Pool, connection: psycopg.Connection, analyzed: bool) -> None:
    """The parent of partitions has no pages and, of PostgreSQL's own accord, no statistics."""
    fill(connection, 1, 20_000)
    if analyzed:
        connection.execute("ANALYZE images, image_terms")
    connection.execute("""
        CREATE TABLE parent (LIKE images) PARTITION BY RANGE (created_at);
        ALTER TABLE images RENAME TO images_later;
        ALTER TABLE parent RENAME TO images;
        ALTER TABLE images ATTACH PARTITION images_later FOR VALUES FROM ('2026-01-31') TO (MAXVALUE);
        CREATE TABLE images_earlier PARTITION OF images FOR VALUES FROM (MINVALUE) TO ('2026-01-31');
        GRANT SELECT ON images TO PUBLIC;
    """)

    figures = await stats(pool, 10_000)

    assert figures["images"] == pytest.approx(20_000, rel=0.05)
    assert figures["content_types"]["image/avif"] == 200


async def test_the_beginning_of_the_table_does_not_stand_for_all(pool: Pool, connection: psycopg.Connection) -> None:
    fill(connection, 1, 20_000)
    connection.execute("DELETE FROM images WHERE own_key::integer <= 10000")
    connection.execute("ANALYZE images")

    assert (await stats(pool, 1000))["images"] == pytest.approx(10_000, rel=0.05)


async def test_the_sample_goes_round(pool: Pool, connection: psycopg.Connection) -> None:
    """The sample has all images, up to a thousand, whatever ID it begins at."""
    fill(connection, 1, 900)
    connection.execute(
        "UPDATE images SET id = ('ffffffff-ffff-4000-8000-' || lpad(own_key, 12, '0'))::uuid WHERE own_key < '5'"
    )

    for _ in range(5):
        assert (await stats(pool, 899))["bytes"] == sum(500 + n % 1001 for n in range(1, 901))


async def test_parameters_are_refused(client: httpx.AsyncClient) -> None:
    assert faults(await client.get("/v1/stats?limit=1")) == ["limit"]
