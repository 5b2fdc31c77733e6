"""CORS: which headers pages of other origins may send and read. Forwarded addresses: which peers may set them."""

from typing import Any
from unittest.mock import Mock

import psycopg
import pytest
import uvicorn

from app.catalogue import tokens
from app.catalogue.cursors import FIRST_ID
from app.settings import Settings
from tests.conftest import client_of
from tests.support.api import upload
from tests.support.pictures import picture
from tests.web.test_tokens import bearer

ORIGIN = {"Origin": "https://a.example"}


@pytest.mark.parametrize(
    "header", ["traceparent", "tracestate", "x-request-id", "if-none-match", "if-unmodified-since"]
)
async def test_a_page_of_another_origin_may_send_the_headers_that_the_api_reads(
    header: str, settings: Settings
) -> None:
    asks = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": header}
    async with client_of(settings.model_copy(update={"auth": "token", "cors_origins": ORIGIN["Origin"]})) as client:
        preflight = await client.options(f"/v1/images/{FIRST_ID}", headers=asks | ORIGIN)

    assert preflight.status_code == 200, preflight.text


async def test_a_page_of_another_origin_sees_where_the_known_bytes_are(
    settings: Settings, connection: psycopg.Connection
) -> None:
    token = tokens.make()
    row = [token.id, token.sha256]
    connection.execute("INSERT INTO tokens (id, name, scope, sha256) VALUES (%s, 'page', 'write', %s)", row)
    async with client_of(settings) as client:
        await upload(client)
    async with client_of(settings.model_copy(update={"auth": "token", "cors_origins": ORIGIN["Origin"]})) as client:
        known = await client.post("/v1/images", files={"file": picture()}, headers=ORIGIN | bearer(token.text))

    assert known.headers["content-location"]
    assert "Content-Location" in known.headers["access-control-expose-headers"]


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("127.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", "10.0.0.1, 198.51.100.7", "198.51.100.7"),  # the client wrote the first one itself
        ("203.0.113.9", "198.51.100.7", "203.0.113.9"),
    ],
    ids=["from the proxy", "forged before the proxy", "from another peer"],
)
async def test_the_address_of_a_client_comes_from_a_trusted_proxy_only(
    peer: str, forwarded: str, client: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, int] | None] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["client"])

    monkeypatch.delenv("FORWARDED_ALLOW_IPS", raising=False)
    config = uvicorn.Config(app, interface="asgi3", log_config=None)
    config.load()
    scope: Any = {"type": "http", "scheme": "http", "client": (peer, 1)}
    scope["headers"] = [(b"x-forwarded-for", forwarded.encode())]
    await config.loaded_app(scope, Mock(), Mock())

    assert [address and address[0] for address in seen] == [client]
