"""Rotten bytes: what is not served, what `images objects check --verify` finds, and what an upload repairs."""

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator
from itertools import product
from pathlib import Path

import httpx
import psycopg
import pytest

from app.catalogue.ownership import claim
from app.database import database_metrics
from app.database.pool import Pool
from app.settings import Settings
from app.storage import store
from app.storage.keys import storage_key
from app.storage.store import open_store
from app.web import exposition
from tests.cli.test_adopt_store import images
from tests.conftest import client_of
from tests.observability.test_metrics import scraped, total
from tests.support.api import insert, objects, place, problem, put, remove, upload
from tests.support.pictures import picture

CHECK = ("objects", "check")
VERIFY = (*CHECK, "--verify")


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with Pool(settings) as pool:
        await claim(pool, open_store(settings.storage_url))
    async with client_of(settings) as client:
        yield client


def flip(settings: Settings, sha256: str) -> None:
    """Change one byte of the content, and not its size."""
    file = place(settings, storage_key(sha256))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def checks(connection: psycopg.Connection) -> dict[str, str | None]:
    return dict(connection.execute("SELECT sha256, fault FROM content_checks").fetchall())


# Bytes of another size


@pytest.mark.parametrize("content", [b"", picture()[:-1], picture() + b"x"], ids=["empty", "short", "long"])
async def test_bytes_of_another_size_are_not_served(
    content: bytes, client: httpx.AsyncClient, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    image = await upload(client)
    url = f"/v1/images/{image['id']}"
    put(settings, storage_key(image["sha256"]), content)

    for part in ({}, {"Range": "bytes=0-1"}):
        problem(await client.get(f"{url}/content", headers=part), 404, "content-missing")
    problem(await client.get(f"{url}/thumbnail"), 404, "content-missing")
    head = await client.head(f"{url}/content")
    assert (head.status_code, "etag" in head.headers) == (404, False)
    size = image["byte_size"]
    assert f"the object store has {len(content)} bytes under '{storage_key(image['sha256'])}', the row has {size}" in (
        caplog.messages
    )
    assert total(await scraped(client), "images_content_faults_total") >= 4


@pytest.mark.parametrize("key", ["", "/"])
async def test_an_adopted_row_without_a_key_has_no_bytes(
    key: str, client: httpx.AsyncClient, connection: psycopg.Connection
) -> None:
    url = f"/v1/images/{insert(connection, storage_key=key)}"

    for part in ({}, {"Range": "bytes=0-1"}):
        problem(await client.get(f"{url}/content", headers=part), 404, "content-missing")
    problem(await client.get(f"{url}/thumbnail"), 404, "content-missing")
    assert (await client.head(f"{url}/content")).status_code == 404
    assert (await client.delete(url)).status_code == 204


# An upload of known bytes


@pytest.mark.parametrize("content", [None, b"short"], ids=["missing", "short"])
async def test_an_upload_of_known_bytes_writes_them_again(
    content: bytes | None, client: httpx.AsyncClient, settings: Settings
) -> None:
    image = await upload(client)
    key = storage_key(image["sha256"])
    remove(settings, key) if content is None else put(settings, key, content)

    again = await client.post("/v1/images", files={"file": picture()})

    assert (again.status_code, again.json()) == (200, image)
    assert (await client.get(f"/v1/images/{image['id']}/content")).content == picture()


WRONG = {"byte_size": 7, "content_type": "image/png", "width": 1, "height": 2}


async def test_an_upload_corrects_an_imported_record(client: httpx.AsyncClient, settings: Settings) -> None:
    """The bytes are the truth, whatever a record says that was imported without them."""
    cases = [*({name: value} for name, value in WRONG.items()), WRONG]
    for seed, (wrong, kept) in enumerate(product(cases, [None, b"another"])):
        content = picture() + bytes(seed + 1)
        truth = {"content_type": "image/jpeg", "byte_size": len(content), "width": 60, "height": 40}
        sha256 = hashlib.sha256(content).hexdigest()
        line = json.dumps({"filename": "kept.jpg", "title": "Kept", "sha256": sha256} | truth | wrong).encode()
        await client.post("/v1/images/import", content=line, headers={"Content-Type": "application/x-ndjson"})
        if kept is not None:
            put(settings, storage_key(sha256), kept)
        imported = (await client.get("/v1/images", params={"limit": 1})).json()["images"][0]
        assert imported["sha256"] == sha256

        answer = await client.post("/v1/images", files={"file": content})

        assert answer.status_code == 200
        image = answer.json()
        read_now = {name: image[name] for name in ("updated_at", "capture")}
        assert image == imported | truth | read_now
        assert image["updated_at"] > imported["updated_at"]
        assert None not in read_now.values()
        read = await client.get(f"/v1/images/{imported['id']}")
        assert (read.json(), read.headers["etag"]) == (answer.json(), answer.headers["etag"])
        sent = await client.get(f"/v1/images/{imported['id']}/content")
        assert (sent.status_code, sent.headers["content-type"], sent.content) == (200, "image/jpeg", content)
        again = await client.post("/v1/images", files={"file": content})
        assert (again.status_code, again.json()) == (200, answer.json())
    for type, number in {"image/jpeg": len(cases) * 2, "image/png": 0}.items():
        assert len((await client.get("/v1/images", params={"content_type": type})).json()["images"]) == number


async def test_an_upload_corrects_the_row_of_sound_bytes(
    client: httpx.AsyncClient, connection: psycopg.Connection
) -> None:
    image = await upload(client)
    connection.execute("UPDATE images SET byte_size = 7")

    again = await client.post("/v1/images", files={"file": picture()})

    assert again.json() == image | {"updated_at": again.json()["updated_at"]}
    assert (await client.get(f"/v1/images/{image['id']}/content")).content == picture()


async def test_known_bytes_without_those_of_an_adopted_key_get_the_usual_key(
    client: httpx.AsyncClient, settings: Settings, connection: psycopg.Connection
) -> None:
    """An object of another size under the adopted key stays: it may be the only one with its bytes."""
    image = await upload(client)
    put(settings, "old/cat.jpg", b"another")
    for key in ("old/cat.jpg", "none", "", "../secret", "a\nb"):
        connection.execute("UPDATE images SET own_key = %s", [key])
        remove(settings, storage_key(image["sha256"]))

        assert await upload(client) == image
        assert objects(settings) == ["old/cat.jpg", storage_key(image["sha256"])]
        assert (await client.get(f"/v1/images/{image['id']}/content")).content == picture()


async def test_sound_bytes_are_not_written_again(
    client: httpx.AsyncClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await upload(client)
    monkeypatch.setattr(store, "put", None)

    await upload(client)


async def test_known_bytes_are_known_while_the_store_is_away(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await upload(client)
    monkeypatch.setattr(store, "size", away)

    assert (await client.post("/v1/images", files={"file": picture()})).status_code == 200


async def test_known_bytes_that_are_lost_and_cannot_be_written_are_not_answered_as_stored(
    client: httpx.AsyncClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = await upload(client)
    remove(settings, storage_key(image["sha256"]))
    monkeypatch.setattr(store, "put", away)

    problem(await client.post("/v1/images", files={"file": picture()}), 503)


async def away(*_: object) -> None:
    raise OSError("no answer")


async def test_an_import_of_known_bytes_writes_them_again(
    client: httpx.AsyncClient, settings: Settings, tmp_path: Path
) -> None:
    image = await upload(client)
    remove(settings, storage_key(image["sha256"]))
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(picture())

    done = await asyncio.to_thread(images, settings, "import", str(tmp_path / "photos"))

    assert (done[0], done[1]) == (0, "0 new, 1 known, 0 rejected\n")
    assert (await client.get(f"/v1/images/{image['id']}/content")).content == picture()


# --verify


async def test_a_flipped_byte_is_found_and_repaired_by_an_upload(
    client: httpx.AsyncClient, settings: Settings, connection: psycopg.Connection
) -> None:
    image, sound = [await upload(client, picture(seed=seed)) for seed in (1, 2)]
    flip(settings, image["sha256"])
    assert images(settings, *CHECK)[0] == 0
    etag = (await client.get(f"/v1/images/{image['id']}")).headers["etag"]

    status, stdout, stderr = images(settings, *VERIFY)

    finding, summary = stdout.splitlines()
    assert (status, stderr) == (1, "")
    assert finding == f"image {image['id']}: the bytes under {storage_key(image['sha256'])} have another SHA-256"
    size = image["byte_size"] + sound["byte_size"]
    assert summary == (f"2 images, 2 contents, 0 thumbnails, 2 verified ({size} bytes): 1 image with other bytes")
    assert checks(connection) == {image["sha256"]: "wrong", sound["sha256"]: None}
    assert (await client.get(f"/v1/images/{image['id']}")).headers["etag"] == etag
    assert total(await scraped(client), "images_contents_damaged") == 1
    url = f"/v1/images/{image['id']}/content"
    for part in ({}, {"Range": "bytes=0-1"}):
        problem(await client.get(url, headers=part), 404, "content-missing")
    assert (await client.head(url)).status_code == 404
    assert (await client.get(f"/v1/images/{sound['id']}/content")).content == picture(seed=2)

    assert (await client.post("/v1/images", files={"file": picture(seed=1)})).status_code == 200

    assert (await client.get(url)).content == picture(seed=1)
    assert checks(connection) == {image["sha256"]: None, sound["sha256"]: None}
    assert images(settings, *VERIFY, "--verify-interval", "0")[0] == 0


async def test_missing_and_short_bytes_are_told_once(
    client: httpx.AsyncClient, settings: Settings, connection: psycopg.Connection
) -> None:
    missing, short = [await upload(client, picture(seed=seed)) for seed in (1, 2)]
    remove(settings, storage_key(missing["sha256"]))
    put(settings, storage_key(short["sha256"]), b"short")

    status, stdout, _ = images(settings, *VERIFY, "--format", "json")

    told = json.loads(stdout)
    assert status == 1
    assert sorted(finding["kind"] for finding in told["findings"]) == ["missing", "size"]
    assert (told["summary"]["verified"], told["summary"]["bytes"]) == (2, 0)
    assert checks(connection) == {missing["sha256"]: "missing", short["sha256"]: "size"}


async def test_a_run_goes_on_where_the_last_one_ended(
    client: httpx.AsyncClient, settings: Settings, connection: psycopg.Connection
) -> None:
    """Sound bytes are skipped for a while. Others are verified each time, and deleted images are forgotten."""
    first, second, third = [await upload(client, picture(seed=seed)) for seed in range(3)]
    flip(settings, second["sha256"])
    assert "3 verified" in images(settings, *VERIFY)[1]
    await client.delete(f"/v1/images/{third['id']}")

    assert ", 1 verified" in images(settings, *VERIFY)[1]
    assert set(checks(connection)) == {first["sha256"], second["sha256"]}
    connection.execute("UPDATE content_checks SET checked_at = now() - interval '31 days'")
    assert ", 2 verified" in images(settings, *VERIFY)[1]


async def test_the_metrics_tell_when_a_check_has_ended(
    client: httpx.AsyncClient, settings: Settings, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not before the first one, nor after one that failed. A schema of an earlier release has no place for it."""
    monkeypatch.setattr(exposition, "CACHE_TIME", 0)
    monkeypatch.setattr(database_metrics, "CACHE_TIME", -1.0)
    monkeypatch.setattr(database_metrics, "PROBE_TIMEOUT", 60.0)
    name = "images_objects_checked_timestamp_seconds"

    async def checked() -> float:
        return total(await scraped(client), name)

    flip(settings, (await upload(client))["sha256"])
    assert await checked() == 0
    connection.execute("ALTER TABLE content_checks RENAME TO away")
    assert images(settings, *VERIFY)[0] == 3
    connection.execute("ALTER TABLE away RENAME TO content_checks")
    assert await checked() == 0

    for command in (VERIFY, CHECK):
        connection.execute("UPDATE object_stores SET checked_at = NULL")
        images(settings, *command)
        assert abs(await checked() - time.time()) < 60
    connection.execute("ALTER TABLE object_stores DROP COLUMN checked_at")
    assert images(settings, *CHECK)[0] == 0
    assert await checked() == 0


async def test_bytes_are_read_at_most_at_the_rate(client: httpx.AsyncClient, settings: Settings) -> None:
    size = (await upload(client, picture("PNG", (500, 500)) + bytes(100_000)))["byte_size"]
    started = time.monotonic()

    status, stdout, _ = images(settings, *VERIFY, "--verify-rate", str(size))

    assert (status, f"({size} bytes)" in stdout) == (0, True)
    assert time.monotonic() - started >= 1


async def test_adopted_rows_without_a_sha256_are_skipped(
    client: httpx.AsyncClient, settings: Settings, connection: psycopg.Connection
) -> None:
    put(settings, "old.jpg", b"old")
    insert(connection, storage_key="old.jpg", sha256="unknown")

    assert images(settings, *VERIFY)[:2] == (
        0,
        "1 image, 0 contents, 0 thumbnails, 0 verified (0 bytes): nothing is wrong\n",
    )


@pytest.mark.parametrize("wrong", [["--verify-rate", "5"], ["--verify", "--verify-rate", "0"]])
async def test_wrong_options_are_usage(wrong: list[str], settings: Settings) -> None:
    assert images(settings, *CHECK, *wrong)[0] == 2
