"""Helpers for tests of the HTTP API: upload, insert rows, list stored objects, check a problem response."""

import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
from psycopg.sql import SQL, Identifier, Placeholder
from psycopg.types.json import Jsonb

from app.settings import Settings
from app.storage.identity import KEY
from app.web.problem_types import TYPES
from tests.support.pictures import picture

BOUNDARY = "0a1b2c"


async def upload(client: httpx.AsyncClient, content: bytes | None = None, **fields: Any) -> dict[str, Any]:
    """Upload with POST /v1/images and return the image."""
    files = {"file": (fields.pop("filename", "cat.jpg"), content or picture())}
    response = await client.post("/v1/images", files=files, data=fields)
    assert response.status_code in {200, 201}, response.text
    image: dict[str, Any] = response.json()
    return image


def part(disposition: str | bytes, content: bytes) -> bytes:
    """Return a part of multipart/form-data with exactly these bytes."""
    encoded = disposition.encode() if isinstance(disposition, str) else disposition
    return b"--%b\r\nContent-Disposition: form-data; %b\r\n\r\n%b\r\n" % (BOUNDARY.encode(), encoded, content)


async def send(
    client: httpx.AsyncClient, *parts: bytes, end: bytes = b"--0a1b2c--\r\n", also: str = ""
) -> httpx.Response:
    """Send a form with these parts and return the response. `also` is appended to the Content-Type."""
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}{also}"}
    return await client.post("/v1/images", content=b"".join(parts) + end, headers=headers)


def insert(connection: psycopg.Connection, **columns: Any) -> str:
    """Insert a row, as another program may do, and return its ID."""
    unique = uuid4()
    row = {
        "id": unique,
        "filename": "old.jpg",
        "content_type": "image/jpeg",
        "byte_size": 3,
        "width": 60,
        "height": 40,
        "content_sha256": content_sha256(columns.pop("sha256", f"{unique.hex}{unique.hex}")),
        "own_key": columns.pop("storage_key", f"old/{unique}"),
        "tags": [],
        "attributes": Jsonb({}),
    } | columns
    statement = SQL("INSERT INTO images ({}) VALUES ({})").format(
        SQL(", ").join(map(Identifier, row)), SQL(", ").join(map(Placeholder, row))
    )
    connection.execute(statement, row)
    return str(row["id"])


def content_sha256(sha256: str) -> bytes:
    """Return the bytes for a hash in hexadecimal, or for any other text: see images_sha256_bytes()."""
    return bytes.fromhex(sha256) if re.fullmatch("[0-9a-f]{64}", sha256) else bytes(33) + sha256.encode()


def rows(connection: psycopg.Connection) -> int:
    return len(connection.execute("SELECT FROM images").fetchall())


def place(settings: Settings, key: str) -> Path:
    """Return the file where the object store keeps the bytes of a key."""
    return Path(str(settings.storage_url).removeprefix("file:"), key)


def put(settings: Settings, key: str, content: bytes) -> None:
    file = place(settings, key)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def remove(settings: Settings, key: str) -> None:
    place(settings, key).unlink()


def objects(settings: Settings) -> list[str]:
    """Return the keys in the object store, except that of its identity."""
    folder = place(settings, "")
    found = (str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return sorted(key for key in found if key.partition("#")[0] != KEY)


def problem(response: httpx.Response, status: int, kind: str | None = None) -> dict[str, Any]:
    """Return the problem in the response, after the checks that are the same for every problem.

    Without `kind`, it may be of any type that has the status.
    """
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert problem["status"] == status
    found = problem["type"].removeprefix("/problems/")
    if kind or found != "about:blank":
        assert found == (kind or found)
        assert (status in TYPES[found].statuses, problem["title"]) == (True, TYPES[found].title)
    return problem


def faults(response: httpx.Response) -> list[str]:
    """Return the JSON pointers or query parameters that a 422 names."""
    errors = problem(response, 422, "invalid-request")["errors"]
    return [error.get("pointer", error.get("parameter")) for error in errors]
