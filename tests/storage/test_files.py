"""Files of the object store on the disk: what a loss of power leaves."""

import errno
import os

import psycopg
import pytest

from app.settings import Settings
from tests.conftest import client_of
from tests.support.api import place, problem, upload
from tests.support.pictures import picture


@pytest.mark.parametrize("size", [(8, 8), (800, 800)], ids=["small", "large"])
async def test_the_bytes_are_on_the_disk_before_the_row(
    size: tuple[int, int], settings: Settings, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: dict[int, int] = {}

    def fsync(descriptor: int) -> None:
        rows = connection.execute("SELECT count(*) FROM images").fetchone()
        assert rows is not None
        synced[os.fstat(descriptor).st_ino] = rows[0]

    async with client_of(settings) as client:
        monkeypatch.setattr(os, "fsync", fsync)
        image = await upload(client, picture(size=size))
    sha256 = str(image["sha256"])
    path = place(settings, f"sha256/{sha256[:2]}/{sha256[2:4]}/{sha256}")

    wanted = [path, path.parent, path.parent.parent, path.parent.parent.parent]
    assert [synced[each.stat().st_ino] for each in wanted] == [0, 0, 0, 0]  # images that the table had then


async def test_bytes_that_the_disk_does_not_take_get_no_row(
    settings: Settings, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    async with client_of(settings) as client:
        await upload(client)
        monkeypatch.setattr(os, "fsync", fail)
        problem(await client.post("/v1/images", files={"file": picture(seed=1)}), 503, "storage-unavailable")

    assert connection.execute("SELECT count(*) FROM images").fetchone() == (1,)
