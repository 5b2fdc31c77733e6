"""POST /v1/images/import: records as NDJSON, all or nothing."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import psycopg
import pytest
from starlette.requests import ClientDisconnect

from app.catalogue.models import ImageRecord
from app.settings import Settings
from app.web.endpoints.imports import BATCH_SIZE, LINES_AT_ONCE, MAX_BLANK_LINES
from app.web.problems import MAX_ERRORS
from tests.migrations.test_backend import wait_until
from tests.support.api import insert, objects, problem, rows, upload
from tests.support.pictures import photo

NDJSON = {"Content-Type": "application/x-ndjson"}
PATH = "/v1/images/import"


def record(n: int = 1, **fields: Any) -> dict[str, Any]:
    return {
        "filename": f"{n}.jpg",
        "content_type": "image/jpeg",
        "byte_size": 1000 + n,
        "width": 640,
        "height": 480,
        "sha256": hashlib.sha256(b"%d" % n).hexdigest(),
    } | fields


def lines(*records: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


async def send(client: httpx.AsyncClient, body: bytes | AsyncIterator[bytes], **headers: str) -> httpx.Response:
    return await client.post(PATH, content=body, headers=NDJSON | headers)


async def test_records_become_images(client: httpx.AsyncClient) -> None:
    full = record(
        1,
        id="7f1f3f80-0000-4000-8000-000000000001",
        title='Tower \\ "night"',
        description="Über allen\nGipfeln",
        tags=["a", "b, c", "a"],
        attributes={"iso": 100, "a\\b": ["\u0001", None, 1.5]},
        color="#c81e1e",
        thumbhash="EUgCDIBwd4eIiIh4iHiHd3iHcA==",
        capture={"captured_at": "2020-02-03T04:05:06+02:00", "captured_at_zone": "offset", "iso": 100},
        location={"latitude": 48.5, "longitude": -11.25},
        created_at="2020-02-03T04:05:06.789+02:00",
        updated_at="2021-02-03T04:05:06Z",
    )

    response = await send(client, lines(full, record(2)))

    assert (response.status_code, response.json()) == (200, {"new": 2, "known": 0})
    image = (await client.get(f"/v1/images/{full['id']}")).json()
    assert image == full | {
        "tags": ["a", "b, c"],
        "created_at": "2020-02-03T02:05:06.789+00:00",
        "updated_at": "2021-02-03T04:05:06+00:00",
    }
    newest = (await client.get("/v1/images?limit=1")).json()["images"][0]
    assert newest["filename"] == "2.jpg"
    assert newest["created_at"] == newest["updated_at"]
    assert [image["id"] for image in (await client.get("/v1/images?tag=b, c")).json()["images"]] == [full["id"]]


@pytest.mark.routes("direct", "pgbouncer")
async def test_an_export_can_be_imported(client: httpx.AsyncClient, connection: psycopg.Connection) -> None:
    for n in range(3):
        capture = {"captured_at": f"2026-07-01T00:00:00+0{n}:00", "captured_at_zone": "offset"}
        fields = {"title": f"Title {n}", "tags": [f"t{n}"], "attributes": {"n": n}, "capture": capture}
        await send(client, lines(record(n, **fields)))
    exported = (await client.get("/v1/images/export")).content
    connection.execute("DELETE FROM images")

    assert (await send(client, exported)).json() == {"new": 3, "known": 0}

    assert (await client.get("/v1/images/export")).content == exported


async def test_bytes_in_the_store_are_found(client: httpx.AsyncClient, connection: psycopg.Connection) -> None:
    image = await upload(client)
    content = (await client.get(f"/v1/images/{image['id']}/content")).content
    connection.execute("DELETE FROM images")

    await send(client, lines(image))

    assert (await client.get(f"/v1/images/{image['id']}/content")).content == content


async def test_an_import_and_the_uploads_of_the_bytes_make_the_same_catalogue(client: httpx.AsyncClient) -> None:
    """A client without access to the object store moves a catalogue so."""
    content = photo(zone=None)
    image = await upload(client, content, filename="boat.jpg", title="Boat", tags=["sea"])
    url = f"/v1/images/{image['id']}"
    await client.get(f"{url}/thumbnail")
    before = await client.get(url)
    assert before.json()["color"] is not None
    exported = (await client.get("/v1/images/export")).content
    await client.delete(url)

    assert (await send(client, exported)).json() == {"new": 1, "known": 0}
    problem(await client.get(f"{url}/content"), 404, "content-missing")
    assert (await client.post("/v1/images", files={"file": ("other.jpg", content)})).status_code == 200

    after = await client.get(url)
    assert (after.json(), after.headers["etag"]) == (before.json(), before.headers["etag"])
    assert (await client.get(f"{url}/content")).content == content


async def test_known_images_do_not_change(client: httpx.AsyncClient) -> None:
    await send(client, lines(record(1, title="First")))

    response = await send(client, lines(record(2), record(1, title="Second"), record(2, title="Again")))

    assert response.json() == {"new": 1, "known": 2}
    assert {image["title"] for image in (await client.get("/v1/images")).json()["images"]} == {"First", None}


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\n\n  \n"])
async def test_blank_lines_and_ends_do_not_matter(end: bytes, client: httpx.AsyncClient) -> None:
    body = b"\n" + lines(record(1)) + b" \r\n" + lines(record(2)).rstrip() + end

    assert (await send(client, body)).json() == {"new": 2, "known": 0}


async def test_an_empty_import_is_not_an_error(client: httpx.AsyncClient) -> None:
    assert (await send(client, b"")).json() == {"new": 0, "known": 0}


WRONG = {
    "no JSON": (b"{", None, "not valid JSON"),
    "not UTF-8": (b'{"filename": "\xff"}', None, "not valid JSON"),
    "no object": (b"[]", "", "must be an object"),
    "NUL": (lines(record(title="a\x00b")), "/title", "U+0000"),
    "NUL in attributes": (lines(record(attributes={"a": "\x00"})), "/attributes", "U+0000"),
    "a folder": (lines(record(filename="a/b.jpg")), "/filename", "must be a file name"),
    "no filename": (lines({k: v for k, v in record().items() if k != "filename"}), "/filename", "is required"),
    "a type that is not taken": (lines(record(content_type="image/svg+xml")), "/content_type", "image/jpeg"),
    "a hash that is none": (lines(record(sha256="A" * 64)), "/sha256", "must be a SHA-256"),
    "no pixels": (lines(record(width=0)), "/width", "from 1 to"),
    "too many bytes": (lines(record(byte_size=2**53)), "/byte_size", "from 0 to"),
    "more pixels than an integer holds": (lines(record(height=2**31)), "/height", "from 1 to"),
    "a number without end": (lines(record(byte_size=1)).replace(b"1,", b"1" * 5000 + b",", 1), None, ""),
    "a time without zone": (lines(record(created_at="2020-01-01T00:00:00")), "/created_at", "must be a time such as"),
    "an id that is none": (lines(record(id="1")), "/id", "UUID"),
    "what is not known": (lines(record(storage_key="x")), "/storage_key", "is unknown"),
    "depth": (b'{"attributes": ' + b'{"a": ' * 10_000 + b"1" + b"}" * 10_001, None, ""),
    "a line without end": (b'{"title": "' + b"a" * (1_000_000), None, "longer"),
}


@pytest.mark.parametrize("case", WRONG)
async def test_a_wrong_line_is_named_and_nothing_is_stored(
    case: str, client: httpx.AsyncClient, connection: psycopg.Connection
) -> None:
    line, pointer, detail = WRONG[case]

    body = problem(await send(client, lines(record(10), record(11)) + line), 422, "invalid-request")

    assert body["detail"].startswith("Nothing was imported.")
    assert [error["line"] for error in body["errors"]] == [3]
    assert body["errors"][0].get("pointer") == pointer or pointer is None
    assert detail in body["errors"][0]["detail"]
    assert rows(connection) == 0


async def test_the_first_errors_of_all_lines_are_named(
    client: httpx.AsyncClient, connection: psycopg.Connection
) -> None:
    body = lines(*(record(n, width=0 if n % 2 else 1) for n in range(3 * BATCH_SIZE)))

    response = await send(client, body)

    assert [error["line"] for error in problem(response, 422, "invalid-request")["errors"]] == list(
        range(2, 2 * MAX_ERRORS + 1, 2)
    )
    assert response.headers["connection"] == "close"
    assert rows(connection) == 0


async def test_nothing_is_read_after_the_twentieth_error(
    client: httpx.AsyncClient, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one piece of the body, and in many."""
    validate, read = ImageRecord.model_validate_json, []

    def counted(line: bytes, **options: Any) -> ImageRecord:
        read.append(line)
        return validate(line, **options)

    monkeypatch.setattr(ImageRecord, "model_validate_json", counted)
    wrong = lines(record(1, width=0)) * 10_000

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(wrong), 1000):
            yield wrong[start : start + 1000]

    for body in (wrong, pieces()):
        read.clear()
        response = await send(client, body)

        told = problem(response, 422, "invalid-request")
        assert told["detail"] == "Nothing was imported. The service stopped reading at the last of these faults."
        assert [error["line"] for error in told["errors"]] == [*range(1, MAX_ERRORS + 1)]
        assert response.headers["connection"] == "close"
        assert len(read) == MAX_ERRORS
    assert rows(connection) == 0


async def test_blank_lines_are_limited_and_hold_up_no_other_request(
    client: httpx.AsyncClient, connection: psycopg.Connection
) -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async with asyncio.TaskGroup() as group:
        task = group.create_task(other())
        response = await send(client, lines(record()) + b"\r\n" * MAX_BLANK_LINES)
        assert (response.status_code, response.json()) == (200, {"new": 1, "known": 0})
        assert turns > MAX_BLANK_LINES // LINES_AT_ONCE
        for blank in (b"\n", b" \t\r\n"):
            response = await send(client, lines(record(2)) + blank * 2_000_000)
            [error] = problem(response, 422, "invalid-request")["errors"]
            assert error == {"line": MAX_BLANK_LINES + 2, "detail": "is one of more than 10000 blank lines"}
        task.cancel()
    assert rows(connection) == 1


async def test_an_import_does_not_hold_its_transaction_for_ever(
    client: httpx.AsyncClient, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.web.endpoints.imports.TRANSFER_TIMEOUT", 0.3)

    async def slow() -> AsyncIterator[bytes]:
        yield lines(record())
        await asyncio.Event().wait()

    told = problem(await send(client, slow()), 408)

    assert told["detail"].startswith("The import took longer than 0.3 s. Nothing was imported.")
    assert rows(connection) == 0


@pytest.mark.routes("direct", "pgbouncer")
async def test_a_wrong_line_at_the_end_rolls_back_all_lines(
    client: httpx.AsyncClient, connection: psycopg.Connection
) -> None:
    body = lines(*map(record, range(2 * BATCH_SIZE))) + b"{}\n"

    response = await send(client, body)

    assert {error["line"] for error in problem(response, 422, "invalid-request")["errors"]} == {2 * BATCH_SIZE + 1}
    assert "connection" not in response.headers
    assert rows(connection) == 0


async def test_an_id_of_other_bytes_is_rejected(client: httpx.AsyncClient, connection: psycopg.Connection) -> None:
    id, other = "7f1f3f80-0000-4000-8000-000000000001", "7f1f3f80-0000-4000-8000-000000000002"
    await send(client, lines(record(1, id=id)))

    response = await send(client, lines(record(1, id=id), record(2, id=id), record(3, id=other), record(4, id=other)))

    errors = problem(response, 422, "invalid-request")["errors"]
    assert [(error["line"], error["pointer"], error["detail"]) for error in errors] == [
        (2, "/id", "is the ID of other bytes"),
        (4, "/id", "is the ID of other bytes"),
    ]
    assert rows(connection) == 1


@pytest.mark.routes("direct", "pgbouncer")
async def test_many_batches_make_one_import(client: httpx.AsyncClient, connection: psycopg.Connection) -> None:
    async def body() -> AsyncIterator[bytes]:
        text = lines(*map(record, range(2 * BATCH_SIZE + 10)))
        for start in range(0, len(text), 10_007):
            yield text[start : start + 10_007]

    assert (await send(client, body())).json() == {"new": 2 * BATCH_SIZE + 10, "known": 0}
    assert rows(connection) == 2 * BATCH_SIZE + 10


@pytest.mark.parametrize(
    "headers", [{"Content-Type": "application/json"}, {"Content-Type": ""}, {"Content-Encoding": "gzip"}]
)
async def test_other_media_types_are_rejected(headers: dict[str, str], client: httpx.AsyncClient) -> None:
    response = await send(client, lines(record()), **headers)

    problem(response, 415)
    assert response.headers["accept-post"] == "application/x-ndjson"


async def test_a_client_that_goes_away_leaves_nothing(
    client: httpx.AsyncClient, connection: psycopg.Connection
) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield lines(*map(record, range(2 * BATCH_SIZE)))
        raise ClientDisconnect

    assert (await send(client, body())).status_code == 400

    assert rows(connection) == 0
    assert (await send(client, lines(record()))).json() == {"new": 1, "known": 0}


async def test_an_upload_that_comes_in_between_is_a_conflict(
    client: httpx.AsyncClient, connection: psycopg.Connection
) -> None:
    """The row is inserted but not committed when the import looks for known images. The COPY waits for it."""
    connection.execute("BEGIN")
    insert(connection, sha256=record(1)["sha256"])
    sending = asyncio.create_task(send(client, lines(record(1), record(2))))
    waiting = "SELECT FROM pg_locks WHERE NOT granted"
    await asyncio.to_thread(wait_until, lambda: connection.execute(waiting).fetchall())

    connection.execute("COMMIT")

    assert "Send the request again" in problem(await sending, 409)["detail"]
    assert (await send(client, lines(record(1), record(2)))).json() == {"new": 1, "known": 1}


@pytest.mark.routes("direct", "pgbouncer")
async def test_a_delete_leaves_the_bytes_while_an_import_runs(
    client: httpx.AsyncClient, settings: Settings, connection: psycopg.Connection
) -> None:
    """They may be those of a record on its way."""
    image = await upload(client)
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield lines(*map(record, range(BATCH_SIZE)))
        begun.set()
        await go_on.wait()
        yield lines(image)

    sending = asyncio.create_task(send(client, body()))
    await begun.wait()
    importing = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted"
    await asyncio.to_thread(wait_until, lambda: connection.execute(importing).fetchall())
    assert (await client.delete(f"/v1/images/{image['id']}")).status_code == 204
    go_on.set()

    assert (await sending).json() == {"new": BATCH_SIZE + 1, "known": 0}
    assert len(objects(settings)) == 1
    assert (await client.get(f"/v1/images/{image['id']}/content")).status_code == 200
