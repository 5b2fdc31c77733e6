"""Hostile and malformed requests: each gets its documented answer, changes nothing, and logs at most one line.

Hostile images are in tests/decoder/test_hostile_images.py.
"""

import asyncio
import gzip
import json
import re
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import psycopg
import pytest
import pytest_asyncio
from psycopg.sql import SQL, Identifier
from pydantic import SecretStr

from app.embedded_postgres import Server
from app.settings import Settings
from tests.cli.test_entrypoint import free_port, ready
from tests.conftest import NUMBER, client_of
from tests.migrations.test_backend import wait_until
from tests.support.api import BOUNDARY, objects, part, rows, upload
from tests.support.pictures import picture
from tests.support.serving import serving

DEEP = 10_000
TITLE = "as it was"

# Bodies of a PATCH, and the status of the answer.
PATCHES: dict[str, tuple[bytes, int]] = {
    "nothing": (b"", 400),
    "a blank": (b" ", 400),
    "no JSON": (b"title=a", 400),
    "half an object": (b'{"title": "a"', 400),
    "an object and more": (b'{"title": "a"} {}', 400),
    "a comment": (b'{"title": "a"} // a', 400),
    "a comma too many": (b'{"title": "a",}', 400),
    "a byte order mark": (b'\xef\xbb\xbf{"title": "a"}', 400),
    "UTF-16": ('{"title": "a"}'.encode("utf-16"), 400),
    "invalid UTF-8": (b'{"title": "\xff\xfe"}', 400),
    "an overlong encoding": (b'{"title": "\xc0\xaf"}', 400),
    "a surrogate in UTF-8": (b'{"title": "\xed\xa0\x80"}', 400),
    "a lone surrogate, escaped": (b'{"title": "\\ud800"}', 400),
    "a lone surrogate in a name": (b'{"attributes": {"\\udfff": 1}}', 400),
    "a raw control character": (b'{"title": "\x01"}', 400),
    "NaN": (b'{"attributes": {"a": NaN}}', 422),
    "Infinity": (b'{"attributes": {"a": Infinity}}', 422),
    "a number beyond the doubles": (b'{"attributes": {"a": 1e999}}', 422),
    "10,000 arrays deep": (b'{"attributes": {"a": ' + b"[" * DEEP + b"]" * DEEP + b"}}", 400),
    "10,000 objects deep": (b'{"attributes": ' + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b"}", 400),
    "10,000 brackets, unclosed": (b"[" * DEEP, 400),
    "null": (b"null", 422),
    "an array": (b"[]", 422),
    "a string": (b'"title"', 422),
    "a number": (b"1", 422),
    "an unknown field": (b'{"sha256": "0"}', 422),
    "a field of an object's own": (b'{"__class__": {}, "__proto__": {}}', 422),
    "a title of another type": (b'{"title": 1}', 422),
    "a title of another type, deep": (b'{"title": {"$ne": null}}', 422),
    "a title with U+0000": (b'{"title": "a\\u0000b"}', 422),
    "a title too long": (b'{"title": "%b"}' % (b"a" * 201), 422),
    "a description too long": (b'{"description": "%b"}' % (b"a" * 10_001), 422),
    "no file name": (b'{"filename": null}', 422),
    "an empty file name": (b'{"filename": ""}', 422),
    "a file name of 8 KB": (b'{"filename": "%b"}' % (b"a" * 8192), 422),
    "a file name that climbs": (b'{"filename": "../../etc/passwd"}', 422),
    "a file name that climbs on Windows": (b'{"filename": "..\\\\..\\\\boot.ini"}', 422),
    "a folder as a file name": (b'{"filename": ".."}', 422),
    "a file name with a line break": (b'{"filename": "a\\r\\nSet-Cookie: a"}', 422),
    "a file name with U+0000": (b'{"filename": "a\\u0000.png"}', 422),
    "tags that are none": (b'{"tags": "a"}', 422),
    "a tag of another type": (b'{"tags": [1]}', 422),
    "an empty tag": (b'{"tags": [""]}', 422),
    "a tag with U+0000": (b'{"tags": ["\\u0000"]}', 422),
    "a tag too long": (b'{"tags": ["%b"]}' % (b"a" * 101), 422),
    "too many tags": (b'{"tags": %b}' % json.dumps([str(n) for n in range(51)]).encode(), 422),
    "attributes that are none": (b'{"attributes": []}', 422),
    "attributes with U+0000": (b'{"attributes": {"a": ["\\u0000"]}}', 422),
    "a name with U+0000": (b'{"attributes": {"\\u0000": 1}}', 422),
    "attributes too long": (b'{"attributes": {"a": "%b"}}' % (b"a" * 65_536), 422),
    "zeros that jsonb would write": (b'{"attributes": {"a": [%b]}}' % (b",".join([b"1e300"] * 300)), 422),
    "more than a patch can be": (b'{"title": "%b"}' % (b"a" * 2_000_000), 413),
}
# Bodies of a PATCH that look invalid and are valid.
GOOD_PATCHES = {
    "of a name given twice the last counts": (b'{"title": "a", "title": "b"}', {"title": "b"}),
    "numbers beyond int64": (b'{"attributes": {"a": 123456789012345678901234567890}}', None),
    "a pair of surrogates": (b'{"title": "\\ud83d\\ude00"}', {"title": "\U0001f600"}),
    "markup is text": (b'{"title": "<script>alert(1)</script>"}', {"title": "<script>alert(1)</script>"}),
    "SQL is text": (b'{"title": "\'; DROP TABLE images; --"}', {"title": "'; DROP TABLE images; --"}),
    "a text that turns its direction": ('{"title": "\u202egnp.exe"}'.encode(), {"title": "\u202egnp.exe"}),
    "characters that are none yet": ('{"tags": ["\uffff\U0010ffff"]}'.encode(), {"tags": ["\uffff\U0010ffff"]}),
}
# URLs of a GET, and the status of the answer.
PLACES: dict[str, int] = {
    "/v1/images?limit=0": 422,
    "/v1/images?limit=-1": 422,
    "/v1/images?limit=201": 422,
    "/v1/images?limit=99999999999999999999": 422,
    "/v1/images?limit=" + "9" * 5000: 422,
    "/v1/images?limit=1.5": 422,
    "/v1/images?limit=": 422,
    "/v1/images?limit=1&limit=2": 422,
    "/v1/images?limit[]=1": 422,
    "/v1/images?offset=1": 422,
    "/v1/images?cursor=": 422,
    "/v1/images?cursor=AAAA": 422,
    "/v1/images?cursor=" + "A" * 32: 200,
    "/v1/images?cursor=f" + "_" * 31: 422,
    "/v1/images?cursor=" + "A" * 8000: 422,
    "/v1/images?cursor=%F0%9F%98%80": 422,
    "/v1/images?created_after=now": 422,
    "/v1/images?created_after=infinity": 422,
    "/v1/images?created_after=0": 422,
    "/v1/images?created_after=0000-00-00T00:00:00Z": 422,
    "/v1/images?created_after=10000-01-01T00:00:00Z": 422,
    "/v1/images?created_after=9999-12-31T23:59:59-23:59": 422,
    "/v1/images?created_before=0001-01-01T00:00:00%2B23:59": 422,
    "/v1/images?q=%00": 422,
    "/v1/images?q=" + "a" * 201: 422,
    "/v1/images?q=%FF%FE": 422,
    "/v1/images?q=" + quote("'!&|<->():* \\ \" -"): 200,
    "/v1/images?q=" + quote('"' * 200): 200,
    "/v1/images?q=" + quote("-a " * 66): 200,
    "/v1/images?tag=%00": 422,
    "/v1/images?tag=": 422,
    "/v1/images?tag=" + "a" * 101: 422,
    "/v1/images?" + "&".join(f"tag={n}" for n in range(51)): 422,
    "/v1/images?" + "&".join(f"a{n}=" for n in range(5000)): 422,
    "/v1/images?tag=" + quote("'\\&|!:*()"): 200,
    "/v1/images?content_type=%00": 422,
    "/v1/images?content_type=" + quote("image/png' OR 1=1"): 200,
    "/v1/images?" + "&" * 20_000: 200,
    "/v1/images/..%2F..%2Fetc%2Fpasswd": 404,
    "/v1/images/%00": 404,
    "/v1/images/%FF": 404,
    "/v1/images/" + "a" * 20_000: 404,
    "/v1/images/-1": 404,
    "/v1/images/00000000-0000-0000-0000-00000000000g": 404,
    "/v1/images/import": 405,
    "/v1//images": 404,
    "/V1/images": 404,
    "/docs/assets/..%2F..%2F__init__.py": 404,
    "/docs/assets/%00": 404,
    "/openapi.json?x": 422,
}
# Headers of a GET of an image's bytes, and the status of the answer.
HEADERS: dict[str, tuple[dict[str, str], int]] = {
    "a range of nonsense": ({"Range": "bytes=a-b"}, 200),
    "a range of another unit": ({"Range": "lines=1-2"}, 200),
    "a range backwards": ({"Range": "bytes=5-1"}, 200),
    "a thousand ranges": ({"Range": "bytes=" + ",".join(f"{n}-{n}" for n in range(1000))}, 200),
    "a range of 5,000 digits": ({"Range": f"bytes={'9' * 5000}-"}, 416),
    "the last 0 bytes": ({"Range": "bytes=-0"}, 416),
    "an If-Range of nonsense": ({"Range": "bytes=1-2", "If-Range": "\x7f"}, 200),
    "10,000 tags in If-None-Match": ({"If-None-Match": ", ".join(['"a"'] * 10_000)}, 200),
    "an open quote in If-None-Match": ({"If-None-Match": '"'}, 200),
    "an Accept of nonsense": ({"Accept": ";;q=,,/"}, 200),
    "an Accept of 10,000 types": ({"Accept": "a/b," * 10_000}, 200),
    "a Host that is another's": ({"Host": "evil.example"}, 421),
    "a method in a header": ({"X-HTTP-Method-Override": "DELETE"}, 200),
    "a token where none is asked for": ({"Authorization": "Bearer x"}, 200),
}
# A multipart form, the end of its Content-Type, and the status of the answer.
IMAGE = picture("PNG")
FILE = part('name="file"; filename="a.png"', IMAGE)
END = f"--{BOUNDARY}--\r\n".encode()
FORMS: dict[str, tuple[bytes, str, int]] = {
    "nothing": (b"", f"; boundary={BOUNDARY}", 400),
    "no part": (END, f"; boundary={BOUNDARY}", 422),
    "no boundary": (FILE + END, "", 400),
    "another boundary": (FILE + END, "; boundary=other", 400),
    "a boundary of 5,000 characters": (FILE + END, "; boundary=" + "a" * 5000, 400),
    "no end": (FILE, f"; boundary={BOUNDARY}", 400),
    "a part without a name": (part('filename="a.png"', IMAGE) + END, f"; boundary={BOUNDARY}", 400),
    "a file without a file name": (part('name="file"', IMAGE) + END, f"; boundary={BOUNDARY}", 422),
    "two files": (FILE + FILE + END, f"; boundary={BOUNDARY}", 400),
    "a thousand parts": (FILE + part('name="tags"', b"a") * 1000 + END, f"; boundary={BOUNDARY}", 400),
    "an unknown part": (FILE + part('name="owner"', b"a") + END, f"; boundary={BOUNDARY}", 422),
    "a title twice": (FILE + part('name="title"', b"a") * 2 + END, f"; boundary={BOUNDARY}", 422),
    "a title with U+0000": (FILE + part('name="title"', b"\0") + END, f"; boundary={BOUNDARY}", 422),
    "a title that is not UTF-8": (FILE + part('name="title"', b"\xff") + END, f"; boundary={BOUNDARY}", 400),
    "a title of a MiB": (FILE + part('name="title"', b"a" * 2**20) + END, f"; boundary={BOUNDARY}", 400),
    "attributes that are no JSON": (FILE + part('name="attributes"', b"{") + END, f"; boundary={BOUNDARY}", 422),
    "attributes 10,000 deep": (FILE + part('name="attributes"', b"[" * DEEP) + END, f"; boundary={BOUNDARY}", 422),
    "attributes that are an array": (FILE + part('name="attributes"', b"[]") + END, f"; boundary={BOUNDARY}", 422),
    "a file name of 8 KB": (
        part(f'name="file"; filename="{"a" * 8192}.png"', IMAGE) + END,
        f"; boundary={BOUNDARY}",
        400,
    ),
    "a file name with U+0000": (
        part(b'name="file"; filename="a\0.png"', IMAGE) + END,
        f"; boundary={BOUNDARY}",
        422,
    ),
    "a file name that is not UTF-8": (
        part(b'name="file"; filename="\xff.png"', IMAGE) + END,
        f"; boundary={BOUNDARY}",
        400,
    ),
    "a part's head without end": (
        f"--{BOUNDARY}\r\n".encode() + b"x: y\r\n" * 50_000,
        f"; boundary={BOUNDARY}",
        400,
    ),
    "a charset that is none": (FILE + END, f"; boundary={BOUNDARY}; charset=utf-7", 415),
}
# Bytes over the wire, and the first bytes of the answer. They are empty if the server may just close.
WIRE: dict[str, tuple[bytes, bytes]] = {
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"HTTP/1.1 400 "),
    "a name with a blank": (b"GET /healthz HTTP/1.1\r\nhost : x\r\n\r\n", b"HTTP/1.1 400 "),
    "U+0000 in a header": (b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: a\0b\r\n\r\n", b"HTTP/1.1 400 "),
    "two lengths": (
        b"POST /v1/images HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        b"HTTP/1.1 400 ",
    ),
    "a length and chunks": (
        b"POST /v1/images HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n"
        b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 400 ",
    ),
    "a length below 0": (
        b"POST /v1/images HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 400 ",
    ),
    "a length of 30 digits": (
        b"POST /v1/images HTTP/1.1\r\nhost: localhost\r\ncontent-length: 999999999999999999999999999999\r\n\r\n",
        b"HTTP/1.1 400 ",
    ),
    "a length beyond the limit": (
        b"POST /v1/images HTTP/1.1\r\nhost: localhost\r\ncontent-type: image/png\r\ncontent-length: 9999999999\r\n\r\n",
        b"HTTP/1.1 413 ",
    ),
    "chunks of nonsense": (
        b"POST /v1/images HTTP/1.1\r\nhost: localhost\r\ncontent-type: image/png\r\n"
        b"transfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 400 ",
    ),
    "an unknown method": (b"HACK /v1/images HTTP/1.1\r\nhost: localhost\r\n\r\n", b"HTTP/1.1 400 "),
    "a method that is not for HTTP": (b"TRACE /v1/images HTTP/1.1\r\nhost: localhost\r\n\r\n", b"HTTP/1.1 405 "),
    "a header of 1 MB": (b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: " + b"a" * 1_000_000, b"HTTP/1.1 431 "),
    "100,000 headers": (b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n" + b"x: y\r\n" * 100_000, b"HTTP/1.1 431 "),
    "201 headers": (b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n" + b"x: y\r\n" * 200 + b"\r\n", b"HTTP/1.1 431 "),
    "a complete target of 64 KiB": (
        b"GET /" + b"a" * 65_536 + b" HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"HTTP/1.1 431 ",
    ),
    "a path of 1 MB": (b"GET /" + b"a" * 1_000_000, b"HTTP/1.1 431 "),
    "a whole head with a path of 66 kB": (
        b"GET /?" + b"a" * 66_000 + b" HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        b"HTTP/1.1 431 ",
    ),
    "a complete head of 70 KB": (
        b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: " + b"a" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 431 ",
    ),
    "a complete head of 70 KB, in many headers": (
        b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n" + b"x: y\r\n" * 12_000 + b"\r\n",
        b"HTTP/1.1 431 ",
    ),
    "200 headers": (b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n" + b"x: y\r\n" * 199 + b"\r\n", b"HTTP/1.1 200 "),
    "a small head with a body of 70 KB": (
        b"POST /v1/images HTTP/1.1\r\nhost: localhost\r\ncontent-type: image/png\r\ncontent-length: 70000\r\n\r\n"
        + b"a" * 70_000,
        b"HTTP/1.1 415 ",
    ),
    "a URL without a path": (b"GET http://localhost HTTP/1.1\r\nhost: localhost\r\n\r\n", b"HTTP/1.1 200 "),
    "a URL with a query and no path": (
        b"GET http://localhost?q=a HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"HTTP/1.1 200 ",
    ),
    "a URL with a path": (b"GET http://localhost:80/healthz HTTP/1.1\r\nhost: localhost\r\n\r\n", b"HTTP/1.1 200 "),
    "a URL with a path that is not here": (
        b"GET http://localhost/none HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"HTTP/1.1 404 ",
    ),
    "a URL of another host": (b"GET http://evil.example/ HTTP/1.1\r\nhost: localhost\r\n\r\n", b"HTTP/1.1 421 "),
    "a URL with a user": (b"GET http://localhost@evil.example/ HTTP/1.1\r\nhost: localhost\r\n\r\n", b"HTTP/1.1 400 "),
    "a URL on loopback, and another Host": (
        b"GET http://localhost/ HTTP/1.1\r\nhost: evil.example\r\n\r\n",
        b"HTTP/1.1 200 ",
    ),
    "a URL and no Host": (b"GET http://localhost/ HTTP/1.1\r\n\r\n", b"HTTP/1.1 400 "),
    "a WebSocket of another origin": (
        b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
        b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\norigin: http://a.example\r\n\r\n",
        b"HTTP/1.1 403 ",
    ),
    "an upgrade to HTTP/2 of another host": (
        b"GET / HTTP/1.1\r\nhost: a.example\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\n"
        b"http2-settings: AAMAAABk\r\n\r\n",
        b"HTTP/1.1 421 ",
    ),
    "HTTP/2.0 as text": (b"GET / HTTP/2.0\r\nhost: localhost\r\n\r\n", b"HTTP/1.1 505 "),
    "HTTP/2.0 without Host": (b"GET / HTTP/2.0\r\n\r\n", b"HTTP/1.1 505 "),
    "no version": (b"GET /healthz\r\nhost: localhost\r\n\r\n", b"HTTP/1.1 400 "),
    "a fragment": (b"GET /healthz#a HTTP/1.1\r\nhost: localhost\r\n\r\n", b"HTTP/1.1 400 "),
    "two media types": (
        b"POST /v1/images HTTP/1.1\r\nhost: localhost\r\ncontent-type: image/png\r\ncontent-type: text/html\r\n"
        b"content-length: 2\r\n\r\nhi",
        b"HTTP/1.1 400 ",
    ),
    "white space behind a length": (
        b"POST /v1/images HTTP/1.1\r\nhost: localhost\r\ncontent-type: image/png\r\ncontent-length: 2 \t\r\n\r\nhi",
        b"HTTP/1.1 415 ",
    ),
    "a URL in capitals": (b"GET HTTP://LOCALHOST HTTP/1.1\r\nhost: localhost\r\n\r\n", b"HTTP/1.1 200 "),
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, server: Server, admin: psycopg.Connection, template: str) -> Any:
    """The settings of a service for all requests that leave it as it was."""
    name = f"hostile_{next(NUMBER)}"
    admin.execute(SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), Identifier(template)))
    yield Settings(
        _env_file=None,
        database_url=SecretStr(server.url(name)),
        storage_url=f"file:{tmp_path_factory.mktemp('hostile') / 'objects'}",
        auth="none",
    )
    admin.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def client(shared: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(shared) as client:
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def url(client: httpx.AsyncClient) -> str:
    """The path of the one image that is there."""
    return f"/v1/images/{(await upload(client, IMAGE, title=TITLE))['id']}"


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Any:
    yield
    assert len(caplog.records) <= 1, caplog.text
    assert not any(record.exc_info for record in caplog.records)


@pytest.mark.parametrize("name", PATCHES)
async def test_an_invalid_patch_changes_nothing(name: str, client: httpx.AsyncClient, url: str) -> None:
    body, status = PATCHES[name]
    before = (await client.get(url)).json()

    response = await client.patch(url, content=body, headers={"Content-Type": "application/merge-patch+json"})

    assert response.status_code == status, response.text
    assert response.json()["status"] == status
    assert (await client.get(url)).json() == before


@pytest.mark.parametrize("name", GOOD_PATCHES)
async def test_a_patch_that_only_looks_invalid_is_applied(name: str, client: httpx.AsyncClient, url: str) -> None:
    body, expected = GOOD_PATCHES[name]

    response = await client.patch(url, content=body, headers={"Content-Type": "application/merge-patch+json"})

    assert response.status_code == 200, response.text
    assert (expected or json.loads(body)).items() <= response.json().items()
    await client.patch(url, json={"title": TITLE, "tags": None, "attributes": None})


@pytest.mark.parametrize("place", PLACES, ids=[place[:80] for place in PLACES])
async def test_an_odd_url_is_answered_as_documented(place: str, client: httpx.AsyncClient) -> None:
    response = await client.get(httpx.URL(f"http://localhost{place}"))

    assert response.status_code == PLACES[place], response.text
    assert len(response.content) < 10_000


@pytest.mark.parametrize("name", HEADERS)
async def test_malformed_headers_are_ignored(name: str, client: httpx.AsyncClient, url: str) -> None:
    headers, status = HEADERS[name]

    assert (await client.get(f"{url}/content", headers=headers)).status_code == status


@pytest.mark.parametrize("name", FORMS)
async def test_an_invalid_form_stores_nothing(name: str, client: httpx.AsyncClient, url: str, shared: Settings) -> None:
    body, end, status = FORMS[name]
    before = objects(shared)

    response = await client.post("/v1/images", content=body, headers={"Content-Type": f"multipart/form-data{end}"})

    assert response.status_code == status, response.text
    assert response.json()["status"] == status
    assert [image["title"] for image in (await client.get("/v1/images")).json()["images"]] == [TITLE]
    assert objects(shared) == before


@pytest.mark.parametrize("name", ["../../etc/passwd", "..\\..\\boot.ini", "/etc/passwd", "C:\\fakepath\\passwd"])
async def test_only_the_last_name_of_a_path_is_stored(name: str, settings: Settings) -> None:
    async with client_of(settings) as client:
        image = await upload(client, IMAGE, filename=name)

    assert image["filename"] in {"passwd", "boot.ini"}
    assert objects(settings) == [f"sha256/{image['sha256'][:2]}/{image['sha256'][2:4]}/{image['sha256']}"]


async def test_a_thousand_uploads_of_the_same_bytes_make_one_image(
    settings: Settings, connection: psycopg.Connection
) -> None:
    patient = settings.model_copy(update={"database_statement_timeout": 60.0})
    async with client_of(patient) as client:
        sent = [client.post("/v1/images", files={"file": IMAGE}) for _ in range(1000)]
        statuses = [response.status_code for response in await asyncio.gather(*sent)]

    assert sorted(statuses) == [200] * 999 + [201]
    assert (rows(connection), len(objects(settings))) == (1, 1)


@pytest.fixture(scope="module")
def port(shared: Settings) -> Iterator[int]:
    """The port of a service in processes of its own, for all that goes over the wire."""
    port, storage = free_port(), Path(str(shared.storage_url).removeprefix("file:"))
    with serving(shared.database_url.get_secret_value(), port, storage):
        wait_until(lambda: ready(port))
        yield port
        assert ready(port)


@pytest.mark.parametrize("name", WIRE)
def test_over_the_wire(name: str, port: int) -> None:
    sent, begins = WIRE[name]
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        with suppress(OSError):  # it has answered and closed already
            client.sendall(sent)
        received = client.recv(65_536)

    assert received.startswith(begins), received


def test_a_client_that_vanishes_leaves_nothing(port: int) -> None:
    content = picture("PNG", seed=7)
    head = "POST /v1/images HTTP/1.1\r\nhost: localhost\r\ncontent-type: image/png\r\n"
    head += f"content-length: {len(content)}\r\n\r\n"
    for sent in (len(content) // 2, len(content) - 1):
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(head.encode() + content[:sent])

    images, png = f"http://127.0.0.1:{port}/v1/images", {"Content-Type": "image/png"}
    whole = httpx.post(images, content=content, headers=png, timeout=60)

    assert whole.status_code == 201
    httpx.delete(f"http://127.0.0.1:{port}{whole.headers['location']}")


HOSTS = {
    "no Host": (b"", b"HTTP/1.1 400 "),
    "two Hosts": (b"host: localhost\r\nhost: x\r\n", b"HTTP/1.1 400 "),
    "a Host with a path": (b"host: x/y\r\n", b"HTTP/1.1 400 "),
    "a Host with a user": (b"host: a@x\r\n", b"HTTP/1.1 400 "),
    "two Hosts in one line": (b"host: x, y\r\n", b"HTTP/1.1 400 "),
    "an empty Host": (b"host:\r\n", b"HTTP/1.1 421 "),
    "a Host with a port": (b"host: localhost:80\r\n", b"HTTP/1.1 200 "),
    "an IPv6 address": (b"host: [::1]:8000\r\n", b"HTTP/1.1 200 "),
    "blanks around it": (b"host:  localhost \r\n", b"HTTP/1.1 200 "),
}


def exchange(port: int, sent: bytes) -> bytes:
    """Return all that the server sends until it closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(sent)
        return b"".join(iter(lambda: client.recv(65_536), b""))


@pytest.mark.parametrize("name", HOSTS)
def test_a_request_has_exactly_one_valid_host(name: str, port: int) -> None:
    hosts, begins = HOSTS[name]

    received = exchange(port, b"GET /healthz HTTP/1.1\r\n" + hosts + b"connection: close\r\n\r\n")

    assert received.startswith(begins), received
    if begins.endswith(b"400 "):
        assert b"Send one valid Host header." in received


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"", 400),
        (b"host: localhost\r\nhost: x\r\n", 400),
        (b"host: x\r\nx: " + b"a" * 70_000 + b"\r\n", 431),
        (b"host: localhost\r\ntransfer-encoding: gzip, chunked\r\n", 501),
    ],
    ids=["no Host", "two Hosts", "a head too long", "another coding"],
)
def test_a_rejected_head_is_a_problem_that_is_counted(head: bytes, status: int, port: int) -> None:
    def counted() -> int:
        text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
        labels = rf'{{method="GET",route="other",status="{status}"}}'
        found = re.search(rf"^images_http_request_duration_seconds_count{labels} (\d+)", text, re.MULTILINE)
        return int(found[1]) if found else 0

    before = counted()
    received = exchange(port, b"GET /healthz HTTP/1.1\r\nx-request-id: mine\r\n" + head + b"\r\n")

    head_lines, _, body = received.partition(b"\r\n\r\n")
    assert b"\r\ncontent-type: application/problem+json" in head_lines
    assert b"\r\nx-request-id: mine" in head_lines
    assert b"\r\nconnection: close" in head_lines.lower()
    problem = json.loads(body)
    assert (problem["status"], problem["request_id"]) == (status, "mine")
    wait_until(lambda: counted() == before + 1)  # The metrics may be a second old.


def test_a_request_of_http_1_0_needs_no_host_except_with_auth_none(port: int) -> None:
    assert exchange(port, b"GET /healthz HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 421 ")
    assert exchange(port, b"GET /healthz HTTP/1.0\r\nhost: localhost\r\n\r\n").startswith(b"HTTP/1.1 200 ")


def test_a_wrong_host_is_answered_after_the_request_before_it(port: int) -> None:
    received = exchange(port, b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\nGET /healthz HTTP/1.1\r\n\r\n")

    assert received.index(b"HTTP/1.1 200 ") < received.index(b"HTTP/1.1 400 ")


def test_a_client_of_http_1_0_gets_no_interim_response(port: int) -> None:
    """RFC 9110, section 10.1.1."""
    head = b"POST /v1/images HTTP/%b\r\nhost: localhost\r\ncontent-type: image/png\r\ncontent-length: 1\r\n"
    expects = b"expect: 100-continue\r\nconnection: close\r\n\r\na"

    assert exchange(port, head % b"1.0" + expects).startswith(b"HTTP/1.1 415 ")
    assert exchange(port, head % b"1.1" + expects).startswith(b"HTTP/1.1 100 ")


def test_no_last_modified_is_later_than_its_date(port: int) -> None:
    """RFC 9110, section 8.8.2.1. The date is that of the response, even if the body took long."""
    content = picture("PNG", seed=11)
    head = (
        f"POST /v1/images HTTP/1.1\r\nhost: localhost\r\ncontent-type: image/png\r\ncontent-length: {len(content)}\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(f"{head}expect: 100-continue\r\n\r\n".encode())
        assert client.recv(100).startswith(b"HTTP/1.1 100 ")
        begun = int(time.time())
        wait_until(lambda: time.time() >= begun + 2)
        client.sendall(content)
        lines = client.recv(65_536).decode().partition("\r\n\r\n")[0].split("\r\n")

    fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
    httpx.delete(f"http://127.0.0.1:{port}{fields['location']}")
    date, modified = (parsedate_to_datetime(fields[name]).timestamp() for name in ("date", "last-modified"))
    assert begun + 2 <= modified <= date <= time.time()


def test_a_client_of_http_1_0_gets_no_chunks(port: int) -> None:
    for path in (b"/v1/images/export", b"/static/style.css", b"/healthz"):
        accept = b"accept-encoding: gzip\r\n" if path.startswith(b"/static") else b""
        head, _, body = exchange(
            port, b"GET " + path + b" HTTP/1.0\r\nhost: localhost\r\n" + accept + b"\r\n"
        ).partition(b"\r\n\r\n")

        assert head.startswith(b"HTTP/1.1 200 "), head
        assert b"transfer-encoding" not in head.lower()
        assert b"connection: close" in head.lower()
        if b"content-length" in head.lower():
            assert b"content-length: %d" % len(body) in head.lower()
        elif b"content-encoding: gzip" in head.lower():
            gzip.decompress(body)
        else:
            assert not body or json.loads(body)
