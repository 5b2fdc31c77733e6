"""The service over s3://bucket/prefix, against a server that speaks S3 over HTTP."""

import asyncio
import hashlib
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import obstore
import psycopg
import pytest
from obstore.exceptions import BaseError

from app.settings import Settings
from app.storage.keys import storage_key
from app.storage.store import PART, open_store, reach
from tests.cli.test_entrypoint import ready, service
from tests.conftest import client_of, environment, free_port
from tests.database.test_outages import unavailable
from tests.migrations.test_backend import wait_until
from tests.support import forked
from tests.support.api import insert, problem, rows, upload
from tests.support.pictures import picture
from tests.support.s3 import BUCKET, S3, put
from tests.web.test_content import RANGES

STORAGE = "storage-unavailable"
SOON = 15.0  # seconds
LARGE = picture(seed=9) + bytes(2 * PART + 1000)  # in three parts
MIDDLE = picture(seed=8) + bytes(2 * 2**20)  # in a file, in one part


@pytest.fixture
def mortal(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    """A server for one test, which may kill it."""
    server = S3(free_port())
    for name, value in server.variables.items():
        monkeypatch.setenv(name, value)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def prefix() -> str:
    return f"{uuid4()}/objects/"


@pytest.fixture
def settings(settings: Settings, prefix: str) -> Settings:
    url = f"s3://{BUCKET}/{prefix.removesuffix('/')}"
    return settings.model_copy(update={"storage_url": url, "max_upload_bytes": 50_000_000})


@pytest.fixture
async def client(s3: S3, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(settings) as client:
        yield client


@pytest.fixture
async def redirecting(s3: S3, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(settings.model_copy(update={"content_redirect": 60})) as client:
        yield client


@pytest.mark.parametrize("content", [picture(), MIDDLE, LARGE], ids=["small", "middle", "large"])
async def test_an_upload_is_stored_under_the_prefix(
    content: bytes, client: httpx.AsyncClient, s3: S3, settings: Settings, prefix: str
) -> None:
    image = await upload(client, content)

    assert image["sha256"] == hashlib.sha256(content).hexdigest()
    assert (await client.get(f"/v1/images/{image['id']}/content")).content == content
    assert s3.keys(prefix) == [storage_key(image["sha256"])]
    assert s3.uploads(prefix) == []
    stored = await obstore.get_async(open_store(settings.storage_url), storage_key(image["sha256"]))
    assert stored.attributes == {"Content-Type": "image/jpeg"}


async def test_the_same_bytes_are_stored_once(
    client: httpx.AsyncClient, connection: psycopg.Connection, s3: S3, prefix: str
) -> None:
    answers = await asyncio.gather(*(client.post("/v1/images", files={"file": LARGE}) for _ in range(4)))

    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 201]
    assert rows(connection) == len(s3.keys(prefix)) == 1


async def test_ranges_and_heads(client: httpx.AsyncClient) -> None:
    url = f"/v1/images/{(await upload(client))['id']}/content"
    size = len(picture())

    for range, start, end in RANGES:
        response = await client.get(url, headers={"Range": range})

        assert (response.status_code, response.content) == (206, picture()[start:end]), range
        assert response.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
    beyond = await client.get(url, headers={"Range": f"bytes={size}-"})
    problem(beyond, 416)
    head = await client.head(url)
    assert (head.status_code, head.headers["content-length"]) == (200, str(size))


async def test_a_range_of_a_large_object_is_read(client: httpx.AsyncClient) -> None:
    url = f"/v1/images/{(await upload(client, LARGE))['id']}/content"

    response = await client.get(url, headers={"Range": f"bytes={PART - 5}-{PART + 4}"})

    assert (response.status_code, response.content) == (206, LARGE[PART - 5 : PART + 5])


async def test_a_thumbnail_is_stored_and_deleted_with_its_image(client: httpx.AsyncClient, s3: S3, prefix: str) -> None:
    image = await upload(client)
    url = f"/v1/images/{image['id']}"

    made = await client.get(f"{url}/thumbnail?size=160")

    content, kept = s3.keys(prefix)
    assert content == storage_key(image["sha256"])
    assert kept.startswith("thumbnails/")
    assert kept.endswith(f"{image['sha256']}-160.webp")
    assert (await client.get(f"{url}/thumbnail?size=160")).content == made.content
    assert (await client.delete(url)).status_code == 204
    assert s3.keys(prefix) == []


@pytest.mark.parametrize("key", ["2019/04/Mein Bild.jpg", "old.jpg", "é/%20#?.jpg"])
async def test_an_adopted_row_is_served_and_deleted_by_its_own_key(
    key: str, client: httpx.AsyncClient, connection: psycopg.Connection, s3: S3, settings: Settings, prefix: str
) -> None:
    put(str(settings.storage_url), key, b"old")
    id = insert(connection, storage_key=key)

    assert (await client.get(f"/v1/images/{id}/content")).content == b"old"
    assert (await client.delete(f"/v1/images/{id}")).status_code == 204
    assert s3.keys(prefix) == []


@pytest.mark.parametrize("key", ["../secret", "a//b", ".", "none", "", "/"])
async def test_a_key_without_bytes_is_missing_content(
    key: str, client: httpx.AsyncClient, connection: psycopg.Connection
) -> None:
    url = f"/v1/images/{insert(connection, storage_key=key)}"

    problem(await client.get(f"{url}/content"), 404, "content-missing")
    problem(await client.get(f"{url}/content", headers={"Range": "bytes=0-1"}), 404, "content-missing")
    assert (await client.head(f"{url}/content")).status_code == 404
    problem(await client.get(f"{url}/thumbnail"), 404, "content-missing")
    assert (await client.delete(url)).status_code == 204


# The store away


async def refused(client: httpx.AsyncClient, id: str, within: float) -> None:
    """Each request that needs the store gets a 503 soon. The others are answered."""
    url = f"/v1/images/{id}"
    async with asyncio.timeout(within):
        responses = await asyncio.gather(
            client.get(f"{url}/content"),
            client.get(f"{url}/content", headers={"Range": "bytes=0-1"}),
            client.head(f"{url}/content"),
            client.get(f"{url}/thumbnail"),
            client.post("/v1/images", files={"file": picture(seed=1)}),
            client.post("/v1/images", files={"file": LARGE}),
        )
    for response in responses:
        if response.request.method == "HEAD":
            assert response.status_code == 503
        else:
            unavailable(response, STORAGE)
    assert (await client.get(url)).status_code == 200


async def test_a_store_that_is_gone_makes_it_unavailable(
    mortal: S3, settings: Settings, connection: psycopg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    async with client_of(settings) as client:
        id = (await upload(client))["id"]
        mortal.kill()

        await refused(client, id, SOON / 3)
        assert (await client.delete(f"/v1/images/{id}")).status_code == 204

        assert rows(connection) == 0
        mortal.start()
        await upload(client)
    assert not [record for record in caplog.messages if "\n" in record]


async def test_a_store_that_freezes_makes_it_unavailable(mortal: S3, settings: Settings) -> None:
    async with client_of(settings) as client:
        id = (await upload(client))["id"]

        with mortal.frozen():
            await refused(client, id, SOON)

        assert (await client.get(f"/v1/images/{id}/content")).content == picture()


async def test_a_missing_bucket_makes_it_unavailable(s3: S3, settings: Settings) -> None:
    async with client_of(settings.model_copy(update={"storage_url": "s3://nowhere/images"})) as client:
        unavailable(await client.post("/v1/images", files={"file": picture()}), STORAGE)


class Falling:
    """A way to the server that ends after so many requests of one method for contents."""

    def __init__(self, server: S3, method: str, after: int) -> None:
        self.left = after
        falling = self

        class Passing(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def pass_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.command == method and "/sha256/" in self.path:
                    falling.left -= 1
                if falling.left < 0 and self.command in {method, "POST"}:
                    self.close_connection = True
                    return
                answer = httpx.request(
                    self.command,
                    f"{server.url}{self.path}",
                    content=body,
                    headers={name: value for name, value in self.headers.items() if name.lower() != "host"},
                )
                self.send_response(answer.status_code)
                for name, value in answer.headers.items():
                    if name in {"etag", "last-modified", "content-type", "content-range"}:
                        self.send_header(name, value)
                self.send_header("Content-Length", answer.headers.get("content-length", "0"))
                self.end_headers()
                half = len(answer.content) // 2
                self.wfile.write(answer.content[:half])
                if falling.left > 0 or self.command != "GET" or "/sha256/" not in self.path:
                    self.wfile.write(answer.content[half:])
                else:
                    self.close_connection = True

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = pass_on  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Passing)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"


@contextmanager
def falling(server: S3, method: str, after: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    way = Falling(server, method, after)
    monkeypatch.setenv("AWS_ENDPOINT", way.url)
    thread = threading.Thread(target=way.server.serve_forever)
    thread.start()
    try:
        yield way.url
    finally:
        way.server.shutdown()
        thread.join()
        way.server.server_close()


@pytest.mark.parametrize("parts", [1, 2])
async def test_an_interrupted_upload_leaves_nothing(
    parts: int,
    s3: S3,
    settings: Settings,
    prefix: str,
    connection: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with falling(s3, "PUT", parts, monkeypatch):
        async with client_of(settings) as client, asyncio.timeout(SOON):
            unavailable(await client.post("/v1/images", files={"file": LARGE}), STORAGE)

    assert rows(connection) == 0
    assert s3.keys(prefix) == []
    assert s3.uploads(prefix) == []
    monkeypatch.setenv("AWS_ENDPOINT", s3.url)
    async with client_of(settings) as client:
        await upload(client, LARGE)
    assert s3.keys(prefix) == [storage_key(hashlib.sha256(LARGE).hexdigest())]


def test_interrupted_content_ends_the_connection(
    s3: S3, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client has less than it was promised, and the log the reason."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/v1/images"
    with falling(s3, "GET", 1, monkeypatch) as way:
        variables = s3.variables | {"AWS_ENDPOINT": way, "STORAGE_URL": str(settings.storage_url)}
        database = settings.database_url.get_secret_value()
        with service(database, port, tmp_path, **variables) as process:
            wait_until(lambda: ready(port))
            id = httpx.post(url, files={"file": LARGE}, timeout=SOON).json()["id"]

            with pytest.raises(httpx.RemoteProtocolError, match="without sending complete"):
                httpx.get(f"{url}/{id}/content", timeout=SOON)

            assert httpx.get(f"{url}/{id}").status_code == 200
            process.terminate()
            said = process.communicate()[1]
    assert "a content was cut off: Generic S3 error: " in said
    assert "Traceback" not in said


# Redirects

RANGE = {"Range": "bytes=1-3"}


async def test_content_is_fetched_from_the_store_itself(redirecting: httpx.AsyncClient, s3: S3) -> None:
    content = picture("PNG")
    url = f"/v1/images/{(await upload(redirecting, content, filename='cat.html'))['id']}/content"

    response = await redirecting.get(url)

    assert (response.status_code, response.content) == (307, b"")
    assert response.headers["cache-control"] == "private, max-age=30"
    location = response.headers["location"]
    assert location.startswith(f"{s3.url}/{BUCKET}/")
    assert parse_qs(urlsplit(location).query)["X-Amz-Expires"] == ["60"]
    fetched, part = await asyncio.to_thread(lambda: [httpx.get(location, headers=asked) for asked in ({}, RANGE)])
    assert (fetched.status_code, fetched.content) == (200, content)
    assert fetched.headers["content-type"] == "image/png"
    assert (part.status_code, part.content) == (206, b"PNG")
    described = (await redirecting.get("/openapi.json")).json()["paths"]["/v1/images/{id}/content"]["get"]["responses"]
    assert all(header in response.headers for header in described["307"]["headers"])


async def test_the_gallery_may_fetch_from_the_store_what_is_redirected_there(
    client: httpx.AsyncClient, redirecting: httpx.AsyncClient, s3: S3
) -> None:
    policy = (await client.get("/")).headers["content-security-policy"]
    assert "connect-src 'self';" in policy

    assert (await redirecting.get("/")).headers["content-security-policy"] == policy.replace(
        "connect-src 'self'", f"connect-src 'self' {s3.url}"
    )


async def test_answers_without_bytes_are_not_redirected(redirecting: httpx.AsyncClient) -> None:
    """And a URL is signed for one method, which is GET."""
    image = await upload(redirecting)
    url = f"/v1/images/{image['id']}/content"

    head = await redirecting.head(url)

    assert (head.status_code, head.headers["content-length"]) == (200, str(len(picture())))
    unchanged = await redirecting.get(url, headers={"If-None-Match": head.headers["etag"]})
    assert unchanged.status_code == 304
    assert (await redirecting.get(f"{url.removesuffix('content')}thumbnail")).status_code == 200
    problem(await redirecting.get(f"/v1/images/{uuid4()}/content"), 404)


@pytest.mark.parametrize(
    "columns",
    [
        {"storage_key": "old.jpg"},
        {"storage_key": storage_key(64 * "a"), "sha256": 64 * "a", "content_type": "text/html", "byte_size": 25},
        {"storage_key": storage_key(64 * "a"), "sha256": 64 * "b"},
    ],
    ids=["key", "type", "bytes"],
)
async def test_content_that_the_service_did_not_store_is_not_redirected(
    columns: dict[str, Any],
    redirecting: httpx.AsyncClient,
    connection: psycopg.Connection,
    settings: Settings,
) -> None:
    """The store would send any content type that was stored with it."""
    put(str(settings.storage_url), columns["storage_key"], b"<script>alert(1)</script>")
    id = insert(connection, **columns)

    response = await redirecting.get(f"/v1/images/{id}/content")

    assert (response.status_code, response.content) == (200, b"<script>alert(1)</script>")
    assert "sandbox" in response.headers["content-security-policy"]


async def test_without_the_setting_nothing_is_redirected(client: httpx.AsyncClient) -> None:
    response = await client.get(f"/v1/images/{(await upload(client))['id']}/content")

    assert (response.status_code, response.content) == (200, picture())


# Start


def wait(database: str, *, timeout: str = "0.5", **variables: str) -> tuple[int, str]:
    """Exit status and stderr of `images wait`."""
    done = forked.run(environment(DATABASE_URL=database, **variables), "images", "wait", "--timeout", timeout)
    return done.returncode, done.stderr


@pytest.mark.parametrize("storage", ["file:{}", "memory:"])
def test_redirects_need_a_store_that_signs(storage: str, database: str, tmp_path: Path) -> None:
    variables = {"STORAGE_URL": storage.format(tmp_path), "CONTENT_REDIRECT": "60"}

    said = "error: CONTENT_REDIRECT needs a store that signs URLs: s3://, gs:// or az:// in STORAGE_URL.\n"
    assert wait(database, **variables) == (2, said)


def test_a_store_that_answers_is_waited_for(s3: S3, database: str, settings: Settings) -> None:
    variables = s3.variables | {"STORAGE_URL": str(settings.storage_url), "CONTENT_REDIRECT": "60"}

    assert wait(database, timeout="30", **variables) == (0, "")


def test_images_wait_names_a_store_that_does_not_answer(database: str) -> None:
    variables = {"AWS_ACCESS_KEY_ID": "someone", "AWS_SECRET_ACCESS_KEY": "hunter2", "AWS_ALLOW_HTTP": "true"}
    endpoint = f"http://127.0.0.1:{free_port()}"

    status, said = wait(database, STORAGE_URL="s3://images/x", AWS_ENDPOINT=endpoint, **variables)

    assert status == 3
    assert said.startswith(f"error: the object store at {endpoint} does not answer: error sending request.\n")
    assert said.endswith(".\nhint: waited 0.5 s; check that the server runs, and the network\n")
    assert "hunter2" not in said


def test_images_wait_names_a_missing_bucket(s3: S3, database: str) -> None:
    status, said = wait(database, STORAGE_URL="s3://nowhere/x", **s3.variables)

    assert (status, said.count("\n")) == (3, 2)
    assert "NoSuchBucket" in said


def test_rejected_credentials_end_images_wait_at_once(s3: S3, database: str) -> None:
    class Refusing(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_error(403)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        variables = s3.variables | {"AWS_ENDPOINT": f"http://127.0.0.1:{server.server_address[1]}"}

        status, said = wait(database, timeout="60", STORAGE_URL="s3://images/x", **variables)

        server.shutdown()
        thread.join()
    assert (status, said.count("\n")) == (3, 1)
    assert said.startswith("error: the object store rejects the credentials: ")


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"AWS_ENDPOINT": "minio:9000"}, "AWS_ENDPOINT must be a URL: https://host or http://host:port.\n"),
        ({"AWS_ENDPOINT_URL": "http://minio:9000"}, "AWS_ENDPOINT_URL is http://, which needs AWS_ALLOW_HTTP=true.\n"),
    ],
)
def test_an_unusable_endpoint_is_named_in_the_error(variables: dict[str, str], said: str, database: str) -> None:
    said = f"error: STORAGE_URL cannot be used: {said}"

    assert wait(database, STORAGE_URL="s3://images/x", **variables) == (2, said)


def test_an_unusable_folder_is_named_in_the_error(database: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    status, said = wait(database, STORAGE_URL=f"file:{tmp_path}/file/objects")

    assert (status, said[: said.rfind(":")]) == (2, f"error: STORAGE_URL cannot be used: {tmp_path}/file/objects")


@pytest.mark.parametrize("name", ["AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
async def test_each_name_of_the_endpoint_is_read(
    name: str, s3: S3, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT")
    monkeypatch.setenv(name, s3.url)

    async with client_of(settings) as client:
        await upload(client)


@pytest.mark.usefixtures("s3")
async def test_a_time_out_of_the_operator_is_used(silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours would be 5 s."""
    monkeypatch.setenv("AWS_ENDPOINT", silent)
    monkeypatch.setenv("AWS_READ_TIMEOUT", "100ms")
    async with asyncio.timeout(4):
        with pytest.raises(BaseError):
            await reach(open_store("s3://images/x"))


@pytest.fixture
def silent() -> Iterator[str]:
    """The URL of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
