"""Limits of tokens: requests a second and bytes of uploads a day, over all workers, with their headers and 429."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, LiteralString
from uuid import UUID

import httpx
import psycopg
import pytest
from asyncpg import Record
from pydantic import SecretStr

from app.catalogue import tokens
from app.database import token_queries
from app.database.pool import Pool
from app.database.replica import ReadRouter
from app.settings import Settings
from app.web.token_limits import Limits, TokenLimits
from tests.conftest import client_of
from tests.support.api import insert, problem
from tests.support.pictures import picture
from tests.support.waiting import wait_until
from tests.web.test_tokens import bearer

NOWHERE = f"/v1/images/{UUID(int=7)}"
PNG = {"Content-Type": "image/png"}


async def limited(
    settings: Settings, *, scope: str = "write", rate: int | None = None, quota: int | None = None
) -> str:
    """Create a token with limits and return its text."""
    token = tokens.make()
    owner = settings.model_copy(update={"database_url": settings.migrator_url})
    async with Pool(owner) as pool:
        await token_queries.insert_token(
            pool, token.id, "a client", scope, token.sha256, requests_per_second=rate, upload_bytes_per_day=quota
        )
    return token.text


@pytest.fixture
def closed(settings: Settings) -> Settings:
    return settings.model_copy(update={"auth": "token"})


@pytest.fixture
async def client(closed: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(closed) as client:
        yield client


@asynccontextmanager
async def workers(settings: Settings, number: int) -> AsyncIterator[list[httpx.AsyncClient]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(client_of(settings)) for _ in range(number)]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many requests each call of take_requests wanted."""
    wants: list[int] = []
    take = token_queries.take_requests

    async def count(pool: Pool, id: UUID, wanted: int) -> Record | None:
        wants.append(wanted)
        return await take(pool, id, wanted)

    monkeypatch.setattr(token_queries, "take_requests", count)
    return wants


def uploaded(connection: psycopg.Connection) -> int:
    [found] = connection.execute("SELECT COALESCE(sum(upload_bytes), 0)::bigint FROM token_usage")
    return int(found[0])


async def in_pieces(content: bytes, size: int = 60_000) -> AsyncIterator[bytes]:
    """Yield a body without a declared length."""
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def test_a_token_without_limits_costs_no_statement_and_has_no_headers(
    client: httpx.AsyncClient, settings: Settings, connection: psycopg.Connection, asked: list[int]
) -> None:
    token = await limited(settings)

    answers = [
        await client.get(NOWHERE, headers=bearer(token)),
        await client.post("/v1/images", content=picture("PNG"), headers=bearer(token) | PNG),
    ]

    assert [answer.status_code for answer in answers] == [404, 201]
    assert not any("ratelimit" in name for answer in answers for name in answer.headers)
    assert asked == []
    assert connection.execute("SELECT * FROM token_usage").fetchall() == []


async def test_beyond_the_rate_the_answer_is_429(client: httpx.AsyncClient, settings: Settings) -> None:
    token = await limited(settings, rate=2)
    started = time.monotonic()
    answers: list[httpx.Response] = []
    while not answers or answers[-1].status_code != 429:
        answers.append(await client.get(NOWHERE, headers=bearer(token)))
        assert len(answers) <= 2 + 2 * (time.monotonic() - started) + 1
        assert len(answers) < 50, "it waits instead of answering"

    assert len(answers) > 2
    assert {answer.status_code for answer in answers[:-1]} == {404}
    assert problem(answers[-1], 429, "too-many-requests")["detail"] == "The token may send 2 requests a second."
    assert answers[-1].headers["retry-after"] == "1"
    for answer in answers:
        assert answer.headers["ratelimit-policy"] == '"requests";q=2;w=1'
        assert re.fullmatch(r'"requests";r=[0-2];t=1', answer.headers["ratelimit"])
    assert answers[0].headers["ratelimit"] == '"requests";r=1;t=1'
    assert answers[-1].headers["ratelimit"] == '"requests";r=0;t=1'


async def test_each_answer_has_the_headers(client: httpx.AsyncClient, settings: Settings) -> None:
    headers = bearer(await limited(settings, scope="read", rate=100, quota=1000))
    statuses = []
    for method, path in (
        ("GET", "/v1/images"),
        ("GET", "/v2"),
        ("PUT", "/v1/images"),
        ("POST", "/v1/images"),
        ("OPTIONS", "/v1/images"),
    ):
        answer = await client.request(method, path, headers=headers)
        statuses.append(answer.status_code)
        assert answer.headers["ratelimit-policy"] == (
            '"requests";q=100;w=1, "uploads";q=1000;qu="content-bytes";w=86400'
        )
        assert re.fullmatch(r'"requests";r=\d+;t=1, "uploads";r=1000;t=\d+', answer.headers["ratelimit"])

    assert statuses == [200, 404, 403, 403, 204]


async def test_a_wrong_secret_uses_nothing_up(client: httpx.AsyncClient, settings: Settings) -> None:
    token = await limited(settings, rate=1)
    for _ in range(10):
        answer = await client.get(NOWHERE, headers=bearer(token[:-4] + "AAAA"))
        problem(answer, 401)
        assert "ratelimit" not in answer.headers

    assert (await client.get(NOWHERE, headers=bearer(token))).status_code == 404


@pytest.mark.parametrize("rate", [3, 20])
async def test_two_workers_share_a_rate(rate: int, closed: Settings) -> None:
    """The workers together admit the rate, a second's requests, and a batch for each worker, over any time."""
    token = await limited(closed, rate=rate)
    async with workers(closed, 2) as clients:
        admitted = rejected = 0
        started = time.monotonic()
        while admitted < 2.5 * rate or not rejected:
            answers = await asyncio.gather(*(one.get(NOWHERE, headers=bearer(token)) for one in clients * 4))
            admitted += sum(answer.status_code == 404 for answer in answers)
            rejected += sum(answer.status_code == 429 for answer in answers)
            batch = -(-rate // 10)
            assert admitted <= rate * (time.monotonic() - started) + rate + len(clients) * (batch - 1) + 1


async def test_many_workers_with_little_traffic_each_leave_enough_for_the_others(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 50 requests, 16 workers take the 48 that they need, although the largest batch is five."""
    left = 50

    async def take(pool: Pool, id: UUID, wanted: int) -> dict[str, float]:
        nonlocal left
        granted = min(wanted, left)
        left -= granted
        return {"granted": granted, "remaining": left, "wait": 1.0}

    monkeypatch.setattr(token_queries, "take_requests", take)
    async with Pool(settings) as pool, ReadRouter(settings, pool) as reads:
        counts = [TokenLimits(pool, reads) for _ in range(16)]
        await asyncio.gather(*(one.spend(UUID(int=1), Limits(50, None, 0, 0.0)) for one in counts * 3))

    assert left == 2


@pytest.mark.parametrize(
    ("call", "results"),
    [
        ("SELECT granted FROM images_take_requests(%s, 3)", [3, 2]),
        ("SELECT granted FROM images_count_upload_bytes(%s, 3, NULL)", [True, False]),
    ],
    ids=["requests", "bytes"],
)
async def test_two_calls_at_once_take_nothing_twice(
    call: LiteralString, results: list[object], settings: Settings, database: str, connection: psycopg.Connection
) -> None:
    """The second call waits for the first one, and sees what is left."""
    await limited(settings, rate=5, quota=5)
    id = await _id(settings)
    connection.execute("INSERT INTO token_usage (token_id) VALUES (%s)", [id])
    async with await psycopg.AsyncConnection.connect(database) as first, AsyncExitStack() as stack:
        second = await stack.enter_async_context(await psycopg.AsyncConnection.connect(database))
        found = [await (await first.execute(call, [id])).fetchone()]
        waiting = asyncio.create_task(second.execute(call, [id]))
        locked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        await asyncio.to_thread(wait_until, lambda: connection.execute(locked).fetchone() == (1,))
        await first.commit()
        found.append(await (await waiting).fetchone())

    assert [row and row[0] for row in found] == results


async def test_batches_grow_with_the_traffic(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    async def take(pool: Pool, id: UUID, wanted: int) -> dict[str, float]:
        asked.append(wanted)
        return {"granted": wanted, "remaining": 0, "wait": 0.0}

    monkeypatch.setattr(token_queries, "take_requests", take)
    async with Pool(settings) as pool, ReadRouter(settings, pool) as reads:
        counts = TokenLimits(pool, reads)
        for _ in range(100):
            await counts.spend(UUID(int=1), Limits(200, None, 0, 0.0))

    assert asked == [1, 2, 4, 8, 16, 20, 20, 20, 20]


async def test_what_a_dead_worker_had_taken_comes_back(closed: Settings) -> None:
    token = await limited(closed, rate=2)
    async with client_of(closed) as dead:
        while (await dead.get(NOWHERE, headers=bearer(token))).status_code != 429:
            pass

    async with client_of(closed) as next:
        started = time.monotonic()
        while (await next.get(NOWHERE, headers=bearer(token))).status_code != 404:
            assert time.monotonic() - started < 5


async def test_a_clock_that_jumps_blocks_no_token(
    client: httpx.AsyncClient, settings: Settings, connection: psycopg.Connection
) -> None:
    """PostgreSQL's clock went back by an hour, or ahead."""
    token = await limited(settings, rate=5)
    assert (await client.get(NOWHERE, headers=bearer(token))).status_code == 404

    for hours in (1, -1):
        connection.execute("UPDATE token_usage SET full_at = now() + %s * interval '1 hour'", [hours])
        started = time.monotonic()
        answers = [(await client.get(NOWHERE, headers=bearer(token))).status_code]
        while answers[-1] != 404:
            answers.append((await client.get(NOWHERE, headers=bearer(token))).status_code)
            assert time.monotonic() - started < 5
        [ahead] = connection.execute("SELECT full_at <= clock_timestamp() + interval '1 second' FROM token_usage")
        assert ahead == (True,)


async def test_without_the_primary_each_worker_allows_the_rate_by_itself(
    client: httpx.AsyncClient, settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    token = await limited(settings, rate=20)

    async def fail(*_: object) -> None:
        raise ConnectionRefusedError("connection refused")

    monkeypatch.setattr(token_queries, "take_requests", fail)
    admitted, started, statuses = 0, time.monotonic(), set()
    while admitted < 10 or 429 not in statuses:
        status = (await client.get(NOWHERE, headers=bearer(token))).status_code
        statuses.add(status)
        admitted += status == 404
        assert admitted <= 20 * (time.monotonic() - started) + 2

    assert statuses == {404, 429}
    assert [r.getMessage() for r in caplog.records if "count" in r.getMessage()] == [
        f"could not count the requests of token {await _id(settings)}: connection refused"
    ]


async def _id(settings: Settings) -> UUID:
    async with Pool(settings.model_copy(update={"database_url": settings.migrator_url})) as pool:
        [row] = await token_queries.list_tokens(pool)
        id: UUID = row["id"]
        return id


async def test_a_changed_limit_counts_soon(client: httpx.AsyncClient, settings: Settings) -> None:
    token = await limited(settings, rate=1)
    while (await client.get(NOWHERE, headers=bearer(token))).status_code != 429:
        pass
    async with Pool(settings.model_copy(update={"database_url": settings.migrator_url})) as pool:
        await token_queries.limit_token(pool, "a client", rate=(None,), quota=None)
    started = time.monotonic()
    while "ratelimit" in (await client.get(NOWHERE, headers=bearer(token))).headers:
        assert time.monotonic() - started < 5

    statuses = {(await client.get(NOWHERE, headers=bearer(token))).status_code for _ in range(5)}
    assert statuses == {404}


async def test_an_upload_counts_its_bytes_and_no_more(
    client: httpx.AsyncClient, settings: Settings, connection: psycopg.Connection
) -> None:
    content = picture("PNG")
    headers = bearer(await limited(settings, quota=3 * len(content))) | PNG

    first = await client.post("/v1/images", content=content, headers=headers)
    again = await client.post("/v1/images", content=in_pieces(content), headers=headers)
    broken = await client.post("/v1/images", content=b"x" * 10, headers=headers)

    assert [answer.status_code for answer in (first, again, broken)] == [201, 200, 415]
    assert uploaded(connection) == 2 * len(content) + 10
    left = re.fullmatch(r'"uploads";r=(\d+);t=\d+', broken.headers["ratelimit"])
    assert left is not None
    assert int(left[1]) == len(content) - 10


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "in pieces"])
async def test_beyond_the_quota_the_answer_is_429(
    declared: bool, client: httpx.AsyncClient, settings: Settings, connection: psycopg.Connection
) -> None:
    """A declared body is not read at all. Without a length, it is read up to the limit."""
    headers = bearer(await limited(settings, quota=4_000_000)) | PNG
    connection.execute("SELECT images_count_upload_bytes(id, 2000000, NULL) FROM tokens")
    asked_for = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal asked_for
        async for piece in in_pieces(bytes(3_000_000)):
            asked_for += len(piece)
            yield piece

    sizes = {"Content-Length": "3000000"} if declared else {}
    answer = await client.post("/v1/images", content=body(), headers=headers | sizes)

    detail = problem(answer, 429, "upload-quota-exceeded")["detail"]
    assert detail.startswith("The token may upload 4000000 bytes a day (UTC).")
    assert 0 < int(answer.headers["retry-after"]) <= 86_400
    assert answer.headers["connection"] == "close"
    assert uploaded(connection) <= 4_000_000
    assert asked_for <= (0 if declared else 2_060_000) or declared
    assert connection.execute("SELECT count(*) FROM images").fetchone() == (0,)


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_that_no_day_allows_is_413(
    declared: bool, client: httpx.AsyncClient, settings: Settings, connection: psycopg.Connection
) -> None:
    headers = bearer(await limited(settings, quota=2_000_000)) | PNG
    sizes = {"Content-Length": "3000000"} if declared else {}

    answer = await client.post("/v1/images", content=in_pieces(bytes(3_000_000)), headers=headers | sizes)

    assert problem(answer, 413)["detail"] == "The token may upload 2000000 bytes a day (UTC), and the body has more."
    assert "retry-after" not in answer.headers


async def test_the_whole_quota_can_be_used_without_a_declared_length(
    client: httpx.AsyncClient, settings: Settings, connection: psycopg.Connection
) -> None:
    """The last bytes of a day are fewer than the step in which such bodies are counted."""
    content = picture("PNG")
    headers = bearer(await limited(settings, quota=len(content))) | PNG

    assert (await client.post("/v1/images", content=in_pieces(content, 100), headers=headers)).status_code == 201

    assert uploaded(connection) == len(content)
    problem(await client.post("/v1/images", content=b"x", headers=headers), 429, "upload-quota-exceeded")


async def test_bodies_that_nothing_reads_are_rejected_and_counted(
    client: httpx.AsyncClient, settings: Settings, connection: psycopg.Connection
) -> None:
    headers = bearer(await limited(settings, quota=1_000_000))
    body = bytes(100_000)
    id = insert(connection)
    for number, (method, path, status) in enumerate(UNREAD, 1):
        answer = await client.request(method, path.format(id=id), content=body, headers=headers)
        problem(answer, status)
        assert uploaded(connection) == number * len(body), (method, path)

    for method, path, status in UNREAD:
        for size, expected in [(1_000_000 - len(UNREAD) * len(body) + 1, 429), (1_000_001, 413)]:
            problem(await client.request(method, path.format(id=id), content=bytes(size), headers=headers), expected)
        in_chunks = await client.request(method, path.format(id=id), content=in_pieces(body), headers=headers)
        problem(in_chunks, status)
    for method, path in [("GET", "/v1/images"), ("DELETE", f"/v1/images/{id}")]:
        answer = await client.request(method, path, content=in_pieces(b""), headers=headers)
        assert answer.status_code in {200, 204}  # a chunked body may be empty


UNREAD = [
    ("GET", "/v1/images", 413),
    ("GET", "/v1/images/{id}", 413),
    ("DELETE", "/v1/images/{id}", 413),
    ("GET", "/v1/stats", 413),
    ("PUT", "/v1/images/{id}", 405),
    ("POST", "/v1/nothing", 404),
]


async def test_uploads_at_once_to_two_workers_never_exceed_the_quota(
    closed: Settings, connection: psycopg.Connection
) -> None:
    content = picture("PNG")
    token = await limited(closed, quota=5 * len(content))
    async with workers(closed, 2) as clients:
        sent: list[Any] = [
            one.post(
                "/v1/images",
                content=content if number % 2 else in_pieces(content),
                headers=bearer(token) | PNG,
            )
            for number, one in enumerate(clients * 5)
        ]
        statuses = [answer.status_code for answer in await asyncio.gather(*sent)]

    stored = sum(status in {200, 201} for status in statuses)
    assert statuses.count(429) == 10 - stored >= 5
    assert uploaded(connection) == stored * len(content)


async def test_a_body_that_breaks_off_counts_what_came(
    client: httpx.AsyncClient, settings: Settings, connection: psycopg.Connection
) -> None:
    headers = bearer(await limited(settings, quota=10_000_000)) | PNG | {"Content-Length": "4000000"}

    async def broken_off() -> AsyncIterator[bytes]:
        yield bytes(1000)
        raise httpx.ReadError("gone")

    with pytest.raises(httpx.ReadError):
        await client.post("/v1/images", content=broken_off(), headers=headers)

    assert uploaded(connection) == 1000


async def test_a_new_day_begins_at_zero(
    client: httpx.AsyncClient, settings: Settings, connection: psycopg.Connection
) -> None:
    """Bytes that are given back after midnight do not make the new day longer."""
    content = picture("PNG")
    headers = bearer(await limited(settings, quota=len(content))) | PNG
    assert (await client.post("/v1/images", content=content, headers=headers)).status_code == 201
    problem(await client.post("/v1/images", content=content, headers=headers), 429, "upload-quota-exceeded")

    connection.execute("UPDATE token_usage SET upload_day = upload_day - 1")
    assert (await client.post("/v1/images", content=content, headers=headers)).status_code == 200

    async with Pool(settings) as pool:
        row = await token_queries.count_upload_bytes(pool, await _id(settings), -5, None)
        assert row is not None
        assert row["remaining"] == 0
    assert uploaded(connection) == len(content)


async def test_without_the_primary_no_upload_is_taken_in(
    closed: Settings, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await limited(settings, quota=1000)

    async def fail(*_: object) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(token_queries, "count_upload_bytes", fail)
    async with client_of(closed) as client:
        answer = await client.post("/v1/images", content=b"x", headers=bearer(token) | PNG)

    problem(answer, 503)


async def test_without_a_database_a_limited_token_is_503(closed: Settings) -> None:
    gone = closed.model_copy(update={"database_url": SecretStr("postgresql://x@127.0.0.1:1/x")})
    async with client_of(gone) as client:
        problem(await client.get(NOWHERE, headers=bearer(tokens.make().text)), 503)
