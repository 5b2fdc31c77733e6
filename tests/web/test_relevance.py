"""GET /v1/images?sort=relevance: the best matches of a search first, on pages that follow each other."""

import httpx
import psycopg
import pytest

from tests.support.api import faults, insert

PATH = "/v1/images?sort=relevance"


async def pages(client: httpx.AsyncClient, **query: str | int) -> list[str]:
    """Return the file names of all pages."""
    names: list[str] = []
    cursor = None
    while True:
        response = await client.get(
            "/v1/images", params={"sort": "relevance", **query, **({"cursor": cursor} if cursor else {})}
        )
        assert response.status_code == 200, response.text
        page = response.json()
        names += [image["filename"] for image in page["images"]]
        cursor = page["next"]
        if cursor is None:
            return names


@pytest.mark.parametrize("others", [0, 60], ids=["rare", "common"])
async def test_the_title_counts_most_then_tags_file_name_and_description(
    client: httpx.AsyncClient, connection: psycopg.Connection, others: int
) -> None:
    """If 10 of the newest 200 images match, they are read. Otherwise the index finds the matches."""
    insert(connection, filename="1", title="The harbour")
    insert(connection, filename="2", tags=["harbour"])
    insert(connection, filename="3 harbour")
    insert(connection, filename="4", description="seen in the harbour")
    insert(connection, filename="5", description="harbourmaster", tags=["a"])
    insert(connection, filename="6", title="Harbour", tags=["a", "harbour"])
    for number in range(others):
        insert(connection, filename=f"other {number}", tags=["harbour" if number % 3 else "b"])

    for limit in (1, 2, 200):
        found = await pages(client, q="harbour", limit=limit)
        if not others:
            assert found == ["6", "1", "2", "3 harbour", "4", "5"]
        assert found[:2] == ["6", "1"]
        assert found[-3:] == ["3 harbour", "4", "5"]
        assert len(found) == len({*found}) == 6 + others * 2 // 3
        assert await pages(client, q="harbour", limit=limit, tag="a") == ["6", "5"]
    assert await pages(client, q="harbour -title", created_before="2020-01-01T00:00:00Z") == []


async def test_a_filter_does_not_change_the_order(client: httpx.AsyncClient, connection: psycopg.Connection) -> None:
    insert(connection, filename="1", tags=["a"], title="a red boat in the old harbour")
    insert(connection, filename="2", tags=["a"], description="harbour " * 9)
    insert(connection, filename="3", tags=["a", "harbour"], title="the boat")
    insert(connection, filename="4", tags=["a"], title="boat harbour")

    for words in ("harbour", "harbour boat", "boat or harbour"):
        unfiltered = await pages(client, q=words)
        assert len(unfiltered) >= 3
        assert await pages(client, q=words, tag="a", content_type="image/jpeg") == unfiltered


async def test_a_whole_word_comes_before_the_beginning_of_a_word(
    client: httpx.AsyncClient, connection: psycopg.Connection
) -> None:
    insert(connection, filename="1", title="C++ meetup")
    insert(connection, filename="2", title="Cities", tags=["church"])
    insert(connection, filename="3", description="vitamin c")

    for limit in (1, 200):
        assert await pages(client, q="c++", limit=limit) == ["1", "3", "2"]
        assert await pages(client, q="vitamin c", limit=limit) == ["3"]
        assert await pages(client, q='"c', limit=limit) == ["1", "3"]
        assert await pages(client, q="none or c", limit=limit) == ["1", "3", "2"]


async def test_it_needs_words(client: httpx.AsyncClient) -> None:
    assert faults(await client.get(PATH)) == ["sort"]
    assert faults(await client.get(f"{PATH}&tag=a")) == ["sort"]
    assert faults(await client.get(f"{PATH}&q={'a' * 1000}")) == ["q"]


async def test_a_cursor_of_another_order_is_rejected(client: httpx.AsyncClient, connection: psycopg.Connection) -> None:
    for number in range(2):
        insert(connection, title=f"harbour {number}")
    first = (await client.get(f"{PATH}&q=harbour&limit=1")).json()["next"]
    newest = (await client.get("/v1/images?q=harbour&limit=1")).json()["next"]

    assert faults(await client.get("/v1/images", params={"sort": "relevance", "q": "harbour", "cursor": newest})) == [
        "cursor"
    ]
    assert faults(await client.get("/v1/images", params={"sort": "name", "cursor": first})) == ["cursor"]
