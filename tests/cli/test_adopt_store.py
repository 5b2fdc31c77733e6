"""The identity of the object store: written once, compared at each start, replaced by `images objects adopt`."""

import asyncio
import json
import os
import shutil
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import obstore
import psycopg
import pytest
from obstore.exceptions import GenericError
from pydantic import SecretStr

from app.catalogue import ownership
from app.catalogue.ownership import Ownership, State, claim
from app.cli.check_objects import TENTH
from app.database.pool import Pool
from app.settings import Settings
from app.storage import identity, store
from app.storage.identity import KEY
from app.storage.keys import storage_key
from app.storage.store import open_store
from tests.cli.test_entrypoint import ready
from tests.conftest import as_role, client_of, environment, free_port
from tests.migrations.test_backend import wait_until
from tests.support import forked
from tests.support.api import insert, objects, place, problem, put, remove, upload
from tests.support.pictures import picture
from tests.support.s3 import BUCKET
from tests.support.serving import serving

ORPHANS = [storage_key(64 * letter) for letter in "123456789abcdef"]


@pytest.fixture
def other(other_database: str, settings: Settings, tmp_path: Path) -> Settings:
    """The settings of another catalogue, with a store of its own."""
    (tmp_path / "others").mkdir()
    url = SecretStr(as_role(other_database, "images_app"))
    return settings.model_copy(update={"database_url": url, "storage_url": f"file:{tmp_path / 'others'}"})


@pytest.fixture(params=["files", "s3"])
def stored(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    """The settings with each kind of store."""
    if request.param == "files":
        return settings
    request.getfixturevalue("s3")
    return settings.model_copy(update={"storage_url": f"s3://{BUCKET}/{uuid4()}/objects"})


def images(settings: Settings, *arguments: str, **also: str) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of an `images` command."""
    known = {name: value for name, value in os.environ.items() if name.startswith("AWS_")} | {
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "STORAGE_URL": settings.storage_url or "",
        "MIGRATE": "false",
    }
    done = forked.run(environment(**known | also), "images", *arguments)
    return done.returncode, done.stdout, done.stderr


def in_store(settings: Settings) -> str:
    """Return the ID that the store has."""
    content = bytes(obstore.get(open_store(settings.storage_url), KEY).bytes())
    return str(UUID(json.loads(content)["catalogue"]))


def in_database(connection: psycopg.Connection) -> tuple[str, bool] | None:
    """Return the ID that the database has, and whether it is confirmed."""
    found = connection.execute("SELECT id::text, confirmed_at IS NOT NULL FROM object_stores").fetchall()
    return found[0] if found else None


async def claimed(settings: Settings) -> Ownership:
    async with Pool(settings) as pool:
        return await claim(pool, open_store(settings.storage_url))


def orphans(settings: Settings, number: int) -> list[str]:
    for key in ORPHANS[:number]:
        put(settings, key, b"lost")
    return ORPHANS[:number]


# The store of another catalogue


async def test_orphans_are_not_removed_from_the_store_of_another_catalogue(
    other: Settings, settings: Settings, connection: psycopg.Connection
) -> None:
    async with client_of(other) as client:
        for seed in range(3):
            await upload(client, picture(seed=seed))
    await claimed(other)
    before = objects(other)
    insert(connection)
    wrong = settings.model_copy(update={"storage_url": other.storage_url})

    for arguments in (["--max-removals", "100"], []):
        status, stdout, stderr = images(wrong, "objects", "check", "--remove-orphans", "--grace", "0", *arguments)

        assert objects(other) == before
        assert (status, stdout) == (3, "")
        assert stderr.startswith(
            f"error: the object store belongs to another catalogue: it has the ID {in_store(other)}, and the database"
            " has none.\nhint: "
        )
    assert images(wrong, "objects", "check")[0] == 3


@pytest.mark.parametrize("known", [True, False])
async def test_a_service_does_not_start_with_the_store_of_another_catalogue(
    known: bool, other: Settings, settings: Settings, connection: psycopg.Connection
) -> None:
    await claimed(other)
    if known:
        await claimed(settings)
    wrong = settings.model_copy(update={"storage_url": other.storage_url})

    status, _, stderr = images(wrong, "wait", "--timeout", "5")

    assert status == 3
    assert "error: the object store belongs to another catalogue" in stderr
    assert images(other, "wait", "--timeout", "5") == (0, "", "")


async def test_a_worker_that_finds_the_store_of_another_catalogue_is_not_ready_and_removes_nothing(
    other: Settings, settings: Settings, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It heals by itself after the operator has adopted the store."""
    monkeypatch.setattr(ownership, "POLL_INTERVAL", 0.05)
    monkeypatch.setattr(ownership, "MAX_POLL_INTERVAL", 0.05)
    await claimed(other)
    key = storage_key(64 * "a")
    put(other, key, b"old")
    id = insert(connection, sha256=64 * "a", storage_key=key)
    wrong = settings.model_copy(update={"storage_url": other.storage_url})
    async with client_of(wrong) as client:
        await answered(client, 503)

        problem(await client.get("/readyz"), 503, "wrong-store")
        problem(await client.post("/v1/images", files={"file": picture()}), 503, "wrong-store")
        assert (await client.delete(f"/v1/images/{id}")).status_code == 204
        assert objects(other) == [key]
        assert images(wrong, "objects", "adopt", "--replace", in_store(other))[0] == 0
        await answered(client, 200)
        await upload(client)


@pytest.mark.parametrize("instead", ["nothing", "an empty folder", "another catalogue"])
async def test_a_worker_notices_that_its_store_was_exchanged(
    instead: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A volume was unmounted. It heals by itself when the store is back."""
    monkeypatch.setattr(ownership, "POLL_INTERVAL", 0.05)
    monkeypatch.setattr(ownership, "MAX_POLL_INTERVAL", 0.05)
    folder = place(settings, "")
    async with client_of(settings) as client:
        await upload(client)
        await asyncio.to_thread(wait_until, place(settings, KEY).exists)
        away = folder.rename(folder.with_name("away"))
        if instead != "nothing":
            folder.mkdir()
        if instead == "another catalogue":
            (folder / KEY).write_text(identity.Identity(catalogue=uuid4()).model_dump_json())
        await answered(client, 503)

        problem(await client.post("/v1/images", files={"file": picture(seed=1)}), 503, "wrong-store")
        shutil.rmtree(folder, ignore_errors=True)
        away.rename(folder)
        await answered(client, 200)
        await upload(client, picture(seed=1))
    assert len(objects(settings)) == 2


@pytest.mark.parametrize("instead", ["an empty folder", "another catalogue"])
async def test_no_upload_is_stored_after_an_exchange_that_the_worker_has_not_noticed(
    instead: str, settings: Settings, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A volume was unmounted before the next comparison, or while the bytes were written."""
    folder = place(settings, "")
    async with client_of(settings) as client:
        await upload(client)
        away = folder.with_name("away")

        def exchange() -> None:
            folder.rename(away)
            folder.mkdir()
            if instead != "an empty folder":
                (folder / KEY).write_text(identity.Identity(catalogue=uuid4()).model_dump_json())

        exchange()
        problem(await client.post("/v1/images", files={"file": picture(seed=1)}), 503, "wrong-store")
        assert not (folder / "sha256").exists()
        shutil.rmtree(folder)
        away.rename(folder)
        await upload(client, picture(seed=2))

        written = store.put

        async def put_elsewhere(*arguments: Any, **named: Any) -> None:
            exchange()
            await written(*arguments, **named)

        monkeypatch.setattr(store, "put", put_elsewhere)
        problem(await client.post("/v1/images", files={"file": picture(seed=1)}), 503, "wrong-store")
    assert connection.execute("SELECT count(*) FROM images").fetchone() == (2,)


async def test_a_worker_that_starts_while_the_disk_is_unmounted_claims_no_empty_folder(settings: Settings) -> None:
    """Otherwise one restarted worker makes all of them store images in it."""
    folder = place(settings, "")
    async with client_of(settings) as client:
        await upload(client)
    folder.rename(folder.with_name("away"))
    folder.mkdir()

    assert (await claimed(settings)).state is State.UNMOUNTED
    assert list(folder.iterdir()) == []
    (folder / "sha256").mkdir()  # as the hint says
    assert (await claimed(settings)).state is State.OURS


async def test_a_worker_goes_on_if_only_the_database_lost_the_id(
    settings: Settings,
    connection: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Every migration was rolled back and applied again. The next start needs `images objects adopt`."""
    monkeypatch.setattr(ownership, "POLL_INTERVAL", 0.05)
    monkeypatch.setattr(ownership, "MAX_POLL_INTERVAL", 0.05)
    async with client_of(settings) as client:
        await upload(client)
        await asyncio.to_thread(wait_until, place(settings, KEY).exists)
        await answered(client, 200)
        connection.execute("DELETE FROM object_stores")
        await asyncio.to_thread(wait_until, lambda: "no longer has the ID" in caplog.text)

        await answered(client, 200)
        await upload(client, picture(seed=1))
        status, _, stderr = images(settings, "wait", "--timeout", "5")
        assert (status, "belongs to another catalogue" in stderr) == (3, True)
        assert images(settings, "objects", "adopt", "--replace", in_store(settings))[0] == 0
        place(settings, KEY).unlink()
        await answered(client, 503)


async def answered(client: httpx.AsyncClient, status: int) -> None:
    async with asyncio.timeout(30):
        while (await client.get("/readyz")).status_code != status:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


# The first start


async def test_the_first_start_of_several_workers_writes_one_id(
    stored: Settings, connection: psycopg.Connection
) -> None:
    found = await asyncio.gather(*(claimed(stored) for _ in range(8)))

    assert {each.state for each in found} == {State.OURS}
    assert in_database(connection) == (in_store(stored), True)


def test_a_container_writes_the_id_and_starts_again(
    database: str, connection: psycopg.Connection, tmp_path: Path
) -> None:
    for _ in range(2):
        port = free_port()
        wait = environment(DATABASE_URL=database, STORAGE_URL=f"file:{tmp_path}", MIGRATE="false")
        assert forked.run(wait, "images", "wait", "--timeout", "5").returncode == 0
        with serving(database, port, tmp_path):
            wait_until(lambda port=port: ready(port) and (tmp_path / KEY).exists())  # type: ignore[misc]
        id = str(json.loads((tmp_path / KEY).read_text())["catalogue"])
        found = in_database(connection)
        assert found is not None
        assert found[0] == id


@pytest.mark.parametrize("with_images", [True, False])
async def test_a_start_that_was_interrupted_goes_on(
    with_images: bool, stored: Settings, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    if with_images:
        key = "old.jpg"
        await obstore.put_async(open_store(stored.storage_url), key, b"old")
        insert(connection, storage_key=key)

    async def dying(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(identity, "write", dying)
        with pytest.raises(KeyboardInterrupt):
            await claimed(stored)
    found = in_database(connection)
    assert found is not None
    assert not found[1]

    assert (await claimed(stored)).state is State.OURS
    assert in_database(connection) == (found[0], True)
    assert in_store(stored) == found[0]


async def test_an_id_that_another_process_has_written_stays(stored: Settings) -> None:
    store, first = open_store(stored.storage_url), uuid4()
    await identity.write(store, first)
    await identity.write(store, uuid4())

    assert await identity.read(store) == first


# An existing catalogue


@pytest.mark.parametrize(("present", "of", "adopted"), [(1, 1, True), (3, 5, True), (2, 5, False), (0, 3, False)])
async def test_a_store_with_most_of_the_bytes_is_adopted(
    present: int, of: int, adopted: bool, settings: Settings, connection: psycopg.Connection
) -> None:
    for n in range(of):
        key = f"old/{n}.jpg"
        insert(connection, storage_key=key)
        if n < present:
            put(settings, key, b"old")
    put(settings, "others.jpg", b"")

    found = await claimed(settings)

    assert found.state is (State.OURS if adopted else State.UNCLAIMED)
    assert place(settings, KEY).exists() is adopted
    assert images(settings, "wait", "--timeout", "5")[0] == 0


async def test_a_store_of_unknown_bytes_is_served_but_nothing_is_removed(
    settings: Settings, connection: psycopg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    """An older release of another catalogue may use it."""
    kept = orphans(settings, 2)
    async with client_of(settings) as client:
        await answered(client, 200)
        await asyncio.to_thread(wait_until, lambda: any("no catalogue.json" in line for line in caplog.messages))

    status, stdout, stderr = images(
        settings, "objects", "check", "--remove-orphans", "--grace", "0", "--max-removals", "9"
    )

    assert (status, stdout, objects(settings)) == (3, "", kept)
    assert stderr.startswith("error: the object store has objects, but no identity")
    assert images(settings, "objects", "adopt")[0] == 0
    assert images(settings, "objects", "check", "--remove-orphans", "--grace", "0", "--max-removals", "2")[0] == 0
    assert objects(settings) == []


# A store that has lost its identity, or is a copy


async def test_a_store_without_its_identity_is_an_error_unless_it_is_empty(
    settings: Settings, connection: psycopg.Connection
) -> None:
    async with client_of(settings) as client:
        await upload(client)
    await claimed(settings)
    id = in_store(settings)
    remove(settings, KEY)

    status, _, stderr = images(settings, "wait", "--timeout", "5")

    assert status == 3
    assert stderr.startswith(f"error: the object store does not have {KEY} with the ID {id} of the database.\n")
    assert images(settings, "objects", "check", "--remove-orphans")[0] == 3
    shutil.rmtree(place(settings, "sha256"))
    place(settings, "sha256").mkdir()
    assert images(settings, "wait", "--timeout", "5")[0] == 0
    await claimed(settings)
    assert in_store(settings) == id


async def test_a_copy_without_identity_is_adopted(settings: Settings, connection: psycopg.Connection) -> None:
    async with client_of(settings) as client:
        await upload(client)
    await claimed(settings)
    former = in_store(settings)
    remove(settings, KEY)

    status, _, stderr = images(settings, "objects", "adopt")

    assert (status, stderr) == (
        0,
        f"The object store is adopted. It and the database have the ID {in_store(settings)}.\n",
    )
    assert in_store(settings) != former
    assert in_database(connection) == (in_store(settings), True)
    assert images(settings, "objects", "adopt") == (
        0,
        "",
        f"The object store already belongs to this database. Both have the ID {in_store(settings)}.\n",
    )


async def test_a_copy_of_both_gets_an_id_of_its_own(settings: Settings, tmp_path: Path) -> None:
    """Afterwards the copy of the database does not take the original store for its own."""
    async with client_of(settings) as client:
        await upload(client)
    await claimed(settings)
    shutil.copytree(tmp_path / "objects", tmp_path / "copy")
    copy = settings.model_copy(update={"storage_url": f"file:{tmp_path / 'copy'}"})

    assert images(copy, "wait", "--timeout", "5")[0] == 0
    assert images(copy, "objects", "adopt", "--replace", in_store(settings))[0] == 0

    assert images(copy, "wait", "--timeout", "5")[0] == 0
    assert images(settings, "wait", "--timeout", "5")[0] == 3


async def test_a_store_is_adopted_only_by_its_own_id_and_with_its_bytes(
    settings: Settings, other: Settings, connection: psycopg.Connection
) -> None:
    await claimed(other)
    id = in_store(other)
    wrong = settings.model_copy(update={"storage_url": other.storage_url})

    status, _, stderr = images(wrong, "objects", "adopt")
    assert (status, f"images objects adopt --replace {id}\n" in stderr) == (3, True)
    status, _, stderr = images(wrong, "objects", "adopt", "--replace", str(UUID(int=1)))
    assert (status, stderr.splitlines()[0]) == (3, f"error: the object store has the ID {id}, not {UUID(int=1)}.")
    status, _, stderr = images(settings, "objects", "adopt", "--replace", id)
    assert (status, stderr.splitlines()[0]) == (3, f"error: the object store has no ID, not {id}.")
    assert images(wrong, "objects", "adopt", "--replace", "x")[0] == 2
    insert(connection)
    status, _, stderr = images(wrong, "objects", "adopt", "--replace", id)
    assert (status, "does not have the bytes of most of the images" in stderr) == (3, True)
    assert in_store(other) == id


async def test_a_damaged_identity_is_named(settings: Settings) -> None:
    put(settings, KEY, b"{}")

    for command in (["wait", "--timeout", "5"], ["objects", "check"], ["objects", "adopt"]):
        status, _, stderr = images(settings, *command)
        assert (status, stderr.splitlines()[0]) == (3, f"error: {KEY} in the object store is damaged.")


# Availability


async def test_a_store_that_is_away_delays_no_start(
    settings: Settings, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store is compared as soon as it answers."""
    monkeypatch.setattr(ownership, "POLL_INTERVAL", 0.05)
    read = identity.read

    async def away(*_: object) -> None:
        raise GenericError("no answer")

    with monkeypatch.context() as patch:
        patch.setattr(identity, "read", away)
        async with client_of(settings) as client:
            assert (await client.get("/readyz")).status_code == 200
            answer = await client.post("/v1/images", files={"file": picture()})
            problem(answer, 503, "storage-unavailable")
            assert answer.headers["retry-after"] == "5"
            assert (in_database(connection), objects(settings)) == (None, [])
            patch.setattr(identity, "read", read)
            async with asyncio.timeout(30):
                while (await client.post("/v1/images", files={"file": picture()})).status_code == 503:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            assert in_database(connection) == (in_store(settings), True)


async def test_an_upload_waits_for_the_first_comparison(
    settings: Settings, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database has an ID, and the store is empty: a volume is mounted for the first time, or again."""
    await claimed(settings)
    place(settings, KEY).unlink()
    go_on, read = asyncio.Event(), identity.read

    async def slow(*arguments: Any) -> Any:
        await go_on.wait()
        return await read(*arguments)

    monkeypatch.setattr(identity, "read", slow)
    async with client_of(settings) as client:
        uploads = [asyncio.create_task(upload(client)) for _ in range(3)]
        for _ in range(20):
            await client.get("/healthz")
        assert objects(settings) == []
        go_on.set()
        assert len({image["id"] for image in await asyncio.gather(*uploads)}) == 1
        assert (await client.get("/readyz")).status_code == 200
    assert in_database(connection) == (in_store(settings), True)


async def test_a_store_that_another_worker_claims_meanwhile_is_not_lost(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other worker writes the ID and an image between two reads of this one."""
    before = await claimed(settings)
    content = place(settings, KEY).read_bytes()
    place(settings, KEY).unlink()
    is_empty = identity.is_empty

    async def stored(*arguments: Any) -> bool:
        place(settings, KEY).write_bytes(content)
        put(settings, storage_key("a" * 64), b"new")
        return await is_empty(*arguments)

    monkeypatch.setattr(identity, "is_empty", stored)

    assert await claimed(settings) == before._replace(is_confirmed=True)


@pytest.mark.parametrize("right", ["SELECT", "INSERT"])
async def test_without_the_rights_the_service_serves(
    right: str, settings: Settings, connection: psycopg.Connection
) -> None:
    connection.execute(f"REVOKE {right} ON object_stores FROM images_app".encode())

    assert images(settings, "wait", "--timeout", "5") == (0, "", "")
    async with client_of(settings) as client:
        assert (await client.get("/readyz")).status_code == 200
        await upload(client)


# How many are removed


@pytest.fixture
async def ours(settings: Settings) -> Settings:
    await claimed(settings)
    return settings


@pytest.fixture
def with_images(ours: Settings, connection: psycopg.Connection) -> Settings:
    """Eighteen images: two orphans are a tenth of the objects."""
    for n in range(18):
        sha256 = f"{n:064x}"
        put(ours, storage_key(sha256), b"old")
        insert(connection, sha256=sha256, storage_key=storage_key(sha256))
    return ours


def test_a_tenth_is_removed_without_its_number(with_images: Settings) -> None:
    orphans(with_images, 2)

    status, stdout, _ = images(with_images, "objects", "check", "--remove-orphans", "--grace", "0")

    assert (status, stdout.splitlines()[-1].endswith("2 contents of no image; 2 removed")) == (0, True), stdout
    assert len(objects(with_images)) == 18


def test_more_than_a_tenth_is_removed_only_by_its_number(with_images: Settings) -> None:
    orphans(with_images, 3)
    command = ["objects", "check", "--remove-orphans", "--grace", "0"]

    status, stdout, stderr = images(with_images, *command)

    assert (status, stdout) == (1, "")
    assert stderr == (
        "error: 3 of 21 objects belong to no image, more than a tenth: nothing was removed.\n"
        "hint: look at them (images objects check). To remove them: "
        "images objects check --remove-orphans --max-removals 3\n"
    )
    assert len(objects(with_images)) == 21
    assert images(with_images, *command, "--max-removals", "2")[0] == 1
    assert len(objects(with_images)) == 21
    assert images(with_images, *command, "--max-removals", "3")[0] == 0
    assert len(objects(with_images)) == 18
    assert TENTH == 10


def test_a_number_needs_a_removal(settings: Settings) -> None:
    assert images(settings, "objects", "check", "--max-removals", "3")[0] == 2
