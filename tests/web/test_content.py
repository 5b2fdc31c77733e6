"""The bytes of an image, all of them or a range."""

import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, unquote

import httpx
import psycopg
import pytest

from app.settings import Settings
from tests.cli.test_entrypoint import free_port, ready, service
from tests.migrations.test_backend import wait_until
from tests.support.api import insert, objects, place, problem, put, upload
from tests.support.pictures import picture


async def test_content_is_cached_and_cannot_run_as_a_script(client: httpx.AsyncClient) -> None:
    image = await upload(client)
    url = f"/v1/images/{image['id']}/content"

    response = await client.get(url, headers={"X-Request-ID": "same"})

    assert response.content == picture()
    assert response.headers["content-type"] == "image/jpeg"
    assert response.headers["content-length"] == str(len(picture()))
    assert response.headers["accept-ranges"] == "bytes"
    assert response.headers["etag"] == f'"{image["sha256"]}"'
    assert response.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["content-security-policy"] == (
        "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; sandbox"
    )
    unchanged = await client.get(url, headers={"If-None-Match": response.headers["etag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    head = await client.head(url, headers={"X-Request-ID": "same"})
    assert (head.status_code, head.content, head.headers) == (200, b"", response.headers)


FILENAMES = {  # file names, and their ASCII forms for old clients
    "cat.jpg": "cat.jpg",
    "猫 кот 🐈.jpg": "_ ___ _.jpg",
    "a\"b;c%41'd.jpg": "a_b;c_41'd.jpg",
    "قطة.jpg": "___.jpg",
    "IMG.JPEG": "IMG.JPEG",
}
# File names that another program might run, or has no program for, and the ones that clients get.
RENAMED = {
    "\u202egnp.exe": "_gnp.exe.jpg",
    "a\u2067b\u2069.jpg": "a_b_.jpg",
    "photo.html": "photo.html.jpg",
    "jpg": "jpg.jpg",
    "photo.png": "photo.png.jpg",
    "x" * 255: "x" * 255 + ".jpg",
}


async def test_a_file_name_of_any_script_comes_with_the_content(client: httpx.AsyncClient) -> None:
    for name, fallback in FILENAMES.items():
        id = (await upload(client))["id"]
        await client.patch(f"/v1/images/{id}", json={"filename": name})

        disposition = (await client.get(f"/v1/images/{id}/content")).headers["content-disposition"]

        plain, _, encoded = disposition.partition("; filename*=UTF-8''")
        assert plain == f'inline; filename="{fallback}"'
        assert encoded.isascii()
        assert unquote(encoded) == name


async def test_content_has_a_file_name_of_its_type(client: httpx.AsyncClient) -> None:
    image = await upload(client)
    for name, given in RENAMED.items():
        await client.patch(f"/v1/images/{image['id']}", json={"filename": name})

        response = await client.get(f"/v1/images/{image['id']}/content")

        assert response.headers["content-disposition"].endswith(f"; filename*=UTF-8''{quote(given)}")
        assert (await client.get(f"/v1/images/{image['id']}")).json()["filename"] == name


@pytest.mark.parametrize("key", ["2019/04/Mein Bild.jpg", "old.jpg", "é/%20#?.jpg"])
async def test_an_adopted_row_is_served_and_deleted_by_its_own_key(
    client: httpx.AsyncClient, connection: psycopg.Connection, settings: Settings, key: str
) -> None:
    put(settings, key, b"old")
    id = insert(connection, storage_key=key)

    assert (await client.get(f"/v1/images/{id}/content")).content == b"old"
    assert (await client.delete(f"/v1/images/{id}")).status_code == 204
    assert objects(settings) == []


@pytest.mark.parametrize("key", ["../secret", "a/../../secret", "a//b", ".", "a\nb", "none"])
async def test_a_key_without_bytes_is_missing_content(
    client: httpx.AsyncClient, connection: psycopg.Connection, tmp_path: Path, key: str
) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    id = insert(connection, storage_key=key)

    problem(await client.get(f"/v1/images/{id}/content"), 404, "content-missing")
    assert (await client.delete(f"/v1/images/{id}")).status_code == 204
    assert (tmp_path / "secret").exists()


@pytest.mark.parametrize("type", ["text/html", "image/svg+xml", "", "тип", "a\r\nSet-Cookie: a=b", "IMAGE/JPEG"])
async def test_browsers_do_not_show_content_that_may_not_be_an_image(
    client: httpx.AsyncClient, connection: psycopg.Connection, settings: Settings, type: str
) -> None:
    put(settings, "old", b"<script>alert(1)</script>")
    id = insert(connection, storage_key="old", content_type=type, filename="a\r\nb/…", sha256="тест \r\n")

    response = await client.get(f"/v1/images/{id}/content")

    assert response.status_code == 200
    assert response.headers["content-type"] == "application/octet-stream"
    assert response.headers["content-disposition"].startswith("attachment;")
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in response.headers["content-security-policy"]
    assert "set-cookie" not in response.headers


# Ranges

CONTENT = picture()
SIZE = len(CONTENT)
HUGE = "9" * 6000

RANGES = [
    ("bytes=0-0", 0, 1),
    ("bytes=5-9", 5, 10),
    ("bytes=5-", 5, SIZE),
    ("bytes=-3", SIZE - 3, SIZE),
    ("Bytes=0000-0002", 0, 3),
    (f"bytes=0-{SIZE - 1}", 0, SIZE),
    (f"bytes=0-{SIZE}", 0, SIZE),
    (f"bytes=1-{10**30}", 1, SIZE),
    (f"bytes=1-{HUGE}", 1, SIZE),
    (f"bytes=-{SIZE + 1}", 0, SIZE),
    (f"bytes=-{HUGE}", 0, SIZE),
    (f"bytes={SIZE - 1}-", SIZE - 1, SIZE),
]


async def test_only_the_range_is_sent(client: httpx.AsyncClient) -> None:
    url = f"/v1/images/{(await upload(client, CONTENT))['id']}/content"

    for range, start, end in RANGES:
        response = await client.get(url, headers={"Range": range})

        assert response.status_code == 206, range
        assert response.content == CONTENT[start:end]
        assert response.headers["content-range"] == f"bytes {start}-{end - 1}/{SIZE}"
        assert response.headers["content-length"] == str(end - start)
        assert response.headers["content-type"] == "image/jpeg"
        assert "etag" in response.headers


BEYOND = [f"bytes={SIZE}-", f"bytes={SIZE}-{SIZE + 9}", "bytes=-0", f"bytes={10**30}-", f"bytes={HUGE}-{HUGE}"]


async def test_a_range_beyond_the_end_is_rejected(client: httpx.AsyncClient) -> None:
    url = f"/v1/images/{(await upload(client, CONTENT))['id']}/content"

    for range in BEYOND:
        response = await client.get(url, headers={"Range": range})

        problem(response, 416)
        assert response.headers["content-range"] == f"bytes */{SIZE}"


NO_RANGES = ["", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=5-2", "bytes=1.5-2", "bytes=+1-2", "bytes=1 -2",
    "bytes=0-1,3-4", "bytes=0-1,", "items=0-1", "bytes=\u0661-2", "bytes=0x1-2", "bytes=--1"]  # fmt: skip


async def test_several_ranges_and_malformed_ones_are_ignored(client: httpx.AsyncClient) -> None:
    url = f"/v1/images/{(await upload(client, CONTENT))['id']}/content"

    for range in NO_RANGES:
        response = await client.get(url, headers=[(b"Range", range.encode())])

        assert (response.status_code, response.content) == (200, CONTENT), range
        assert "content-range" not in response.headers


async def test_if_range_has_to_name_the_same_bytes(client: httpx.AsyncClient) -> None:
    image = await upload(client, CONTENT)
    url, etag = f"/v1/images/{image['id']}/content", f'"{image["sha256"]}"'

    for validator, status in [
        (etag, 206),
        (f"W/{etag}", 200),
        ('"other"', 200),
        ("*", 200),
        ("Sat, 31 Jan 2026 12:00:00 GMT", 200),
    ]:
        response = await client.get(url, headers={"Range": "bytes=0-4", "If-Range": validator})
        assert response.status_code == status, validator
        beyond = await client.get(url, headers={"Range": f"bytes={SIZE}-", "If-Range": validator})
        assert beyond.status_code == {206: 416, 200: 200}[status]


async def test_the_condition_comes_before_the_range(client: httpx.AsyncClient) -> None:
    url = f"/v1/images/{(await upload(client, CONTENT))['id']}/content"

    response = await client.get(url, headers={"Range": f"bytes={SIZE}-", "If-None-Match": "*"})

    assert response.status_code == 304


async def test_a_head_has_no_range(client: httpx.AsyncClient) -> None:
    url = f"/v1/images/{(await upload(client, CONTENT))['id']}/content"

    for range in ("bytes=0-4", f"bytes={SIZE}-"):
        response = await client.head(url, headers={"Range": range})

        assert (response.status_code, response.content) == (200, b"")
        assert response.headers["content-length"] == str(SIZE)


async def test_no_bytes_have_no_range(
    client: httpx.AsyncClient, connection: psycopg.Connection, settings: Settings
) -> None:
    put(settings, "empty", b"")
    url = f"/v1/images/{insert(connection, storage_key='empty')}/content"

    for range in ("bytes=0-", "bytes=-1", "bytes=5-9"):
        response = await client.get(url, headers={"Range": range})

        assert (response.status_code, response.content) == (200, b"")


async def test_the_range_is_of_the_bytes_that_are_there(
    client: httpx.AsyncClient, connection: psycopg.Connection, settings: Settings
) -> None:
    put(settings, "old", b"0123456789")
    url = f"/v1/images/{insert(connection, storage_key='old', byte_size=3)}/content"

    response = await client.get(url, headers={"Range": "bytes=-4"})

    assert response.content == b"6789"
    assert response.headers["content-range"] == "bytes 6-9/10"


async def test_a_range_of_missing_content_is_missing(client: httpx.AsyncClient, connection: psycopg.Connection) -> None:
    url = f"/v1/images/{insert(connection, storage_key='none')}/content"

    problem(await client.get(url, headers={"Range": "bytes=0-1"}), 404, "content-missing")
    assert (await client.head(url)).status_code == 404


# Memory and time


@contextmanager
def serving(settings: Settings, **variables: str) -> Iterator[tuple[httpx.Client, int]]:
    """A worker as it is deployed, and the id of its process."""
    port = free_port()
    objects = place(settings, "")
    with service(settings.database_url.get_secret_value(), port, objects, **variables) as process:
        wait_until(lambda: ready(port))
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            yield client, process.pid


def memory(pid: int, what: str) -> float:
    """MiB that a process has (VmRSS), or had at most since `forget` (VmHWM)."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(rf"{what}:\s+(\d+) kB", status)
    assert found
    return int(found[1]) / 1024


def added(pid: int, action: Callable[[], httpx.Response]) -> tuple[float, httpx.Response]:
    """MiB that the process had at most, meanwhile, above what it had before."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    before = memory(pid, "VmRSS")
    response = action()
    return memory(pid, "VmHWM") - before, response


def bytes_read(pid: int) -> int:
    return int(re.findall(r"rchar: (\d+)", Path(f"/proc/{pid}/io").read_text())[0])


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux")
def test_only_the_range_of_a_large_object_is_read(connection: psycopg.Connection, settings: Settings) -> None:
    put(settings, "huge", b"")
    os.truncate(place(settings, "huge"), 2**30)  # of which nothing is on disk
    url = f"/v1/images/{insert(connection, storage_key='huge')}/content"
    with serving(settings) as (client, pid):
        client.get(url, headers={"Range": "bytes=0-9"})
        before = bytes_read(pid)

        few = client.get(url, headers={"Range": f"bytes={2**29}-{2**29 + 9}"})

        assert (few.status_code, few.content) == (206, bytes(10))
        assert bytes_read(pid) - before < 100_000

        many, response = added(pid, lambda: client.get(url, headers={"Range": f"bytes=1-{40 * 2**20}"}))

        assert len(response.content) == 40 * 2**20
        assert many < 10
        assert bytes_read(pid) - before < 45 * 2**20


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux")
def test_an_upload_of_50_mib_adds_less_than_10_mib(
    connection: psycopg.Connection, settings: Settings, tmp_path: Path
) -> None:
    with serving(settings) as (client, pid):
        url = "/v1/images"
        client.post(url, content=picture(), headers={"Content-Type": "image/jpeg"})
        content = picture(seed=1) + bytes(50 * 2**20 - 4096)

        raw, first = added(pid, lambda: client.post(url, content=content, headers={"Content-Type": "image/jpeg"}))
        form, second = added(pid, lambda: client.post(url, files={"file": content + b"1"}))

        assert (first.status_code, second.status_code) == (201, 201)
        assert raw < 10
        assert form < 10
        assert hashlib.sha256(content).hexdigest() == first.json()["sha256"]


def test_the_largest_uploads_do_not_delay_other_requests(settings: Settings) -> None:
    """The event loop answers while bodies are received, parsed, hashed, decoded and stored."""
    content = picture(seed=1) + bytes(50 * 2**20 - 4096)
    with serving(settings) as (client, _), ThreadPoolExecutor(2) as threads:
        client.get("/healthz")
        uploads = [
            threads.submit(client.post, "/v1/images", content=content, headers={"Content-Type": "image/jpeg"}),
            threads.submit(client.post, "/v1/images", files={"file": content + b"1"}),
        ]
        waits = []
        while not all(upload.done() for upload in uploads):
            started = time.monotonic()
            client.get("/healthz")
            waits.append(time.monotonic() - started)

    assert [upload.result().status_code for upload in uploads] == [201, 201]
    assert len(waits) > 20
    assert sorted(waits)[len(waits) // 2] < 0.1
