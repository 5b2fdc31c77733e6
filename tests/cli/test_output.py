"""Output that cannot be written, and commands of `images objects keep`: each ends with one line and no traceback."""

import io
import os
import subprocess
from pathlib import Path

import psycopg
import pytest

from app.cli.output import open_output, shows_colors
from app.errors import CommandError, OutputError
from app.settings import ROOT
from tests.conftest import BIN, as_role, environment
from tests.support import forked
from tests.support.api import insert
from tests.support.exhaustive import EXHAUSTIVE
from tests.support.pictures import picture

FULL = "error: cannot write to stdout: No space left on device.\n"
PRINTING = [
    "--help",
    "--version",
    "token list",
    "token create x",
    "schema status",
    "schema status --format json",
    "schema check",
    "schema dump",
    "export",
    "import PICTURE",
    "objects check",
    "objects check --format json",
]
REAL = PRINTING if EXHAUSTIVE else ["--help", "schema dump"]  # the others are forked, which takes a tenth of the CPU


def variables(database: str, tmp_path: Path) -> dict[str, str]:
    return environment(
        DATABASE_URL=as_role(database, "images_app"),
        MIGRATION_DATABASE_URL=as_role(database, "images_owner"),
        STORAGE_URL=f"file:{tmp_path / 'objects'}",
    )


def shell(command: str, database: str, tmp_path: Path) -> "subprocess.CompletedProcess[str]":
    """Run a command line in a shell, with `images` for the command and PICTURE for an image file."""
    (tmp_path / "objects/sha256").mkdir(parents=True, exist_ok=True)
    image = tmp_path / "picture.png"
    image.write_bytes(picture("PNG"))
    command = command.replace("PICTURE", str(image)).replace("images ", f"{BIN / 'images'} ")
    return subprocess.run(
        ["bash", "-c", command], cwd=ROOT, env=variables(database, tmp_path), capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("command", PRINTING)
def test_a_full_disk_is_one_line(command: str, database: str, connection: psycopg.Connection, tmp_path: Path) -> None:
    insert(connection)
    connection.execute(
        "INSERT INTO tokens (id, name, scope, sha256) VALUES (gen_random_uuid(), 'a', 'read', sha256('a'))"
    )

    if command in REAL:
        done = shell(f"images {command} > /dev/full", database, tmp_path)
    else:
        image = tmp_path / "picture.png"
        image.write_bytes(picture("PNG"))
        (tmp_path / "objects/sha256").mkdir(parents=True)  # an empty folder counts as one that is not mounted
        words = [str(image) if word == "PICTURE" else word for word in command.split()]
        done = forked.run(variables(database, tmp_path), "images", *words, stdout=Path("/dev/full"))

    assert (done.returncode, done.stderr) == (3, FULL)


@pytest.mark.parametrize("command", ["--help", "token list", "token create x", "schema dump", "import PICTURE"])
def test_a_closed_pipe_ends_the_command_silently(command: str, database: str, tmp_path: Path) -> None:
    done = shell(f"images {command} | true; exit ${{PIPESTATUS[0]}}", database, tmp_path)

    # The command may be faster than `true`, and its output may fit into the pipe.
    assert done.returncode in {0, 141}
    assert done.stderr in {
        "",
        "there is no token. Create one: images token create NAME\n",
        "x has scope read and does not expire. The token is shown once: keep it now.\n",
    }


@pytest.mark.parametrize("redirection", ["> /dev/full", ">&-", "> >(true)"])
def test_no_secret_is_stored_that_nobody_saw(
    redirection: str, database: str, connection: psycopg.Connection, tmp_path: Path
) -> None:
    connection.execute(
        "INSERT INTO tokens (id, name, scope, sha256) VALUES (gen_random_uuid(), 'a', 'read', sha256('a'))"
    )
    for command in ("create x", "rotate a"):
        done = shell(f"sleep 0.1; exec images token {command} {redirection}", database, tmp_path)

        assert done.returncode in {3, 141}, done.stderr
        assert "Traceback" not in done.stderr
    stored = connection.execute("SELECT name, sha256 = sha256('a'), former_sha256 FROM tokens").fetchall()
    assert stored == [("a", True, None)]
    assert connection.execute("SELECT action FROM token_events").fetchall() == [("create",)]


def test_a_message_that_cannot_be_written_ends_nothing(
    database: str, connection: psycopg.Connection, tmp_path: Path
) -> None:
    for redirection in ("2> /dev/full", "2>&-"):
        assert shell(f"images import PICTURE /nowhere {redirection}", database, tmp_path).returncode == 1

    assert connection.execute("SELECT count(*) FROM images").fetchone() == (1,)


def test_without_a_command_nothing_is_kept(tmp_path: Path) -> None:
    nowhere = "postgresql://images@127.0.0.1:1/images"
    done = shell("images objects keep", nowhere, tmp_path)

    assert done.returncode == 2
    assert done.stderr == "error: no command to run.\nhint: images objects keep -- COMMAND [ARG]...\n"


@pytest.mark.parametrize("command", ["-- true", "true", "-- sh -c 'exit 0' -- x", "sh -euc 'true -- x'", "-q -- true"])
def test_two_dashes_end_the_options_of_keep(command: str, database: str, tmp_path: Path) -> None:
    done = shell(f"images objects keep {command}", database, tmp_path)

    assert (done.returncode, done.stderr) == (0, "")


def test_a_dump_replaces_the_file_only_when_it_is_complete(database: str, tmp_path: Path) -> None:
    file = tmp_path / "schema.sql"
    file.write_text("before")

    nowhere = "postgresql://images@127.0.0.1:1/images"
    failed = shell(f"MIGRATION_DATABASE_URL={nowhere} images schema dump -o {file}", database, tmp_path)
    assert (failed.returncode, failed.stderr) == (
        3,
        "error: cannot connect to PostgreSQL at 127.0.0.1:1 (MIGRATION_DATABASE_URL): connection refused.\n",
    )
    assert file.read_text() == "before"
    assert shell(f"images schema dump -o {file}", database, tmp_path).returncode == 0

    assert file.read_text() == (ROOT / "sql" / "schema.sql").read_text()
    assert sorted(path.name for path in tmp_path.glob("schema*")) == ["schema.sql"]


def test_a_file_that_is_not_complete_leaves_nothing(tmp_path: Path) -> None:
    file = tmp_path / "out"

    def interrupted() -> None:
        with open_output(file) as write:
            write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    file = tmp_path / "none" / "x.ndjson"
    with pytest.raises(CommandError) as raised, open_output(file):
        pass

    assert str(raised.value) == f"cannot write to {file}: the folder {file.parent} does not exist."


def test_a_device_is_written_to_directly() -> None:
    def write_to(path: str) -> None:
        with open_output(Path(path)) as write:
            write(b"x")

    write_to(os.devnull)
    with pytest.raises(OutputError, match=r"^cannot write to /dev/full: No space left on device\.$"):
        write_to("/dev/full")

    assert not Path(os.devnull).is_file()


@pytest.mark.parametrize(
    ("no_color", "force_color", "is_colored"),
    [("", "1", True), ("", "", False), ("", "0", False), ("1", "1", False), ("1", "", False)],
)
def test_an_empty_variable_changes_no_color(
    no_color: str, force_color: str, is_colored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setenv("FORCE_COLOR", force_color)

    assert shows_colors(io.StringIO()) is is_colored
