"""Works of the benchmark: the requests of each, the photo to upload, and the rows to import."""

import csv
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from io import BytesIO
from itertools import count, cycle
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from PIL import Image

from benchmarks.database import DATA, Database
from benchmarks.load import Requests
from benchmarks.servers import FASTAPI, FASTIFY, PGBENCH, STARLETTE, US, bare, image_id

GET, NEWEST, BEFORE = "get by id", "newest 50", "50 before a random time"
PATCH, UPLOAD = "change a title", "upload a photo"
THUMBNAILS, CONTENT, S3_CONTENT = "thumbnail of a new photo", "content of 350 KB", "content of 350 KB, on S3"
SEARCH, TIMELINE = "search by two words", "timeline"

REQUESTED_IMAGES = 20_000  # random IDs, which the requests repeat in the same order
REQUESTED_TIMES = 2_000
BOUNDARY = "a-boundary-that-is-in-no-photo"


class Work(NamedTuple):
    requests: Callable[[], Requests]
    status: int
    servers: list[str]  # and limits, such as pgbench

    @property
    def peers(self) -> bool:
        return len(self.servers) > 1


def pages_before(filled: Database) -> list[tuple[str, str]]:
    """Return random times in whole seconds, and for each the ID of the image that begins the page before it."""
    [(first, last)] = filled.execute("SELECT min(created_at), max(created_at) FROM images")
    random = Random(1)  # noqa: S311
    times = [first + (last - first) * random.uniform(0.01, 1) for _ in range(REQUESTED_TIMES)]
    pages = filled.execute(
        "SELECT moment, (SELECT id FROM images WHERE created_at < moment ORDER BY created_at DESC, id DESC LIMIT 1) "
        "FROM unnest(%s::timestamptz[]) AS moment",
        [moment.replace(microsecond=0) for moment in times],
    )
    return [(f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}", f"{id}") for moment, id in pages]


def works(rows: int, last_of_page: str, before: list[tuple[str, str]], token: str) -> dict[str, Work]:
    """Return the works by name.

    `last_of_page` is the ID of the image that ends the first page of 50. `before` has times, each with the ID of the
    image that begins the page before it.
    """
    random = Random(1)  # noqa: S311
    ids = [image_id(random.randint(1, rows)) for _ in range(REQUESTED_IMAGES)]
    photo = make_photo()
    serial = count()

    def get() -> Requests:
        return cycle([(head("GET", f"/v1/images/{id}", token), f"{id}".encode()) for id in ids])

    def newest() -> Requests:
        return cycle([(head("GET", "/v1/images", token), last_of_page.encode())])

    def before_a_time() -> Requests:
        pages = [(head("GET", f"/v1/images?created_before={time}", token), id.encode()) for time, id in before]
        return cycle(pages)

    def patch() -> Requests:
        for number, id in zip(serial, cycle(ids), strict=False):
            title = b"Title %d" % number
            body = b'{"title":"%b"}' % title
            yield head("PATCH", f"/v1/images/{id}", token, "application/json", len(body)) + body, title

    def upload() -> Requests:
        for number in serial:
            body, media_type = form(photo, number)
            yield head("POST", "/v1/images", token, media_type, len(body)) + body, b"1800"

    def search() -> Requests:
        words = [f"harbour+{number}+bridge+{number * 7 % 700}" for number in range(90)]
        return cycle([(head("GET", f"/v1/images?q={each}", token), b'"images"') for each in words])

    def timeline() -> Requests:
        return cycle([(head("GET", "/v1/timeline", token), b'"months"')])

    services = [US, FASTAPI, FASTIFY]
    both = [*services, *map(bare, services)]
    return {
        GET: Work(get, 200, [*both, STARLETTE, bare(STARLETTE), PGBENCH]),
        NEWEST: Work(newest, 200, [*both, PGBENCH]),
        BEFORE: Work(before_a_time, 200, both),
        PATCH: Work(patch, 200, [*both, PGBENCH]),
        UPLOAD: Work(upload, 201, both),
        SEARCH: Work(search, 200, [US]),
        TIMELINE: Work(timeline, 200, [US]),
    }


def head(method: str, path: str, token: str, media_type: str = "", length: int = 0) -> bytes:
    """Return the head of a request. Servers without the duties get the same head, and ignore its token."""
    body = f"Content-Type: {media_type}\r\nContent-Length: {length}\r\n" if media_type else ""
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    return f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\n{authorization}{body}\r\n".encode()


def make_photo() -> bytes:
    """Return a JPEG of 1800 x 1200 pixels and about 350 KB, with soft shapes and some grain like a photo."""
    noise = Image.frombytes("RGB", (150, 100), Random(1).randbytes(150 * 100 * 3))  # noqa: S311
    file = BytesIO()
    noise.resize((1800, 1200), Image.Resampling.BICUBIC).save(file, "JPEG", quality=76)
    return file.getvalue()


def form(photo: bytes, number: int) -> tuple[bytes, str]:
    """Return a multipart/form-data body with the photo, and its type. A JPEG comment makes each photo unique."""
    start = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="title"\r\n\r\nPhoto {number}\r\n--{BOUNDARY}\r\n'
        f'Content-Disposition: form-data; name="file"; filename="{number}.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    )
    comment = b"\xff\xfe\x00\x12" + b"%16d" % number
    body = b"".join([start.encode(), photo[:2], comment, photo[2:], f"\r\n--{BOUNDARY}--\r\n".encode()])
    return body, f"multipart/form-data; boundary={BOUNDARY}"


def import_files(rows: int) -> tuple[Path, Path]:
    """Write the same new images as NDJSON for the service and as CSV for psql. Return the two paths."""
    ndjson, table = DATA / "import.ndjson", DATA / "import.csv"
    with ndjson.open("w") as lines, table.open("w", newline="") as file:
        writer = csv.writer(file)
        for image in _images(rows):
            lines.write(json.dumps(image) + "\n")
            tags, attributes = "{" + ",".join(image["tags"]) + "}", json.dumps(image["attributes"])
            columns = image | {"sha256": rf"\x{image['sha256']}", "tags": tags, "attributes": attributes}
            writer.writerow(columns.values())
    return ndjson, table


def _images(rows: int) -> Iterator[dict[str, Any]]:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(rows):
        yield {
            "filename": f"SCAN_{number}.jpg",
            "content_type": "image/jpeg",
            "byte_size": 200_000 + number,
            "width": 640 + number % 10 * 320,
            "height": 480 + number % 10 * 240,
            "sha256": sha256(b"imported %d" % number).hexdigest(),
            "title": f"Corner {number % 9000} in the evening" if number % 2 else None,
            "description": None if number % 3 else f"Seen from bridge {number % 700}, with house {number} on the left.",
            "tags": [f"city-{number % 50}", f"place-{number % 4000}"],
            "attributes": {"camera": f"Model {number % 60}", "iso": 100 * (1 + number % 32)},
            "created_at": (begin + timedelta(seconds=number)).isoformat(),
        }
