"""Rules for every path: methods, negotiation, compression, and the security headers."""

import gzip

import httpx
import psycopg
import pytest

from app.catalogue.cursors import FIRST_ID
from app.settings import Settings
from app.web import negotiation
from tests.conftest import client_of
from tests.support.api import insert, problem, upload
from tests.support.pictures import picture

PATHS = [
    "/v1/images",
    f"/v1/images/{FIRST_ID}",
    f"/v1/images/{FIRST_ID}/content",
    f"/v1/images/{FIRST_ID}/thumbnail",
    "/v1/images/export",
    "/v1/images/import",
    "/v1/tags",
    "/v1/cameras",
    "/v1/stats",
    "/v1/timeline",
    "/v1/token",
    "/healthz",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/docs",
    "/static/docs.js",
    "/docs/assets/swagger-ui.css",
    "/docs/assets/none.css",
    "/none",
]
BROWSER = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


@pytest.mark.parametrize("path", PATHS)
async def test_each_answer_keeps_browsers_from_harm(path: str, client: httpx.AsyncClient) -> None:
    for method in ("GET", "HEAD", "OPTIONS", "PUT"):
        response = await client.request(method, path)

        assert BROWSER.items() <= dict(response.headers).items(), (method, response.status_code)
        for directive in ("default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"):
            assert directive in response.headers["content-security-policy"]
        assert "private" in response.headers["cache-control"]


@pytest.mark.parametrize("coding", ["gzip", "zstd", "identity"])
async def test_head_has_the_headers_of_get(coding: str, client: httpx.AsyncClient) -> None:
    """RFC 9110, section 9.3.2."""
    image = f"/v1/images/{(await upload(client, description='a' * 2000))['id']}"
    paths = [image, f"{image}/content", f"{image}/thumbnail", "/", "/schema", "/static/style.css", "/v1/images?limit=1"]

    for path in [*PATHS, *paths]:
        get, head = [
            await client.request(method, path, headers={"Accept-Encoding": coding}) for method in ("GET", "HEAD")
        ]
        # The counters change from one answer to the next.
        varying = {"x-request-id", "content-length"} if path == "/metrics" else {"x-request-id"}
        fields = [{name: response.headers[name] for name in {*response.headers} - varying} for response in (get, head)]
        assert head.status_code == get.status_code
        assert fields[0] == fields[1], path
        assert head.content == b""


async def test_so_does_a_fault_of_ours(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr("app.database.queries.get_image", fail)
    async with client_of(settings) as client:
        client._transport.raise_app_exceptions = False  # type: ignore[attr-defined]
        response = await client.get(f"/v1/images/{FIRST_ID}")

    assert "a fault" not in response.text
    problem(response, 500)
    assert BROWSER.items() <= dict(response.headers).items()


@pytest.mark.parametrize(
    ("path", "allowed", "more"),
    [
        (
            "/v1/images",
            "GET, HEAD, OPTIONS, POST",
            {"accept-post": "multipart/form-data, image/*, application/octet-stream"},
        ),
        (
            f"/v1/images/{FIRST_ID}",
            "DELETE, GET, HEAD, OPTIONS, PATCH",
            {"accept-patch": "application/merge-patch+json, application/json"},
        ),
        ("/v1/images/import", "OPTIONS, POST", {"accept-post": "application/x-ndjson"}),
        ("/healthz", "GET, HEAD, OPTIONS", {}),
    ],
)
async def test_options_tell_what_a_path_takes(
    path: str, allowed: str, more: dict[str, str], client: httpx.AsyncClient
) -> None:
    response = await client.options(path)

    assert (response.status_code, response.content) == (204, b"")
    assert response.headers["allow"] == allowed
    assert more.items() <= dict(response.headers).items()
    refused = await client.request("PUT", path)
    problem(refused, 405)
    assert refused.headers["allow"] == allowed


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/json", 200),
        ("application/*", 200),
        ("text/html, */*;q=0.1", 200),
        ("", 200),
        ("nonsense", 406),
        ("text/html", 406),
        ("*/*, application/json;q=0", 406),
        ("application/json;q=0.000", 406),
        ("application/problem+json", 406),
    ],
)
async def test_who_does_not_accept_json_is_told(accept: str, status: int, client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/images", headers={"Accept": accept})).status_code == status


async def test_what_cannot_be_answered_is_not_done(client: httpx.AsyncClient) -> None:
    refused = await client.post("/v1/images", files={"file": picture()}, headers={"Accept": "text/html"})

    problem(refused, 406)
    assert (await client.get("/v1/images")).json()["images"] == []


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
async def test_a_body_with_a_content_encoding_is_refused(method: str, client: httpx.AsyncClient) -> None:
    path = "/v1/images" if method == "POST" else f"/v1/images/{FIRST_ID}"
    body = gzip.compress(picture())

    response = await client.request(method, path, content=body, headers={"Content-Encoding": "gzip"})

    problem(response, 415)
    assert response.headers["accept-encoding"] == "identity"


async def test_json_is_compressed_where_that_is_asked_for(
    client: httpx.AsyncClient, connection: psycopg.Connection
) -> None:
    for _ in range(5):
        insert(connection)
    plain = await client.get("/v1/images", headers={"Accept-Encoding": "identity"})
    zipped = await client.get("/v1/images", headers={"Accept-Encoding": "br, gzip;q=0.5"})
    refused = await client.get("/v1/images", headers={"Accept-Encoding": "gzip;q=0"})

    assert zipped.headers["content-encoding"] == "gzip"
    assert int(zipped.headers["content-length"]) < len(plain.content) / 3
    assert zipped.json() == plain.json()
    assert "content-encoding" not in plain.headers.keys() | refused.headers.keys()
    assert {answer.headers["vary"] for answer in (plain, zipped, refused)} == {"Accept-Encoding"}


async def test_compressed_and_plain_have_their_own_etag_for_one_version(client: httpx.AsyncClient) -> None:
    url = f"/v1/images/{(await upload(client, description='a' * 2000))['id']}"
    plain = await client.get(url, headers={"Accept-Encoding": "identity"})
    zipped = await client.get(url, headers={"Accept-Encoding": "gzip"})
    tags = [answer.headers["etag"] for answer in (plain, zipped)]

    assert tags[1] == tags[0][:-1] + '-gzip"'
    for answer, tag in zip((plain, zipped), tags, strict=True):
        unchanged = await client.get(url, headers={"If-None-Match": f'"other", {tag}'})
        assert (unchanged.status_code, unchanged.headers["etag"]) == (304, tag)
        assert unchanged.headers["vary"] == answer.headers["vary"]
    assert (await client.patch(url, json={"title": "A"}, headers={"If-Match": tags[1]})).status_code == 200
    problem(await client.patch(url, json={"title": "B"}, headers={"If-Match": tags[1]}), 412, "version-conflict")


async def test_bytes_are_not_compressed(client: httpx.AsyncClient) -> None:
    url = f"/v1/images/{(await upload(client, picture('TIFF')))['id']}/content"

    assert "content-encoding" not in (await client.get(url, headers={"Accept-Encoding": "gzip"})).headers


async def test_where_it_is_required_no_change_goes_without_if_match(settings: Settings) -> None:
    async with client_of(settings.model_copy(update={"require_if_match": True})) as client:
        url = f"/v1/images/{(await upload(client))['id']}"
        etag = (await client.get(url)).headers["etag"]

        problem(await client.patch(url, json={"title": "A"}), 428)
        problem(await client.patch(url, json={"attributes": {"a": 1}}), 428)
        problem(await client.patch(url, json={}), 428)
        problem(await client.delete(url), 428)
        assert (await client.patch(url, json={"title": "A"}, headers={"If-Match": etag})).status_code == 200
        assert (await client.delete(url, headers={"If-Match": "*"})).status_code == 204


async def test_no_other_origin_is_let_in_by_default(settings: Settings) -> None:
    async with client_of(settings.model_copy(update={"auth": "token"})) as client:
        response = await client.get("/v1/images", headers={"Origin": "https://gallery.example"})

    problem(response, 401)
    assert not [name for name in response.headers if name.startswith("access-control")]


async def test_origins_of_the_setting_are_let_in(settings: Settings) -> None:
    settings = settings.model_copy(update={"auth": "token", "cors_origins": "https://a.example, https://b.example"})
    asks = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization, if-match"}
    async with client_of(settings) as client:
        preflight = await client.options(f"/v1/images/{FIRST_ID}", headers=asks | {"Origin": "https://b.example"})
        stranger = await client.options(f"/v1/images/{FIRST_ID}", headers=asks | {"Origin": "https://c.example"})
        answer = await client.get("/v1/images", headers={"Origin": "https://a.example"})

    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == "https://b.example"
    assert "PATCH" in preflight.headers["access-control-allow-methods"]
    assert "access-control-allow-origin" not in stranger.headers
    problem(answer, 401)
    assert answer.headers["access-control-allow-origin"] == "https://a.example"
    assert "ETag" in answer.headers["access-control-expose-headers"]
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"


def test_of_a_list_in_a_header_only_the_first_hundred_count() -> None:
    many = ",".join(f"a/{number}" for number in range(4000))
    assert [*negotiation.weights(many)] == [f"a/{number}" for number in range(100)]
    assert negotiation.weights(f"a/b;{'x;' * 200}q=0.5") == {"a/b": 1.0}
    assert negotiation.weights(f"a/b;{'x;' * 20}q=0.5") == {"a/b": 0.5}
