"""docs/how-to/operate/back-up-and-restore.md, run as it stands while images are stored and deleted."""

import asyncio
import os
import re
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from app.cli import keep_objects as cli_keep_objects
from app.cli.keep_objects import keep_objects
from app.embedded_postgres import Server, binaries
from app.errors import CommandError
from app.settings import ROOT, Settings
from tests.conftest import BIN, VERSION, as_role, client_of, environment, yoyo_on
from tests.migrations.test_backend import wait_until
from tests.support.api import objects, upload
from tests.support.data_folders import start_copy
from tests.support.pictures import picture

GUIDE = (ROOT / "docs" / "how-to" / "operate" / "back-up-and-restore.md").read_text()
BACKUP, RETURN = re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL)[:2]
# Between the dump and the objects: the test has its turn.
PAUSE = '    touch "$backup/dumped"\n    until test -e "$backup/go"; do sleep 0.01; done\n    cd "$objects"\n'


@pytest.fixture
def other_server(memory: Path, request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server that the test starts, with what it puts there."""
    server = Server(memory / f"other-{os.getpid()}-{abs(hash(request.node.name))}", VERSION, "-c fsync=off")
    yield server
    server.release()
    shutil.rmtree(server.data, ignore_errors=True)


def session(text: str, url: str, folder: Path, name: str) -> tuple[str, dict[str, str]]:
    """Return the commands for a database of this name, with a folder of the test, and their environment."""
    text = text.replace(".venv/bin/", "").replace("/backup/2026-01-31", f"{folder}/backup")
    text = re.sub(r"\bobjects=\S+", f"objects={folder}/objects", text)
    text = text.replace("chown -R images ", f"chown -R {os.geteuid()} ")
    text = re.sub(r"(createdb |--quiet |dump\" |--dbname=)images", rf"\1{name}", text)
    variables = environment(
        DATABASE_URL=url,
        STORAGE_URL=f"file:{folder}/objects",
        PGHOST=str(psycopg.conninfo.conninfo_to_dict(url)["host"]),
        PGUSER="postgres",
        backup=f"{folder}/backup",
        objects=f"{folder}/objects",
    )
    return text, variables | {"PATH": f"{binaries(VERSION)}{os.pathsep}{variables['PATH']}"}


def start(text: str, variables: dict[str, str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        ["sh", "-euc", text], cwd=ROOT, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@asynccontextmanager
async def load(client: httpx.AsyncClient) -> AsyncIterator[None]:
    """Images come, and every second one goes again, until the end."""
    numbers, ended = count(1000), asyncio.Event()

    async def work() -> None:
        while not ended.is_set():
            image = await upload(client, picture("PNG", seed=(number := next(numbers))))
            if number % 2:
                assert (await client.delete(f"/v1/images/{image['id']}")).status_code == 204

    async with asyncio.TaskGroup() as tasks:
        for _ in range(3):
            tasks.create_task(work())
        try:
            yield
        finally:
            ended.set()


async def test_what_was_backed_up_under_load_is_back(
    database: str, settings: Settings, tmp_path: Path, other_server: Server, admin: psycopg.Connection
) -> None:
    name = psycopg.conninfo.conninfo_to_dict(database)["dbname"]
    backup, variables = session(BACKUP, database, tmp_path, str(name))
    assert PAUSE.splitlines()[2] in backup.splitlines()
    backup = backup.replace(PAUSE.splitlines(keepends=True)[2], PAUSE)
    async with client_of(settings) as client:
        pictures = [picture("PNG", seed=seed) for seed in range(10)]
        stored = {(await upload(client, content))["id"]: content for content in pictures}
        await client.get(f"/v1/images/{next(iter(stored))}/thumbnail")
        async with load(client):
            making = start(backup, variables)
            await asyncio.to_thread(wait_until, (tmp_path / "backup" / "dumped").exists)
            late = (await upload(client, picture("PNG", seed=500)))["id"]
            for id in list(stored)[:5]:
                assert (await client.delete(f"/v1/images/{id}")).status_code == 204
            (tmp_path / "backup" / "go").touch()
            assert await asyncio.to_thread(making.wait) == 0, making.communicate()[0]
    making.communicate()

    # Lost: the database, the objects, the server.
    admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
    admin.execute(f"CREATE DATABASE {name}".encode())  # for the fixture to drop
    shutil.rmtree(tmp_path / "objects")
    start_copy(other_server)
    url = other_server.url("images")
    returned, variables = session(RETURN, url, tmp_path, "images")
    done = await asyncio.to_thread(
        subprocess.run, ["sh", "-euc", returned], cwd=ROOT, env=variables, text=True, capture_output=True
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "drift: none" in done.stdout
    assert re.search(r"contents of no image; \d+ removed", done.stdout)
    assert "without bytes" not in done.stdout
    restored = settings.model_copy(update={"database_url": SecretStr(as_role(url, "images_app"))})
    async with client_of(restored) as client:
        assert (await client.get("/readyz")).status_code == 200
        for id, content in stored.items():
            assert (await client.get(f"/v1/images/{id}/content")).content == content
        assert (await client.get(f"/v1/images/{late}")).status_code == 404
        assert (await client.get(f"/v1/images/{next(iter(stored))}/thumbnail")).status_code == 200
        every = (await client.get("/v1/images/export")).text.splitlines()
        assert len(objects(restored)) == len(every) + 1


def test_a_dump_of_an_older_release_goes_on_from_there(
    empty_database: str, tmp_path: Path, admin: psycopg.Connection
) -> None:
    assert yoyo_on(empty_database, "apply", "-r", "0020").returncode == 0
    name = str(psycopg.conninfo.conninfo_to_dict(empty_database)["dbname"])
    (tmp_path / "objects").mkdir()
    backup, variables = session(BACKUP, empty_database, tmp_path, name)
    making = start(backup, variables)
    assert making.wait() == 0, making.communicate()[0]
    making.communicate()
    admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())

    returned, variables = session(RETURN, empty_database, tmp_path, name)
    done = subprocess.run(["sh", "-euc", returned], cwd=ROOT, env=variables, text=True, capture_output=True)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "applied 0021" in done.stdout
    assert "waits for the command: images schema contract" in done.stdout
    assert re.search(r"drift: not compared, because \d+ migrations are not applied", done.stdout)


@pytest.fixture
def kept(database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DATABASE_URL", database)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    return database


def test_it_ends_as_its_command_does(kept: str) -> None:
    assert keep_objects(["sh", "-c", "exit 7"]) == 7
    assert keep_objects(["sh", "-c", "kill -9 $$"]) == 137
    with pytest.raises(CommandError, match=r"^/no/such/command cannot be run: No such file or directory\.$"):
        keep_objects(["/no/such/command"])


def test_a_lost_lock_is_an_error(kept: str) -> None:
    end = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
    psql = [str(binaries(VERSION) / "psql"), "--quiet", "--no-psqlrc", f"--dbname={kept}", f"--command={end}"]
    with pytest.raises(
        CommandError, match=r"^the connection to PostgreSQL was lost while the command ran: .*"
    ) as raised:
        keep_objects(psql)

    assert raised.value.hint == "make the backup again: a DELETE may have removed bytes that it needs"


def test_a_second_backup_is_rejected(
    kept: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli_keep_objects, "LOCK_TIMEOUT", 0.1)
    with psycopg.connect(kept, autocommit=True) as other:
        other.execute((ROOT / "sql" / "migrator" / "keep_objects.sql").read_bytes())
        with pytest.raises(CommandError, match=r"^another backup is running, .*: the command was not run\.$"):
            keep_objects(["echo", "in vain"])

    assert capfd.readouterr() == ("", "")


def test_a_signal_to_it_reaches_the_command(database: str, tmp_path: Path) -> None:
    command = f"trap 'exit 9' TERM; touch {tmp_path}/begun; while :; do sleep 0.01; done"
    process = subprocess.Popen(
        [BIN / "images", "objects", "keep", "sh", "-c", command], cwd=ROOT, env=environment(DATABASE_URL=database)
    )
    wait_until((tmp_path / "begun").exists)

    process.terminate()

    assert process.wait(timeout=10) == 9


def test_a_signal_as_the_command_starts_reaches_it(kept: str, monkeypatch: pytest.MonkeyPatch) -> None:
    handlers: list[Any] = []
    monkeypatch.setattr(signal, "signal", lambda _, handler: handlers.append(handler))

    class Started(subprocess.Popen[bytes]):
        def __init__(self, command: list[str], env: dict[str, str] | None) -> None:
            super().__init__(command, env=env)
            handlers[-1](signal.SIGTERM, None)

    monkeypatch.setattr(subprocess, "Popen", Started)

    assert keep_objects(["sleep", "60"]) == 128 + signal.SIGTERM
