"""Tokens and scopes: the requests that each of them allows."""

import asyncio
import json
import re
import subprocess
import time
from collections.abc import AsyncIterator, MutableMapping
from datetime import timedelta
from pathlib import Path
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
from app.decoder.queue import DecoderQueue
from app.main import create_app
from app.settings import Settings
from tests.cli.test_entrypoint import free_port, ready, service
from tests.conftest import BIN, client_of, environment
from tests.migrations.test_backend import wait_until
from tests.support import forked
from tests.support.api import insert, objects, part, problem, rows
from tests.support.pictures import picture
from tests.web.test_exports import LARGE

ID = UUID(int=7)
JPEG = {"Content-Type": "image/jpeg"}
EVERYTHING = [
    ("GET", "/v1/images", "read"),
    ("POST", "/v1/images", "write"),
    ("GET", f"/v1/images/{ID}", "read"),
    ("PATCH", f"/v1/images/{ID}", "write"),
    ("DELETE", f"/v1/images/{ID}", "write"),
    ("GET", f"/v1/images/{ID}/content", "read"),
    ("GET", f"/v1/images/{ID}/thumbnail", "read"),
    ("POST", "/v1/images/import", "admin"),
    ("GET", "/v1/images/export", "read"),
    ("GET", "/v1/tags", "read"),
    ("GET", "/v1/cameras", "read"),
    ("GET", "/v1/stats", "read"),
    ("GET", "/v1/timeline", "read"),
    ("GET", "/v1/token", "read"),
    ("GET", "/v1/schema", "admin"),
]


@pytest.fixture
async def closed(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of an application that needs tokens, which is the default."""
    async with client_of(settings.model_copy(update={"auth": "token"})) as client:
        yield client


async def made(settings: Settings, scope: str, name: str = "a client") -> str:
    """Create a token and return its text."""
    token = tokens.make()
    owner = settings.model_copy(update={"database_url": settings.migrator_url})
    async with Pool(owner) as pool, pool.transaction() as connection:
        assert await token_queries.insert_token(connection, token.id, name, scope, token.sha256)
    return token.text


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def images(database: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return forked.run(environment(DATABASE_URL=database), "images", "token", *arguments)


def test_every_path_of_the_api_is_in_this_list(settings: Settings) -> None:
    paths = {getattr(route, "path", "").replace("{id:uuid}", str(ID)) for route in create_app(settings).routes}

    assert paths - {path for _, path, _ in EVERYTHING} == {
        "/healthz",
        "/readyz",
        "/openapi.json",
        "/metrics",
        "/docs",
        "/problems/{kind:str}",
        "/docs/assets",
        "/",
        "/schema",
        "/static",
    }


@pytest.mark.parametrize(("method", "path", "scope"), EVERYTHING)
async def test_without_a_token_nothing_answers(method: str, path: str, scope: str, closed: httpx.AsyncClient) -> None:
    for headers in ({}, {"Authorization": "Basic YTpi"}, bearer(tokens.make().text), bearer("images_")):
        response = await closed.request(method, path, headers=headers)

        problem(response, 401)
        assert response.headers["www-authenticate"].startswith('Bearer realm="images"')


@pytest.mark.parametrize(("method", "path", "scope"), EVERYTHING)
async def test_a_scope_allows_what_needs_it_or_less(
    method: str, path: str, scope: tokens.Scope, closed: httpx.AsyncClient, settings: Settings
) -> None:
    for has in tokens.SCOPES:
        response = await closed.request(method, path, headers=bearer(await made(settings, has, has)))

        if tokens.SCOPES.index(has) < tokens.SCOPES.index(scope):
            problem(response, 403, "insufficient-scope")
            assert f'scope="{scope}"' in response.headers["www-authenticate"]
            assert f"needs a token with scope {scope}." in response.json()["detail"]
        else:
            assert response.status_code in {200, 404, 415}, response.text


@pytest.mark.parametrize(
    "path",
    [
        "/healthz",
        "/readyz",
        "/metrics",
        "/openapi.json",
        "/docs",
        "/problems/busy",
        "/static/docs.js",
        "/docs/assets/swagger-ui.css",
    ],
)
async def test_health_and_documentation_answer_without(path: str, closed: httpx.AsyncClient) -> None:
    assert (await closed.get(path)).status_code == 200


@pytest.mark.parametrize("scope", ["read", "write", "admin"])
async def test_a_client_can_ask_for_the_scope_of_its_token(
    scope: str, settings: Settings, client: httpx.AsyncClient, closed: httpx.AsyncClient
) -> None:
    answer = await closed.get("/v1/token", headers=bearer(await made(settings, scope)))
    assert (answer.status_code, answer.json()) == (200, {"scope": scope})
    assert (await client.get("/v1/token")).json() == {"scope": "admin"}  # AUTH=none


async def test_who_has_no_token_learns_of_no_path_and_no_method(closed: httpx.AsyncClient) -> None:
    for method, path in (("GET", "/v2"), ("PUT", "/v1/images"), ("OPTIONS", "/v1/images"), ("GET", "/v1/images/x")):
        problem(await closed.request(method, path), 401)


async def test_only_spaces_and_tabs_may_surround_a_token(closed: httpx.AsyncClient, settings: Settings) -> None:
    token = (await made(settings, "read")).encode()

    for around in (b" ", b"\t", b"  \t "):
        headers = [(b"Authorization", b"Bearer " + around + token + around)]
        assert (await closed.get("/v1/images", headers=headers)).status_code == 200
    for around in (b"\xa0", b"\x85", b"\x1c", b"\x1f", b"\x0b", b"\x0c", b"\xc2\xa0", b"\xe2\x80\xa8"):
        for value in (around + token + around, around + token, token + around):
            problem(await closed.get("/v1/images", headers=[(b"Authorization", b"Bearer " + value)]), 401)


async def test_two_authorization_headers_are_rejected(closed: httpx.AsyncClient, settings: Settings) -> None:
    """A proxy may have read the other one."""
    headers = [("Authorization", f"Bearer {await made(settings, scope, scope)}") for scope in ("read", "write")]

    for pair in (headers, headers[::-1], headers[:1] * 2):
        response = await closed.get("/v1/stats", headers=pair)
        assert (response.status_code, response.json()["detail"]) == (400, "Send one Authorization header.")


async def test_an_unknown_id_and_a_wrong_secret_answer_alike(closed: httpx.AsyncClient, settings: Settings) -> None:
    token = await made(settings, "read")
    named = {"X-Request-ID": "the-same"}
    unknown = await closed.get("/v1/images", headers=bearer(tokens.make().text) | named)
    wrong = await closed.get("/v1/images", headers=bearer(token[:-4] + "AAAA") | named)

    assert (unknown.status_code, unknown.content) == (wrong.status_code, wrong.content)
    assert unknown.headers == wrong.headers


async def test_hashes_are_compared_in_constant_time(
    closed: httpx.AsyncClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong secret and an unknown ID cost the same comparisons: two with the cache, and two after the look-up."""
    compared = []

    def compare(given: bytes, known: bytes) -> bool:
        compared.append((len(given), len(known)))
        return given == known

    monkeypatch.setattr("hmac.compare_digest", compare)
    token = await made(settings, "read")
    for text in (token, tokens.make().text, token[:-4] + "AAAA"):
        await closed.get("/v1/images", headers=bearer(text))

    assert compared == [(32, 32)] * (3 + 4 + 4)


async def test_an_unknown_id_and_a_wrong_secret_cost_a_look_up_each(
    closed: httpx.AsyncClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the cache answered for a known ID, the time would tell which IDs exist."""
    monkeypatch.setattr("app.web.auth.CACHE_TIME", 60.0)
    token = await made(settings, "read")
    assert (await closed.get("/v1/images", headers=bearer(token))).status_code == 200
    looked = looks(monkeypatch)

    for text in (token[:-4] + "AAAA", tokens.make().text) * 3:
        problem(await closed.get("/v1/images", headers=bearer(text)), 401)

    assert len(looked) == 6


def looks(monkeypatch: pytest.MonkeyPatch) -> list[UUID]:
    """Return the list to which each look-up of a token adds its ID."""
    looked = []
    find = token_queries.find_token

    async def look(pool: Pool, id: UUID) -> Record | None:
        looked.append(id)
        return await find(pool, id)

    monkeypatch.setattr(token_queries, "find_token", look)
    return looked


async def rotated(
    settings: Settings, connection: psycopg.Connection, overlap: timedelta, lifetime: timedelta | None = None
) -> str:
    """Give the only token a new secret and return its text."""
    found = connection.execute("SELECT id, sha256 FROM tokens").fetchone()
    assert found is not None
    token = tokens.make(found[0])
    async with (
        Pool(settings.model_copy(update={"database_url": settings.migrator_url})) as pool,
        pool.transaction() as owner,
    ):
        assert await token_queries.rotate_token(
            owner, found[0], found[1], token.sha256, overlap=overlap, expires_at=None, lifetime=lifetime
        )
    return token.text


async def test_both_secrets_work_until_the_overlap_ends(
    closed: httpx.AsyncClient, settings: Settings, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "app.web.auth.CACHE_TIME", 60.0
    )  # the new secret is known at once, although the token is cached
    first = await made(settings, "read")
    assert (await closed.get("/v1/images", headers=bearer(first))).status_code == 200

    second = await rotated(settings, connection, timedelta(days=1))

    for text in (second, first, second):
        assert (await closed.get("/v1/images", headers=bearer(text))).status_code == 200
    problem(await closed.get("/v1/images", headers=bearer(second[:-4] + "AAAA")), 401)
    connection.execute("UPDATE tokens SET former_expires_at = now()")
    problem(await closed.get("/v1/images", headers=bearer(second[:-4] + "AAAA")), 401)  # a look-up
    expired = await closed.get("/v1/images", headers=bearer(first))
    assert problem(expired, 401)["detail"] == "The token has expired."
    assert (await closed.get("/v1/images", headers=bearer(second))).status_code == 200


async def test_without_an_overlap_only_the_new_secret_works(
    closed: httpx.AsyncClient, settings: Settings, connection: psycopg.Connection
) -> None:
    first = await made(settings, "read")
    second = await rotated(settings, connection, timedelta())

    assert (await closed.get("/v1/images", headers=bearer(second))).status_code == 200
    problem(await closed.get("/v1/images", headers=bearer(first)), 401)


async def test_revoking_ends_both_secrets(
    closed: httpx.AsyncClient, settings: Settings, connection: psycopg.Connection
) -> None:
    first = await made(settings, "read")
    second = await rotated(settings, connection, timedelta(days=1))

    async with Pool(settings.model_copy(update={"database_url": settings.migrator_url})) as pool:
        assert await token_queries.revoke_token(pool, "a client")

    for text in (first, second):
        answer = await closed.get("/v1/images", headers=bearer(text))
        assert problem(answer, 401)["detail"] == "The token is unknown or revoked."


async def test_only_the_right_secret_learns_that_a_token_has_expired(
    closed: httpx.AsyncClient, settings: Settings, connection: psycopg.Connection
) -> None:
    token = await made(settings, "read")
    connection.execute("UPDATE tokens SET expires_at = now()")
    named = {"X-Request-ID": "the-same"}

    expired = await closed.get("/v1/images", headers=bearer(token) | named)
    wrong = await closed.get("/v1/images", headers=bearer(token[:-4] + "AAAA") | named)
    unknown = await closed.get("/v1/images", headers=bearer(tokens.make().text) | named)

    assert problem(expired, 401)["detail"] == "The token has expired."
    assert expired.headers["www-authenticate"] == (
        'Bearer realm="images", error="invalid_token", error_description="The token has expired."'
    )
    assert (wrong.status_code, wrong.content, wrong.headers) == (401, unknown.content, unknown.headers)
    assert "expired" not in wrong.text + wrong.headers["www-authenticate"]
    assert connection.execute("SELECT last_used_at FROM tokens").fetchone() == (None,)


async def test_a_token_expires_on_time_although_it_is_cached(
    closed: httpx.AsyncClient, settings: Settings, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.web.auth.CACHE_TIME", 60.0)
    token = await made(settings, "read")
    connection.execute("UPDATE tokens SET expires_at = clock_timestamp() + interval '1 second'")
    begun = asked = time.monotonic()
    while (answer := await closed.get("/v1/images", headers=bearer(token))).status_code == 200:
        assert asked - begun < 1
        asked = time.monotonic()

    assert problem(answer, 401)["detail"] == "The token has expired."


async def test_a_locked_row_holds_up_no_request(
    closed: httpx.AsyncClient, settings: Settings, connection: psycopg.Connection
) -> None:
    """`images token rotate` waits with its output unread, before it commits."""
    token = await made(settings, "read")
    with connection.transaction():
        connection.execute("SELECT FROM tokens FOR UPDATE")
        begun = time.monotonic()
        assert (await closed.get("/v1/images", headers=bearer(token))).status_code == 200
        assert time.monotonic() - begun < settings.database_statement_timeout  # a wait would take as long
    assert connection.execute("SELECT last_used_at FROM tokens").fetchone() == (None,)


async def test_a_revoked_token_is_refused_within_a_second(closed: httpx.AsyncClient, settings: Settings) -> None:
    token = await made(settings, "read")
    assert (await closed.get("/v1/images", headers=bearer(token))).status_code == 200

    async with Pool(settings.model_copy(update={"database_url": settings.migrator_url})) as pool:
        assert await token_queries.revoke_token(pool, "a client")
    revoked = time.monotonic()
    while (await closed.get("/v1/images", headers=bearer(token))).status_code == 200:
        assert time.monotonic() - revoked < 1
        await asyncio.sleep(0.02)

    problem(await closed.get("/v1/images", headers=bearer(token)), 401)


@pytest.mark.parametrize(
    "end",
    [
        "UPDATE tokens SET revoked_at = now() WHERE name = %s",
        "UPDATE tokens SET expires_at = now() WHERE name = %s",
    ],
    ids=["revoked", "expired"],
)
async def test_a_token_that_ends_while_its_body_arrives_writes_nothing(
    end: LiteralString,
    closed: httpx.AsyncClient,
    settings: Settings,
    connection: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.web.auth.CACHE_TIME", 0.0)
    id = insert(connection, filename="kept.jpg")
    line = b'{"filename": "a", "content_type": "image/png", "byte_size": 1, "width": 1, "height": 1, "sha256": "%b"}'
    form = b"".join([part('name="file"; filename="a.jpg"', picture()), b"--0a1b2c--\r\n"])
    requests = [
        ("POST", "/v1/images", "image/jpeg", picture()),
        ("POST", "/v1/images", "multipart/form-data; boundary=0a1b2c", form),
        ("PATCH", f"/v1/images/{id}", "application/json", b'{"filename": "changed"}'),
        ("PATCH", f"/v1/images/{id}", "application/json", b"{}"),
        ("POST", "/v1/images/import", "application/x-ndjson", line % (b"a" * 64)),
    ]
    for number, (method, path, type, content) in enumerate(requests):
        token = await made(settings, "admin", f"client {number}")

        async def body(content: bytes, number: int) -> AsyncIterator[bytes]:
            yield content[:9]
            connection.execute(end, [f"client {number}"])
            yield content[9:]

        headers = {"Content-Type": type, **bearer(token)}
        answer = await closed.request(method, path, content=body(content, number), headers=headers)

        problem(answer, 401)
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert connection.execute("SELECT filename FROM images").fetchall() == [("kept.jpg",)]
    assert objects(settings) == []


async def test_a_token_that_ends_during_its_export_gets_no_more(
    closed: httpx.AsyncClient,
    settings: Settings,
    connection: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("app.web.auth.CACHE_TIME", 0.0)
    connection.execute(LARGE.encode())
    token = await made(settings, "read")
    sent: list[MutableMapping[str, Any]] = []

    async def nothing() -> MutableMapping[str, Any]:
        await asyncio.Event().wait()
        return {}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)
        if len(sent) == 3:
            connection.execute("UPDATE tokens SET revoked_at = now()")

    headers = [(b"host", b"localhost"), (b"authorization", f"Bearer {token}".encode())]
    scope = {"type": "http", "method": "GET", "path": "/v1/images/export", "query_string": b"", "headers": headers}
    transport = closed._transport
    assert isinstance(transport, httpx.ASGITransport)
    await transport.app({**scope, "http_version": "1.1"}, nothing, send)

    assert [message.get("status") for message in sent] == [200, None, None]
    assert all(message["more_body"] for message in sent[1:])
    assert "an export was cut off: The token is unknown or revoked." in caplog.text


async def test_a_token_that_ends_while_its_image_is_decoded_writes_nothing(
    closed: httpx.AsyncClient,
    settings: Settings,
    connection: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The image may wait for its turn as long as the request may take."""
    monkeypatch.setattr("app.web.auth.CACHE_TIME", 0.0)
    token = await made(settings, "write")
    run = DecoderQueue.run

    async def late(*arguments: Any) -> Any:
        connection.execute("UPDATE tokens SET revoked_at = now()")
        return await run(*arguments)

    monkeypatch.setattr(DecoderQueue, "run", late)

    problem(await closed.post("/v1/images", content=picture(), headers={**bearer(token), **JPEG}), 401)
    assert rows(connection) == 0
    assert objects(settings) == []


async def test_a_new_token_is_known_at_once(closed: httpx.AsyncClient, settings: Settings) -> None:
    token = tokens.make()
    problem(await closed.get("/v1/images", headers=bearer(token.text)), 401)

    owner = settings.model_copy(update={"database_url": settings.migrator_url})
    async with Pool(owner) as pool, pool.transaction() as connection:
        await token_queries.insert_token(connection, token.id, "late", "read", token.sha256)

    assert (await closed.get("/v1/images", headers=bearer(token.text))).status_code == 200


async def test_a_token_in_use_is_looked_up_once_for_many_requests(
    closed: httpx.AsyncClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = looks(monkeypatch)
    monkeypatch.setattr("app.web.auth.CACHE_TIME", 60.0)
    token = await made(settings, "read")

    answers = await asyncio.gather(*(closed.get(f"/v1/images/{ID}", headers=bearer(token)) for _ in range(20)))

    assert {answer.status_code for answer in answers} == {404}
    assert len(looked) == 1


@pytest.mark.routes("direct", "pgbouncer")
async def test_its_last_use_is_noted(
    closed: httpx.AsyncClient, settings: Settings, connection: psycopg.Connection
) -> None:
    token = await made(settings, "read")
    assert connection.execute("SELECT last_used_at FROM tokens").fetchone() == (None,)

    await closed.get("/v1/images", headers=bearer(token))

    noted = connection.execute("SELECT last_used_at > now() - interval '5 s' FROM tokens").fetchone()
    assert noted == (True,)


async def test_who_has_the_id_alone_does_not_use_it(
    closed: httpx.AsyncClient, settings: Settings, connection: psycopg.Connection
) -> None:
    problem(await closed.get("/v1/images", headers=bearer((await made(settings, "read"))[:-4] + "AAAA")), 401)

    assert connection.execute("SELECT last_used_at FROM tokens").fetchone() == (None,)


async def test_without_a_database_the_answer_is_503(settings: Settings) -> None:
    gone = settings.model_copy(update={"auth": "token", "database_url": SecretStr("postgresql://x@127.0.0.1:1/x")})
    async with client_of(gone) as client:
        response = await client.get("/v1/images", headers=bearer(tokens.make().text))

        problem(response, 503)
        assert response.headers["retry-after"]
        problem(await client.get("/v1/images", headers=bearer("images_not")), 401)


def test_the_command_makes_lists_and_revokes(database: str, connection: psycopg.Connection) -> None:
    made = images(database, "create", "gallery", "--scope", "write")
    assert made.returncode == 0, made.stderr
    assert re.fullmatch(r"images_[A-Za-z0-9_-]{64}\n", made.stdout)
    assert "shown once" in made.stderr

    again = images(database, "create", "gallery")
    assert (again.returncode, again.stdout) == (3, "")
    assert again.stderr == (
        'error: a token named "gallery" exists.\n'
        "hint: revoke it first (images token revoke gallery), or choose another name\n"
    )

    [listed] = json.loads(images(database, "list", "--format", "json").stdout)
    assert (listed["name"], listed["scope"], listed["last_used_at"]) == ("gallery", "write", None)
    assert made.stdout.strip()[-43:] not in str(listed)

    assert images(database, "revoke", "gallery").returncode == 0
    assert "revoked" in images(database, "list").stdout
    unknown = images(database, "revoke", "gallery")
    assert (unknown.returncode, unknown.stderr) == (
        2,
        'error: no valid token is named "gallery".\nhint: list tokens: images token list\n',
    )
    assert images(database, "create", "gallery").returncode == 0

    stored = connection.execute("SELECT sha256 FROM tokens WHERE revoked_at IS NOT NULL").fetchone()
    assert stored == (tokens.digest(made.stdout.strip()),)


@pytest.mark.parametrize("name", ["", "x" * 101, "a\nb"])
def test_a_name_is_one_line(name: str, database: str) -> None:
    done = images(database, "create", name)

    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"error: [^\n]+\n(hint: [^\n]+\n)?", done.stderr)


def test_before_the_migrations_the_command_says_so(empty_database: str) -> None:
    done = images(empty_database, "list")

    assert (done.returncode, done.stderr) == (
        3,
        "error: the database lacks migrations of this release.\nhint: apply them: yoyo apply\n",
    )


def test_none_is_refused_beyond_loopback(database: str) -> None:
    done = subprocess.run(
        [BIN / "images", "wait"],
        env=environment(DATABASE_URL=database, STORAGE_URL="memory:", AUTH="none", UVICORN_HOST="0.0.0.0"),  # noqa: S104
        capture_output=True,
        text=True,
    )

    assert done.returncode == 2
    assert done.stderr == (
        "error: UVICORN_HOST must be a loopback address with AUTH=none, not 0.0.0.0.\nhint: set AUTH=token\n"
    )


def test_every_worker_knows_within_a_second(database: str, connection: psycopg.Connection, tmp_path: Path) -> None:
    port, id = free_port(), insert(connection)
    token = images(database, "create", "gallery").stdout.strip()
    with service(database, port, tmp_path, AUTH="token", WEB_CONCURRENCY="2"):
        wait_until(lambda: ready(port))
        url = f"http://127.0.0.1:{port}/v1/images/{id}"
        assert [httpx.get(url, headers=bearer(token)).status_code for _ in range(20)] == [200] * 20

        assert images(database, "revoke", "gallery").returncode == 0
        time.sleep(1)

        assert [httpx.get(url, headers=bearer(token)).status_code for _ in range(20)] == [401] * 20
