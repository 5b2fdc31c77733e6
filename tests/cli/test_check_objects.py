"""`images objects check`, as an operator runs it, over files and over S3."""

import hashlib
import json
import os
import pty
import signal
import subprocess
import termios
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import obstore
import psycopg
import pytest
from obstore.store import ObjectStore

from app.catalogue.ownership import claim
from app.cli.check_objects import check_objects
from app.database.pool import Pool
from app.settings import ROOT, Settings
from app.storage import store
from app.storage.identity import KEY
from app.storage.keys import storage_key, thumbnail_key
from app.storage.store import Object, open_store
from tests.conftest import BIN, client_of, environment, free_port
from tests.migrations.test_backend import wait_until
from tests.support import forked
from tests.support.api import insert, place, upload
from tests.support.exhaustive import EXHAUSTIVE
from tests.support.forked import Running
from tests.support.pictures import picture
from tests.support.s3 import BUCKET, S3

NONE = 64 * "c"  # the SHA-256 of no image
NOTHING = "0 images, 0 contents, 0 thumbnails: nothing is wrong\n"


# If the store itself decides the outcome, a test runs over both. The others do so if exhaustive.
both = pytest.mark.parametrize("settings", ["files", "s3"], indirect=True)


@pytest.fixture(params=["files", "s3"] if EXHAUSTIVE else ["files"])
async def settings(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    """The settings of a service that has been started, so the store is that of the database."""
    if request.param == "s3":
        request.getfixturevalue("s3")
        settings = settings.model_copy(update={"storage_url": f"s3://{BUCKET}/{uuid4()}/objects"})
    async with Pool(settings) as pool:
        await claim(pool, open_store(settings.storage_url))
    return settings


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(settings) as client:
        yield client


files_only = pytest.mark.parametrize("settings", ["files"], indirect=True)


def variables(settings: Settings, **also: str) -> dict[str, str]:
    known = {name: value for name, value in os.environ.items() if name.startswith("AWS_")} | {
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "STORAGE_URL": settings.storage_url or "",
    }
    return environment(**known | also)


def with_number(arguments: tuple[str, ...]) -> list[str]:
    """Return the arguments with a number of removals: in these small stores, most orphans are more than a tenth."""
    return [*arguments, "--max-removals", "1000"] if "--remove-orphans" in arguments else [*arguments]


def start(settings: Settings, *arguments: str) -> Running:
    return Running(variables(settings), "images", "objects", "check", *with_number(arguments))


def start_real(settings: Settings, *arguments: str, stderr: int = subprocess.PIPE) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [BIN / "images", "objects", "check", *with_number(arguments)],
        cwd=ROOT,
        env=variables(settings),
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )


def check(settings: Settings, *arguments: str, **also: str) -> tuple[int, str, str]:
    """Exit status, stdout and stderr."""
    done = forked.run(variables(settings, **also), "images", "objects", "check", *with_number(arguments))
    return done.returncode, done.stdout, done.stderr


def put(settings: Settings, key: str, content: bytes = b"lost") -> str:
    obstore.put(open_store(settings.storage_url), key, content)
    return key


def remove(settings: Settings, key: str) -> None:
    obstore.delete(open_store(settings.storage_url), key)


def keys(settings: Settings) -> list[str]:
    found = (found["path"] for page in obstore.list(open_store(settings.storage_url)) for found in page)
    return sorted(key for key in found if key != KEY)


async def test_where_nothing_is_wrong_nothing_is_told(
    client: httpx.AsyncClient, connection: psycopg.Connection, settings: Settings
) -> None:
    assert check(settings) == (0, NOTHING, "")
    for n in range(3):
        image = await upload(client, picture(seed=n))
        await client.get(f"/v1/images/{image['id']}/thumbnail")
    insert(connection, storage_key=put(settings, "2019/Mein Bild #1.jpg", b"old"))
    before = keys(settings)

    done = check(settings, "--grace", "0", "--remove-orphans")

    assert done == (0, "4 images, 3 contents, 3 thumbnails: nothing is wrong\n", "")
    assert keys(settings) == before


@both
async def test_images_without_their_bytes_are_told(
    client: httpx.AsyncClient, connection: psycopg.Connection, settings: Settings
) -> None:
    gone, changed, _ = [await upload(client, picture(seed=n)) for n in range(3)]
    size = changed["byte_size"]
    remove(settings, storage_key(gone["sha256"]))
    put(settings, storage_key(changed["sha256"]), b"four")
    adopted = [insert(connection, storage_key=key) for key in ("old\n.jpg", "../secret")]
    short = insert(connection, storage_key=put(settings, "short", b"1"))

    status, stdout, stderr = check(settings, "--remove-orphans", "--grace", "0")

    *told, summary = stdout.splitlines()
    assert sorted(told) == sorted(
        [
            f"image {gone['id']}: no bytes under {storage_key(gone['sha256'])}",
            f"image {changed['id']}: 4 bytes under {storage_key(changed['sha256'])}, its row has {size}",
            f"image {adopted[0]}: no bytes under old\\n.jpg",
            f"image {adopted[1]}: no bytes under ../secret",
            f"image {short}: 1 bytes under short, its row has 3",
        ]
    )
    assert summary == (
        "6 images, 2 contents, 0 thumbnails: 3 images without bytes, 2 images with bytes of another size"
    )
    assert (status, stderr) == (1, "")
    assert len(keys(settings)) == 3


@both
async def test_bytes_of_no_image_are_told_and_removed_when_told_to(
    client: httpx.AsyncClient, settings: Settings
) -> None:
    image = await upload(client)
    await client.get(f"/v1/images/{image['id']}/thumbnail")
    before = keys(settings)
    orphans = [put(settings, storage_key(NONE)), put(settings, thumbnail_key(NONE, "320.webp"))]
    told = f"{orphans[0]}: 4 bytes of no image\n{orphans[1]}: a thumbnail of no image\n"
    summary = "1 image, 2 contents, 2 thumbnails: 1 content of no image, 1 thumbnail of no image"

    assert check(settings, "--grace", "0") == (1, f"{told}{summary}\n", "")
    assert keys(settings) == sorted(before + orphans)
    removed = told.replace("\n", ", removed\n")
    assert check(settings, "--grace", "0", "--remove-orphans") == (0, f"{removed}{summary}; 2 removed\n", "")
    assert keys(settings) == before
    assert check(settings, "--grace", "0")[0] == 0


@both
def test_what_is_young_is_left_alone(settings: Settings) -> None:
    orphan = put(settings, storage_key(NONE))

    done = check(settings, "--remove-orphans")

    assert done == (0, "0 images, 1 content, 0 thumbnails: nothing is wrong; 1 newer than --grace\n", "")
    assert keys(settings) == [orphan]


async def test_nothing_is_removed_that_the_service_did_not_write(
    client: httpx.AsyncClient, connection: psycopg.Connection, settings: Settings
) -> None:
    """An adopted image may have its bytes anywhere, even under a key of the service's own."""
    strange = [
        "sha256/readme.txt",
        "sha256/ab/cd/2019.jpg",
        f"sha256/cc/cc/{NONE.upper()}",
        f"sha256/ab/cd/{NONE}",
        f"sha256/cc/cc/{NONE}.jpg",
        "thumbnails/readme.txt",
        f"thumbnails/cc/cc/{NONE}-orig/a.webp",
        f"old/{storage_key(NONE)}",
        "old.jpg",
    ]
    for key in strange:
        put(settings, key)
    claimed = [put(settings, storage_key(64 * "d"), b"old"), put(settings, thumbnail_key(64 * "e", "1.jpg"), b"old")]
    for key in claimed:
        insert(connection, storage_key=key)

    status, stdout, _ = check(settings, "--grace", "0", "--remove-orphans")

    assert (status, stdout) == (0, "2 images, 1 content, 1 thumbnail: nothing is wrong\n")
    assert keys(settings) == sorted(strange + claimed)


async def test_a_second_copy_of_adopted_bytes_is_an_orphan_and_their_thumbnail_is_none(
    connection: psycopg.Connection, settings: Settings
) -> None:
    copy = put(settings, storage_key(NONE), b"old")
    kept = [put(settings, "old.jpg", b"old"), put(settings, "odd.jpg", b"old")]
    insert(connection, storage_key="old.jpg", sha256=NONE)
    insert(connection, storage_key="odd.jpg", sha256="ODD")
    kept += [put(settings, thumbnail_key(sha256, "160.webp")) for sha256 in (NONE, "ODD")]

    status, stdout, _ = check(settings, "--grace", "0", "--remove-orphans")

    assert (status, stdout.splitlines()[0]) == (0, f"{copy}: 3 bytes of no image, removed")
    assert keys(settings) == sorted(kept)


def test_a_program_reads_it(connection: psycopg.Connection, settings: Settings) -> None:
    id = insert(connection, storage_key='a"\n')
    for n in "0123":
        put(settings, storage_key(64 * n))

    status, stdout, stderr = check(settings, "--grace", "0", "--format", "json")

    told: dict[str, Any] = json.loads(stdout)
    assert (status, stderr) == (1, "")
    assert told["summary"] == {"images": 1, "contents": 4, "thumbnails": 0, "found": 5, "removed": 0, "young": 0}
    first, *orphans = told["findings"]
    missing = {"kind": "missing", "key": 'a"\n', "id": id, "byte_size": 3}
    assert first == missing | {"size": None, "modified": None, "removed": False}
    assert sorted(orphan["key"] for orphan in orphans) == [storage_key(64 * n) for n in "0123"]
    assert {(orphan["kind"], orphan["size"], orphan["removed"]) for orphan in orphans} == {("orphan", 4, False)}
    assert json.loads(check(settings, "--format", "json")[1])["findings"] == [first]


async def test_more_than_a_page_of_each(connection: psycopg.Connection, settings: Settings) -> None:
    """All of them in one folder, which the store lists in pages too."""
    sha256s = [f"ab{n:062x}" for n in range(1100)]
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO images (filename, content_type, byte_size, width, height, content_sha256, own_key)"
            " VALUES ('x', 'image/png', 4, 1, 1, %s, %s)",
            [(bytes.fromhex(sha256), None) for sha256 in sha256s[:1050]],
        )
    objects = open_store(settings.storage_url)
    for sha256 in sha256s[1:]:
        await obstore.put_async(objects, storage_key(sha256), b"lost")

    status, stdout, _ = check(settings, "--grace", "0", "--remove-orphans")

    assert status == 1
    assert stdout.splitlines()[-1] == (
        "1,050 images, 1,099 contents, 0 thumbnails: 1 image without bytes, 50 contents of no image; 50 removed"
    )
    assert keys(settings) == sorted(map(storage_key, sha256s[1:1050]))


# Other processes that run at the same time


def waiting(connection: psycopg.Connection) -> bool:
    return bool(
        connection.execute(
            "SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = database"
            " WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()"
        ).fetchall()
    )


@pytest.mark.parametrize("committed", [True, False])
def test_an_upload_of_the_same_bytes_is_waited_for(
    committed: bool, connection: psycopg.Connection, settings: Settings
) -> None:
    """The check has seen the bytes and no row. It removes them only if there is none after the upload either."""
    key = put(settings, storage_key(NONE), b"old")
    with connection.transaction(force_rollback=not committed):
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [NONE])
        insert(connection, sha256=NONE, storage_key=key)
        process = start(settings, "--grace", "0", "--remove-orphans")
        wait_until(lambda: waiting(connection))
    stdout, _ = process.communicate(timeout=60)

    assert process.returncode == 0
    if committed:
        assert stdout == "0 images, 1 content, 0 thumbnails: nothing is wrong\n"
    assert keys(settings) == ([key] if committed else [])


@files_only
def test_what_an_upload_writes_anew_is_young_again(connection: psycopg.Connection, settings: Settings) -> None:
    key = put(settings, storage_key(NONE))
    os.utime(place(settings, key), (0, 0))
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [NONE])
        process = start(settings, "--remove-orphans")
        wait_until(lambda: waiting(connection))
        put(settings, key)

    assert process.communicate(timeout=60)[0] == "0 images, 1 content, 0 thumbnails: nothing is wrong\n"
    assert keys(settings) == [key]


def test_while_an_upload_takes_long_its_bytes_are_left(connection: psycopg.Connection, settings: Settings) -> None:
    key = put(settings, storage_key(NONE), b"old")
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [NONE])
        done = check(settings, "--grace", "0", "--remove-orphans", DATABASE_STATEMENT_TIMEOUT="1")

    assert (done[0], done[2]) == (1, "")
    assert done[1].startswith(f"{key}: 3 bytes of no image\n")
    assert keys(settings) == [key]


def test_during_an_import_nothing_is_removed(connection: psycopg.Connection, settings: Settings) -> None:
    key = put(settings, storage_key(NONE))
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('import', 0))")
        status, stdout, _ = check(settings, "--grace", "0", "--remove-orphans")

    assert (status, stdout.splitlines()[0]) == (1, f"{key}: 4 bytes of no image")
    assert keys(settings) == [key]


def test_an_image_that_is_deleted_meanwhile_is_not_missed(
    connection: psycopg.Connection,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The check has read the row. When it asks the store, the bytes are gone, and then the row is gone too."""
    insert(connection, sha256=NONE, storage_key=storage_key(NONE))
    look = store.look

    async def late(objects: ObjectStore, key: str) -> Object | None:
        if key == storage_key(NONE):
            connection.execute("DELETE FROM images")
        return await look(objects, key)

    monkeypatch.setattr(store, "look", late)
    monkeypatch.setenv("DATABASE_URL", settings.database_url.get_secret_value())
    monkeypatch.setenv("STORAGE_URL", str(settings.storage_url))

    assert check_objects(86_400, False, None, "text") == 0
    assert capsys.readouterr().out == "1 image, 0 contents, 0 thumbnails: nothing is wrong\n"


# Files that an interrupted write leaves


@files_only
def test_what_a_broken_write_left_among_files_is_removed(settings: Settings) -> None:
    folder = Path(str(settings.storage_url).removeprefix("file:"))
    left = [f"{storage_key(NONE)}#1", f"{thumbnail_key(NONE, '160.webp')}#12"]
    other = ["sha256/ab/cd/2019#1", "old#1"]
    for key in left + other:
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(b"ha")
    young = "0 images, 0 contents, 0 thumbnails: nothing is wrong; 2 newer than --grace\n"
    assert check(settings, "--remove-orphans") == (0, young, "")

    done = check(settings, "--grace", "0", "--remove-orphans")

    told = "".join(f"{key}: 2 bytes of an interrupted write, removed\n" for key in left)
    assert done == (0, f"{told}0 images, 0 contents, 0 thumbnails: 2 interrupted writes; 2 removed\n", "")
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) == sorted(
        [*other, KEY]
    )


# Errors and signals


def ended(settings: Settings, *arguments: str, **also: str) -> str:
    """Return the error of a check that could not look."""
    status, stdout, stderr = check(settings, *arguments, **also)
    assert (status, stdout) == (3, ""), stderr
    return stderr


def test_without_a_database_it_says_so(settings: Settings) -> None:
    said = ended(settings, DATABASE_URL="postgresql://images:hunter2@127.0.0.1:1/images")

    assert said == (
        "0 images, 0 contents, 0 thumbnails so far\n"
        "error: cannot connect to PostgreSQL at 127.0.0.1:1 (DATABASE_URL): connection refused.\n"
    )


def test_without_tables_it_says_so(settings: Settings, empty_database: str) -> None:
    said = ended(settings, DATABASE_URL=empty_database)

    assert "error: the database lacks migrations of this release.\nhint: apply them: yoyo apply\n" in said


@files_only
def test_without_a_store_it_says_so(settings: Settings, connection: psycopg.Connection, s3: S3) -> None:
    """And takes no image for lost."""
    insert(connection)
    away = s3.variables | {"AWS_ENDPOINT": f"http://127.0.0.1:{free_port()}"}

    assert "error sending request" in ended(settings, STORAGE_URL=f"s3://{BUCKET}/x", **away)
    assert "NoSuchBucket" in ended(settings, STORAGE_URL="s3://nowhere/x", **s3.variables)
    for name in ("STORAGE_URL", "DATABASE_URL"):
        status, stdout, stderr = check(settings, **{name: ""})
        assert (status, stdout) == (2, "")
        assert f"{name} is not set" in stderr


@files_only
@pytest.mark.parametrize("grace", ["-1", "soon", "nan", "inf"])
def test_a_grace_that_is_none_is_refused(grace: str, settings: Settings) -> None:
    status, _, stderr = check(settings, f"--grace={grace}")

    assert status == 2
    assert stderr.startswith("error: Invalid value for '--grace': ")


@files_only
def test_ctrl_c_ends_it(settings: Settings, connection: psycopg.Connection) -> None:
    put(settings, storage_key(NONE))
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [NONE])
        process = start(settings, "--grace", "0", "--remove-orphans")
        wait_until(lambda: waiting(connection))

        process.send_signal(signal.SIGINT)

        stdout, stderr = process.communicate(timeout=10)
    assert (process.returncode, stdout) == (130, "")
    assert stderr == "0 images, 1 content, 0 thumbnails so far\ninterrupted\n"
    assert keys(settings) == [storage_key(NONE)]


@files_only
def test_a_reader_that_goes_away_ends_it(settings: Settings) -> None:
    for n in range(1500):
        put(settings, storage_key(hashlib.sha256(b"%d" % n).hexdigest()))
    process = start_real(settings, "--grace", "0")
    assert process.stdout is not None
    process.stdout.close()

    process.wait(timeout=60)

    assert process.stderr is not None
    assert (process.returncode, process.stderr.read()) == (141, "")
    process.stderr.close()


@files_only
def test_a_terminal_shows_a_bar(settings: Settings) -> None:
    put(settings, storage_key(NONE))
    master, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 200))
    process = start_real(settings, stderr=terminal)
    os.close(terminal)
    shown = b""
    try:
        while chunk := os.read(master, 65536):
            shown += chunk
    except OSError:  # Linux's way to say that the other end is closed
        os.close(master)

    stdout, _ = process.communicate(timeout=60)
    assert stdout.endswith("1 newer than --grace\n")
    assert b" objects" in shown
