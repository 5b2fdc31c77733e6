"""Parameters: whatever a client sends in one, the answer is 200 or 422, and comes in bounded time."""

import asyncio
import logging
from typing import Any

import asyncpg
import httpx
import psycopg
import pytest

from app.database.connection import Connection
from tests.support.api import faults, insert, problem, upload
from tests.support.pictures import picture
from tests.support.properties import for_each, st

# Parts of a search: operators of web searches and of tsquery, quotes, scripts without blanks, and odd characters.
PIECES = [
    *("-", '"', " ", "or", "OR", " or ", "and", "'", "''", "\\", ":", ":*", "*", "&", "|", "!", "(", ")", "<->", "<2>"),
    *("a", "B", "cat", "日本語", "한국어", "😀", "👩\u200d👧", "é", "e\u0301", "ß", "İ"),
    *("\u200d", "\u00a0", "\u2028", "\ufeff"),
    *("@", ".", "/", "http://a.b/c?d=e", "a@b.c", "_", "1", "-1", "1e5", "1.2.3", "<", ">", "%"),
    *("\t", "\n", "\x01", "\x7f", "\x00"),
    *("\U0010ffff", "\ufffe", "a-b-c", "--", "#", "&amp;", "<b>", "</b>", "$1", ":name"),
]
WORDS = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=200).map("".join),
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=3).map(lambda pieces: "".join(pieces) * 200),
    st.text(max_size=200),
).map(lambda text: text[:200])
SORTS = ["newest", "oldest", "largest", "name"]
PARAMETERS = {
    "/v1/images": ["q", "tag", "content_type", "created_after", "created_before", "sort", "limit", "cursor"],
    "/v1/images/export": ["q", "tag", "content_type", "created_after", "created_before"],
    "/v1/tags": ["prefix", "limit", "cursor"],
}
NESTED = ["-" * 33, "- " * 100, "-!" * 100, "a " + "-(" * 99, '"a"' + "-" * 197, "-" * 199 + "a"]


async def answer(client: httpx.AsyncClient, path: str, parameters: dict[str, Any]) -> httpx.Response:
    async with asyncio.timeout(10):
        response = await client.get(path, params=parameters)
    assert response.status_code in {200, 422}, (parameters, response.text)
    if response.status_code == 422:
        problem(response, 422, "invalid-request")
    return response


async def test_any_words_can_be_searched_or_are_rejected(client: httpx.AsyncClient) -> None:
    await upload(client, title="a cat -b", tags=["日本語", "a"], description="e\u0301 😀 http://a.b/c")

    async def check(words: str) -> None:
        statuses = set()
        for sort in SORTS:
            for more in ({}, {"tag": "a"}):
                statuses.add((await answer(client, "/v1/images", {"q": words, "sort": sort, **more})).status_code)
        statuses.add((await answer(client, "/v1/images/export", {"q": words})).status_code)
        assert len(statuses) == 1, words

    await for_each(WORDS, check, examples=150)


@pytest.mark.routes("direct", "pgbouncer")
@pytest.mark.parametrize("words", NESTED)
async def test_words_that_nest_deeply_are_read(client: httpx.AsyncClient, words: str) -> None:
    """PostgreSQL reads at most 32 nested exclusions. A search has at most one before each word."""
    await upload(client, tags=["a"])
    for path in ("/v1/images/export", *(f"/v1/images?sort={sort}" for sort in SORTS), "/v1/images?tag=a"):
        response = await client.get(httpx.URL(path).copy_merge_params({"q": words}))
        assert response.status_code == 200


async def test_no_parameter_is_a_server_error(client: httpx.AsyncClient, connection: psycopg.Connection) -> None:
    insert(connection, tags=["a"])
    names = st.sampled_from([(path, name) for path, names in PARAMETERS.items() for name in names])
    values = st.one_of(
        WORDS,
        st.integers().map(str),
        st.sampled_from(PIECES).map(lambda piece: piece * 1000),
        st.datetimes().map(lambda moment: f"{moment.isoformat()}Z"),
    )

    async def check(it: tuple[tuple[str, str], str]) -> None:
        (path, name), value = it
        await answer(client, path, {name: value})

    await for_each(st.tuples(names, values), check, examples=300)


@pytest.mark.parametrize("path", ["/openapi.json", "/v1/images", "/v1/images/export", "/v1/tags"])
async def test_a_query_of_thousands_of_parameters_is_not_parsed(path: str, client: httpx.AsyncClient) -> None:
    response = await client.get(f"{path}?{'a&' * 30_000}")

    assert problem(response, 422)["detail"] == "The URL has more than 150 query parameters."
    assert "errors" not in response.json()


@pytest.mark.parametrize("query", ["q=%E4", "tag=a&tag=%ff", "content_type=a/%C3", "title=%ED%A0%80", "%80=1"])
async def test_a_query_that_is_not_utf_8_is_rejected(query: str, client: httpx.AsyncClient) -> None:
    url = f"/v1/images?{query}"
    headers = {"Content-Type": "image/jpeg"}

    for response in (await client.get(url), await client.post(url, content=picture(), headers=headers)):
        assert problem(response, 422, "invalid-request")["detail"] == "The query parameters must be UTF-8."


@pytest.mark.parametrize(
    ("method", "url", "detail"),
    [
        ("POST", "/v1/images?tags=a", "is unknown. Did you mean tag?"),
        ("POST", "/v1/images?x=a", "is unknown. The parameters are title, description, tag, attributes, use"),
        ("GET", "/v1/images?tags=a", "is unknown. Did you mean tag?"),
        ("GET", "/v1/images?content_type=image/*", "must be a media type such as image/png"),
        ("GET", "/v1/timeline?before=2026-7", "must be a month such as 2026-07"),
    ],
)
async def test_a_wrong_parameter_leads_to_the_right_one(
    method: str, url: str, detail: str, client: httpx.AsyncClient
) -> None:
    body: dict[str, Any] = {"content": picture(), "headers": {"Content-Type": "image/jpeg"}} if method == "POST" else {}

    response = await client.request(method, url, **body)

    assert [fault["detail"] for fault in problem(response, 422, "invalid-request")["errors"]] == [detail]


async def test_a_media_type_is_not_longer_than_the_database_allows(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/images", params={"content_type": "/" + "é" * 99})).status_code == 200
    assert faults(await client.get("/v1/images", params={"content_type": "x" * 5000})) == ["content_type"]


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.StatementTooComplexError("stack depth limit exceeded"),
        asyncpg.ProgramLimitExceededError("index row size 9000 exceeds btree version 4 maximum 2704"),
        asyncpg.DataError("invalid input for query argument $1"),
        asyncpg.NumericValueOutOfRangeError("value out of range"),
        asyncpg.UntranslatableCharacterError("unsupported Unicode escape sequence"),
    ],
)
async def test_a_value_that_postgresql_rejects_is_a_422(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(Connection, "fetch", fail)

    with caplog.at_level(logging.WARNING):
        rejected = problem(await client.get("/v1/images?tag=a"), 422, "invalid-request")

    assert rejected["detail"].startswith("A value of this request is too long or too complex for the database")
    assert str(error) not in str(rejected)
    assert str(error) in caplog.text
    with pytest.raises(type(error)):  # a request without a value is a fault of the service: 500
        await client.get("/v1/images")


async def test_an_internal_error_that_the_words_did_not_cause_is_a_503(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch = Connection.fetch

    async def fail(connection: Connection, name: str, *arguments: Any, **options: Any) -> Any:
        if name.startswith("list_images"):
            raise asyncpg.InternalServerError("could not open relation with OID 1")
        return await fetch(connection, name, *arguments, **options)

    monkeypatch.setattr(Connection, "fetch", fail)

    problem(await client.get("/v1/images?q=cat"), 503)
