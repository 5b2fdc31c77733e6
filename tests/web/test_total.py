"""GET /v1/images?total=: the number of images that match, only if the client asks for it."""

import httpx
import psycopg
import pytest

from app.catalogue import listing
from tests.support.api import faults
from tests.web.test_listing import FILL, FILTERS, plain

PATH = "/v1/images"


@pytest.fixture
def filled(connection: psycopg.Connection) -> psycopg.Connection:
    connection.execute(FILL.encode())
    connection.execute("ANALYZE")
    return connection


async def test_it_is_the_number_of_images_on_all_pages(client: httpx.AsyncClient, filled: psycopg.Connection) -> None:
    for filters in FILTERS:
        for total in ("exact", "estimate"):
            page = (await client.get(PATH, params={**filters, "total": total, "limit": 1})).json()
            expected = len(plain(filled, "newest", filters))
            assert page["total"] == {"images": expected, "estimated": False}, filters
    following = (
        await client.get(PATH, params={"total": "exact", "sort": "name", "cursor": await second(client)})
    ).json()
    assert following["total"]["images"] == 560


async def second(client: httpx.AsyncClient) -> str:
    cursor: str = (await client.get(PATH, params={"sort": "name", "limit": 1})).json()["next"]
    return cursor


async def test_many_images_are_estimated(
    client: httpx.AsyncClient, filled: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(listing.MOST_COUNTED, "estimate", 40)
    for filters in FILTERS:
        expected = len(plain(filled, "newest", filters))
        total = (await client.get(PATH, params={**filters, "total": "estimate"})).json()["total"]
        assert total["estimated"] == (expected > 40), filters
        if total["estimated"]:
            assert total["images"] > 40
        else:
            assert total["images"] == expected
        exact = (await client.get(PATH, params={**filters, "total": "exact"})).json()["total"]
        assert exact == {"images": expected, "estimated": False}


async def test_a_page_without_it_has_no_total(client: httpx.AsyncClient, filled: psycopg.Connection) -> None:
    assert [*(await client.get(PATH)).json()] == ["images", "next"]
    assert faults(await client.get(f"{PATH}?total=yes")) == ["total"]
    assert faults(await client.get(f"{PATH}?total=exact&camera=X")) == ["total"]
    assert faults(await client.get("/v1/images/export?total=exact")) == ["total"]
