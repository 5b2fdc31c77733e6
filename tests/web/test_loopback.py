"""Guard of AUTH=none: requests of other hosts, and of web pages of other origins, to each route of the service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import product
from typing import Any

import httpx
import psycopg
import pytest
from starlette.routing import Mount, Route
from starlette.types import Message, Receive, Scope, Send

from app.catalogue.cursors import FIRST_ID
from app.main import create_app
from app.settings import Settings
from app.web.loopback import LoopbackGuard, _loopback_origin
from tests.conftest import client_of
from tests.support.api import objects, problem, rows, upload
from tests.support.pictures import picture
from tests.support.properties import given, st

METHODS = ("GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS", "PUT", "HACK")
LINK = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
PAGES = ("/", "/schema", "/docs")
OWN = [
    "localhost",
    "localhost:8000",
    "LocalHost:1",
    "localhost.:8000",
    "localhost:",
    "[::1]:",
    "gallery.localhost:8000",
    "a.b.localhost.",
    "127.0.0.1",
    "127.0.0.1:8000",
    "127.255.0.9:80",
    "127.0.0.1.:8000",
    "[::1]",
    "[::1]:8000",
    "[0:0:0:0:0:0:0:1]:8000",
    "[::ffff:127.0.0.1]:8000",
    "[::ffff:7f00:1]",
]
FOREIGN_HOSTS = [
    "",
    "a",
    "evil.example",
    "evil.example:8000",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "evil-localhost",
    "xlocalhost:8000",
    ".localhost",
    "localhost..",
    "localhost@evil.example",
    "local host",
    "127.0.0.1@evil.example",
    "evil.example@127.0.0.1",
    "evil.example/localhost",
    "evil.example#.localhost",
    "evil.example\\.localhost",
    "evil.example?.localhost",
    "localhost,evil.example",
    "localhost:80:80",
    "0.0.0.0",  # noqa: S104
    "0",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "127.0.0.01",
    "192.0.2.1",
    "128.0.0.1",
    "[::]",
    "[::2]",
    "[::ffff:0.0.0.0]",
    "[::1%25lo]",
    "[fe80::1]",
    "::1",
    "[::1",
    "localhost:99999",
    "localhost:evil",
    "ip6-localhost",
    "localhost.localdomain",
]
FOREIGN: list[dict[str, str]] = [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://localhost:3000"},
    {"Origin": "https://localhost:8000"},
    {"Origin": "http://127.0.0.1:8000"},
    {"Origin": "http://localhost:8000.evil.example"},
    {"Origin": "http://evil.example http://localhost:8000"},
    {"Origin": "chrome-extension://abcdefghijklmnop"},
    {"Origin": "http://evil.example", "X-Forwarded-Host": "evil.example"},
    {"Origin": "http://evil.example", "Forwarded": "host=evil.example", "X-HTTP-Method-Override": "GET"},
    {"Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"},
    {"Origin": "http://localhost:8000", "Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "same-origin, cross-site"},
    {"Sec-Fetch-Site": ""},
    {"Sec-Fetch-Site": "none", "Sec-Purpose": "prefetch"},
    {"Sec-Fetch-Site": "none", "Sec-Purpose": "prefetch;prerender", "Sec-Fetch-Mode": "navigate"},
    LINK | {"Origin": "http://evil.example"},
    LINK | {"Sec-Fetch-Dest": "iframe"},
    LINK | {"Sec-Fetch-Dest": "embed"},
    LINK | {"Sec-Fetch-Mode": "no-cors"},
    LINK | {"Sec-Fetch-Dest": ""},
]


def test_a_route_that_is_added_is_tested_too(settings: Settings) -> None:
    assert len(paths(settings)) > 20
    assert {"/static/style.css", "/docs/assets/swagger-ui.css", f"/v1/images/{FIRST_ID}"} <= {*paths(settings)}


def paths(settings: Settings) -> list[str]:
    """Return a path of each route, a file of each Mount, and a path that does not exist."""
    files = {"/static": "/style.css", "/docs/assets": "/swagger-ui.css"}
    found = ["/none"]
    for route in create_app(settings).routes:
        assert isinstance(route, Route | Mount)
        found.append(route.path.replace("{id:uuid}", str(FIRST_ID)) + files.get(route.path, ""))
        found += [f"{route.path}/none"] if isinstance(route, Mount) else []
    return found


@pytest.fixture
async def guarded() -> AsyncIterator[httpx.AsyncClient]:
    """A client of the guard, before an application that answers each request with 200."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    transport = httpx.ASGITransport(LoopbackGuard(app, PAGES))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
        yield client


@asynccontextmanager
async def seen_as(guarded: httpx.AsyncClient, **parts: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the same guard, whose requests have these parts in their scope."""
    guard = guarded._transport.app  # type: ignore[attr-defined]
    transport = httpx.ASGITransport(lambda scope, receive, send: guard({**scope, **parts}, receive, send))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
        yield client


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(settings) as client:
        client.base_url = httpx.URL("http://localhost:8000")
        yield client


async def test_each_route_rejects_foreign_hosts_and_pages_with_each_method(
    client: httpx.AsyncClient, settings: Settings, connection: psycopg.Connection
) -> None:
    image = await upload(client, picture())
    before = objects(settings)
    foreign: list[dict[str, Any]] = [{"Host": "evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "same-site"}]

    for path, method, headers in product(paths(settings), METHODS, foreign):
        url = path.replace(str(FIRST_ID), image["id"])
        response = await client.request(method, url, headers=headers, files={"file": picture(seed=1)})
        assert response.status_code == (421 if "Host" in headers else 403), (method, url, headers)
        assert response.headers["cross-origin-resource-policy"] == "same-origin"
        assert not [name for name in response.headers if name.startswith("access-control")]

    assert rows(connection) == 1
    assert objects(settings) == before


@pytest.mark.parametrize("host", OWN)
async def test_a_host_on_loopback_is_served_and_its_own_page_is_too(host: str, guarded: httpx.AsyncClient) -> None:
    own = {"Host": host, "Origin": f"http://{host.removesuffix(':')}", "Sec-Fetch-Site": "same-origin"}

    assert (await guarded.get("/v1/images", headers={"Host": host})).status_code == 200
    assert (await guarded.get("/v1/images", headers={"Host": host, "Sec-Fetch-Site": "none"})).status_code == 200
    assert (await guarded.get("/v1/images", headers=own | {"Sec-Purpose": "prefetch;prerender"})).status_code == 200
    assert (await guarded.post("/v1/images", files={"file": picture()}, headers=own)).status_code == 200


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
async def test_a_host_that_is_not_on_loopback_is_misdirected(host: str, guarded: httpx.AsyncClient) -> None:
    for also in ({}, {"Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}, LINK, forwarded("localhost:8000")):
        for path in ("/v1/images", "/", "/healthz"):
            said = problem(await guarded.get(path, headers={"Host": host} | also), 421)
            assert not host or len(host) < 10 or host not in said["detail"]


def forwarded(host: str) -> dict[str, str]:
    return {"X-Forwarded-Host": host, "Forwarded": f"host={host}", "X-Original-Host": host, "X-Host": host}


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
async def test_a_page_of_another_origin_is_rejected(headers: dict[str, str], guarded: httpx.AsyncClient) -> None:
    for method, path in product(("GET", "HEAD", "POST", "OPTIONS"), ("/v1/images", *PAGES)):
        response = await guarded.request(method, path, headers=headers)
        assert response.status_code == 403, (method, path)


async def test_a_foreign_origin_beside_the_own_one_is_rejected(guarded: httpx.AsyncClient) -> None:
    for origins in (["http://localhost:8000", "http://evil.example"], ["http://evil.example", "http://localhost:8000"]):
        problem(await guarded.get("/v1/images", headers=[("Origin", origin) for origin in origins]), 403)


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_a_link_of_another_page_opens_the_pages_for_people_and_nothing_else(
    site: str, settings: Settings, client: httpx.AsyncClient
) -> None:
    for method, path in product(METHODS, paths(settings)):
        response = await client.request(method, path, headers=LINK | {"Sec-Fetch-Site": site})
        assert (response.status_code == 200) == (method in {"GET", "HEAD"} and path in PAGES), (method, path)
    assert (await client.get("/?image=1&q=a", headers=LINK)).status_code == 200
    early = LINK | {"Sec-Fetch-Site": "none", "Sec-Purpose": "prefetch;prerender"}  # before the user follows the link
    assert (await client.get("/", headers=early)).status_code == 200


async def test_a_link_opens_the_pages_below_a_root_path(guarded: httpx.AsyncClient) -> None:
    async with seen_as(guarded, root_path="/images") as client:
        assert (await client.get("/images/docs", headers=LINK)).status_code == 200
        assert (await client.get("/images/v1/images", headers=LINK)).status_code == 403


async def test_behind_a_proxy_with_tls_the_own_origin_is_https(guarded: httpx.AsyncClient) -> None:
    """uvicorn takes the scheme from X-Forwarded-Proto."""
    async with seen_as(guarded, scheme="https") as client:
        for origin, status in [("https://localhost", 200), ("https://localhost:443", 200), ("http://localhost", 403)]:
            headers = {"Host": "localhost", "Origin": origin}
            assert (await client.get("/v1/images", headers=headers)).status_code == status


async def test_only_requests_to_an_address_on_loopback_are_served(guarded: httpx.AsyncClient) -> None:
    for host in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
        async with seen_as(guarded, server=(host, 8000)) as client:
            assert (await client.get("/healthz")).status_code == 200
    async with seen_as(guarded, server=("/run/images.sock", None)) as client:
        assert (await client.get("/healthz")).status_code == 200
    for host in ("192.0.2.7", "::ffff:192.0.2.7", "2001:db8::1"):
        async with seen_as(guarded, server=(host, 8000)) as client:
            problem(await client.get("/healthz"), 403)


async def test_a_websocket_is_closed(guarded: httpx.AsyncClient) -> None:
    """The service has none, but uvicorn opens one if the package websockets is there."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    await guarded._transport.app({"type": "websocket", "path": "/", "headers": []}, receive, send)  # type: ignore[attr-defined]

    assert sent == [{"type": "websocket.close"}]


async def test_with_tokens_no_host_and_no_page_is_rejected(settings: Settings) -> None:
    async with client_of(settings.model_copy(update={"auth": "token"})) as client:
        for headers in ({"Host": "images.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
            assert (await client.get("/healthz", headers=headers)).status_code == 200


@given(
    st.text(max_size=30) | st.from_regex(r"(evil|localhost|127\.0\.0\.1|\[::1\]|[:@/?#.\\]|80){1,5}", fullmatch=True)
)
def test_no_text_but_a_name_or_an_address_of_loopback_is_one(host: str) -> None:
    if _loopback_origin("http", host) is not None:
        name, _, port = host.lower().rpartition(":") if not host.endswith("]") and ":" in host else (host, "", "1")
        assert port.isdigit()
        assert name.lower().removesuffix(".").rpartition(".")[2] == "localhost" or name.startswith(("127.", "["))
        assert not {*name} & {*"@/?#\\ ,"}
