"""Checks of `images wait` before a service starts: the port, and the folder of the object store."""

import re
import socket
import subprocess
import sys
from pathlib import Path
from subprocess import CompletedProcess

import psycopg
import pytest
from pydantic import SecretStr

from app.cli.wait import _has_images, _retry
from app.errors import CommandError, ExitCode
from app.settings import Settings
from tests.conftest import as_role, environment, free_port
from tests.support import forked

IMAGE = """
    INSERT INTO images (id, filename, content_type, byte_size, width, height, content_sha256, own_key)
    VALUES (gen_random_uuid(), 'a', 'image/png', 1, 1, 1, sha256('a'), 'anywhere')
"""


def wait(database: str, folder: Path, *options: str, **variables: str) -> "CompletedProcess[str]":
    usual = {
        "DATABASE_URL": as_role(database, "images_app"),
        "STORAGE_URL": f"file:{folder}",
        "MIGRATE": "false",
        "UVICORN_PORT": f"{free_port()}",
    }
    return forked.run(environment(**usual | variables), "images", "wait", "--timeout", "30", *options)


def test_a_new_object_store_folder_is_named(database: str, tmp_path: Path) -> None:
    folder = tmp_path / "typing mistake"

    first, second = wait(database, folder), wait(database, folder)

    assert (first.returncode, first.stderr) == (0, f"created the object store folder {folder}\n")
    assert (second.returncode, second.stderr) == (0, "")
    assert folder.is_dir()


def test_the_migrator_is_found_without_its_folder_in_path(database: str, tmp_path: Path) -> None:
    variables = {
        "DATABASE_URL": as_role(database, "images_app"),
        "MIGRATION_DATABASE_URL": as_role(database, "images_owner"),
        "STORAGE_URL": f"file:{tmp_path}",
        "UVICORN_PORT": f"{free_port()}",
        "PATH": "/usr/bin:/bin",
    }
    program = Path(sys.executable).with_name("images")

    done = subprocess.run(
        [program, "wait", "--migrate"], env=environment(**variables), capture_output=True, encoding="utf-8"
    )

    assert (done.returncode, done.stdout) == (0, "nothing to apply\n"), done.stderr


def test_a_start_says_what_decodes_and_what_confines_it(database: str, tmp_path: Path) -> None:
    done = wait(database, tmp_path, "--migrate")

    assert (done.returncode, done.stderr.count("\n")) == (0, 2)
    assert re.search(r"^decoder libraries: libvips 8\.\d+\.\d+, mozjpeg \d.*, libheif \d", done.stderr, re.MULTILINE)
    assert "decoder sandbox: limits, " in done.stderr


async def test_a_table_that_does_not_answer_is_an_error(database: str) -> None:
    settings = Settings.model_construct(database_url=SecretStr(database))
    with psycopg.connect(database) as holder:
        holder.execute("LOCK TABLE images")

        with pytest.raises(CommandError, match=r"^cannot connect to PostgreSQL at .* \(DATABASE_URL\)"):
            await _retry(lambda: _has_images(settings, database, 0.3), 0.1)


@pytest.mark.parametrize("content", [None, [], ["lost+found"]], ids=["missing", "empty", "a new volume"])
def test_an_empty_object_store_of_a_database_with_images_is_an_error(
    content: list[str] | None, database: str, connection: psycopg.Connection, tmp_path: Path
) -> None:
    folder = tmp_path / "objects"
    for name in content or []:
        (folder / name).mkdir(parents=True)
    if content == []:
        folder.mkdir()
    connection.execute(IMAGE)

    done = wait(database, folder)

    assert done.returncode == ExitCode.USAGE
    assert done.stderr.startswith(
        f"error: the database has images, but the object store folder {folder} is empty.\nhint: "
    )
    assert folder.exists() == (content is not None)
    (folder / "sha256").mkdir(parents=True)  # as the hint says
    assert wait(database, folder).returncode == 0


def test_a_database_that_is_not_migrated_yet_has_no_images(empty_database: str, tmp_path: Path) -> None:
    done = wait(empty_database, tmp_path / "objects", DATABASE_URL=empty_database)

    assert done.returncode == 0, done.stderr


def test_a_port_in_use_is_an_error_of_the_start_only(database: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])

        done = wait(database, tmp_path, "--migrate", UVICORN_PORT=port)
        beside = wait(database, tmp_path, UVICORN_PORT=port)

    assert done.returncode == ExitCode.FAILED
    assert done.stderr == (
        f"error: port {port} on 127.0.0.1 is in use.\nhint: choose another port, for example: UVICORN_PORT=8001\n"
    )
    assert (beside.returncode, beside.stderr) == (0, "")
    assert wait(database, tmp_path, "--migrate", UVICORN_PORT=port).returncode == 0


def test_a_port_does_not_matter_to_a_server_on_a_socket(database: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        variables = {"UVICORN_PORT": str(server.getsockname()[1]), "UVICORN_UDS": str(tmp_path / "socket")}

        assert wait(database, tmp_path, "--migrate", **variables).returncode == 0


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("file", "error: UVICORN_UDS: {path} is not a socket.\n"),
        (".", "error: UVICORN_UDS: {path} is not a socket.\n"),
        ("missing/socket", "error: UVICORN_UDS: the folder of {path} does not exist.\n"),
        ("file/socket", "error: UVICORN_UDS: {path}: Not a directory.\n"),
        ("s" * 107, "error: UVICORN_UDS: the name has more than 107 bytes.\n"),
    ],
)
def test_a_socket_that_cannot_be_opened_is_an_error_and_no_file_is_removed(
    name: str, error: str, database: str, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    path = tmp_path / name

    done = wait(database, tmp_path / "objects", "--migrate", UVICORN_UDS=str(path))

    assert (done.returncode, file.read_text()) == (ExitCode.USAGE, "mine")
    assert done.stderr.startswith(error.format(path=path)), done.stderr


@pytest.mark.parametrize(
    ("host", "error"),
    [
        ("192.0.2.1", "error: UVICORN_HOST: 192.0.2.1 is not an address of this machine.\n"),
        ("::ffff:127.0.0.1", "error: UVICORN_HOST: a server cannot listen on ::ffff:127.0.0.1.\n"),
        ("nowhere.invalid", "error: UVICORN_HOST: the host name nowhere.invalid was not found.\n"),
    ],
)
def test_a_host_that_is_not_here_is_an_error(host: str, error: str, database: str, tmp_path: Path) -> None:
    done = wait(database, tmp_path, "--migrate", UVICORN_HOST=host, UVICORN_PORT=str(free_port()))

    assert done.returncode == ExitCode.USAGE
    assert done.stderr.startswith(error)
