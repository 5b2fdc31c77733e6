"""`images import`, as an operator runs it."""

import hashlib
import os
import pty
import shutil
import signal
import subprocess
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from app.settings import ROOT, Settings
from app.storage.keys import storage_key
from tests.conftest import BIN, environment
from tests.migrations.test_backend import wait_until
from tests.support import forked
from tests.support.api import objects, place, rows
from tests.support.pictures import picture

FINISHING = "finishing the files that were begun; press Ctrl+C again to stop at once\n"
CONTINUE = "hint: run the command again to continue\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder


def fill(folder: Path, number: int) -> None:
    for n in range(number):
        write(folder, f"{n % 3}/{n:03}.png", picture("PNG", seed=n))


def write(folder: Path, name: str | bytes, content: bytes) -> Path:
    path = Path(os.fsdecode(os.path.join(os.fsencode(folder), os.fsencode(name))))  # noqa: PTH118
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def variables(settings: Settings, **also: str) -> dict[str, str]:
    known = {
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "STORAGE_URL": settings.storage_url or "",
        "MAX_UPLOAD_BYTES": str(settings.max_upload_bytes),
        "MAX_IMAGE_PIXELS": str(settings.max_image_pixels),
        "DATABASE_STATEMENT_TIMEOUT": "30",
    }
    return environment(**known | also)


def start(settings: Settings, *arguments: str | Path, stderr: int = subprocess.PIPE) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [BIN / "images", "import", *arguments],
        cwd=ROOT,
        env=variables(settings),
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )


def run(settings: Settings, *arguments: str | Path, **also: str) -> tuple[int, str, str]:
    """Exit status, stdout and stderr."""
    done = forked.run(variables(settings, **also), "images", "import", *arguments)
    return done.returncode, done.stdout, done.stderr


def end(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    stdout, stderr = process.communicate(timeout=60)
    return process.returncode, stdout, stderr


@contextmanager
def held_up(connection: psycopg.Connection, settings: Settings, folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """An import of 60 files that has stored 30, and whose next rows wait until the end."""
    for n in range(60):
        write(folder, f"{n // 20}/{n:03}.png", picture("PNG", seed=n))
    connection.execute("""
        SELECT pg_advisory_lock(1);
        CREATE SEQUENCE inserts;
        CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
        BEGIN
            IF nextval('inserts') > 30 THEN
                PERFORM pg_advisory_xact_lock_shared(1);
            END IF;
            RETURN NEW;
        END
        $$;
        CREATE TRIGGER wait BEFORE INSERT ON images FOR EACH ROW EXECUTE FUNCTION wait();
    """)
    waiting = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    process = start(settings, folder)
    try:
        wait_until(lambda: rows(connection) == 30 and connection.execute(waiting).fetchall())
        yield process
    except BaseException:
        process.kill()
        end(process)
        raise
    finally:
        connection.execute("SELECT pg_advisory_unlock(1)")


def test_new_known_and_refused_are_told(folder: Path, settings: Settings, connection: psycopg.Connection) -> None:
    fill(folder, 4)
    write(folder, "1/copy of 001.png", picture("PNG", seed=1))
    broken = write(folder, "broken.png", picture("PNG")[:-30])
    texts = [write(folder, name, b"notes") for name in ("notes.txt", "other.txt")]
    large = write(folder, "large.jpg", bytes(5_000_001))
    wide = write(folder, "wide.png", picture("PNG", (1001, 1000)))
    empty = write(folder, "empty.jpg", b"")
    gone = folder / "gone.jpg"
    gone.symlink_to("nowhere")

    status, stdout, stderr = run(settings, folder, folder / "none")

    assert (status, stdout) == (1, "4 new, 1 known, 8 rejected\n")
    *lines, types = stderr.splitlines()
    told = dict(line.split(": ", 1) for line in lines)
    assert told.keys() == {str(path) for path in (broken, *texts, large, wide, empty, gone, folder / "none")}
    assert {told[str(text)] for text in texts} == {"This is a text file."}
    assert types.startswith("Upload a picture: JPEG, PNG, ")
    assert told[str(empty)] == "the file is empty."
    assert told[str(large)] == "larger than 5000000 bytes (MAX_UPLOAD_BYTES)."
    assert told[str(wide)].startswith("the image has too many pixels. ")
    assert told[str(gone)] == told[str(folder / "none")] == "No such file or directory."
    assert told[str(broken)].startswith("the file is damaged or incomplete (")
    stored = connection.execute("SELECT filename, width, height, byte_size FROM images ORDER BY filename").fetchall()
    size = len(picture("PNG"))
    assert [row[1:3] for row in stored] == [(60, 40)] * 4
    assert all(abs(row[3] - size) < 20 for row in stored)
    assert stored[0][0] == "000.png"


def test_run_again_all_is_known(folder: Path, settings: Settings, connection: psycopg.Connection) -> None:
    fill(folder, 20)
    assert run(settings, folder) == (0, "20 new, 0 known, 0 rejected\n", "")
    before = connection.execute("SELECT * FROM images ORDER BY id").fetchall()

    assert run(settings, folder, "--tag", "late") == (0, "0 new, 20 known, 0 rejected\n", "")

    assert connection.execute("SELECT * FROM images ORDER BY id").fetchall() == before
    assert len(objects(settings)) == 20


def test_what_is_stored_are_the_bytes(folder: Path, settings: Settings, connection: psycopg.Connection) -> None:
    """Small ones go through memory, and those of more than 1 MiB through a file."""
    noise = [os.urandom(size) for size in (100, 1_048_000, 3_000_000)]
    contents = [picture("JPEG") + tail for tail in noise]
    for n, content in enumerate(contents):
        write(folder, f"{n}.jpg", content)

    assert run(settings, folder)[:2] == (0, "3 new, 0 known, 0 rejected\n")

    for content in contents:
        sha256 = hashlib.sha256(content).hexdigest()
        assert place(settings, storage_key(sha256)).read_bytes() == content
    assert {size for (size,) in connection.execute("SELECT byte_size FROM images")} == set(map(len, contents))


def test_the_same_bytes_many_times_are_one_image(folder: Path, settings: Settings) -> None:
    for n in range(60):
        write(folder, f"{n}.png", picture("PNG", seed=n % 2))

    assert run(settings, folder) == (0, "2 new, 58 known, 0 rejected\n", "")


def test_hidden_linked_and_special_files_are_left_out(
    folder: Path, settings: Settings, connection: psycopg.Connection
) -> None:
    fill(folder, 2)
    write(folder, ".hidden.png", picture("PNG", seed=100))
    write(folder, ".hidden/a.png", picture("PNG", seed=101))
    write(folder.parent, "elsewhere/b.png", picture("PNG", seed=102))
    (folder / "linked").symlink_to(folder.parent / "elsewhere")
    (folder / "circle").symlink_to(folder)
    (folder / "link.png").symlink_to(folder.parent / "elsewhere" / "b.png")
    os.mkfifo(folder / "pipe")

    assert run(settings, folder) == (0, "3 new, 0 known, 0 rejected\n", "")

    names = [name for (name,) in connection.execute("SELECT filename FROM images ORDER BY 1")]
    assert names == ["000.png", "001.png", "link.png"]
    assert run(settings, folder / "linked", folder / ".hidden.png")[1] == "1 new, 1 known, 0 rejected\n"
    assert run(settings, folder / "pipe") == (1, "0 new, 0 known, 1 rejected\n", f"{folder / 'pipe'}: not a file.\n")


def test_new_images_get_the_tags(folder: Path, settings: Settings, connection: psycopg.Connection) -> None:
    fill(folder, 1)

    assert run(settings, folder, "--tag", "harbour", "--tag", "a, b", "--tag", "harbour")[0] == 0

    assert connection.execute("SELECT tags FROM images").fetchall() == [(["harbour", "a, b"],)]


@pytest.mark.parametrize("name", [b"caf\xe9.png", b"a\nb.png", b"a\\b.png"])
def test_a_name_that_is_none_here_is_made_one(
    name: bytes, folder: Path, settings: Settings, connection: psycopg.Connection
) -> None:
    write(folder, name, picture("PNG"))
    write(folder, b"no" + name, b"no image")

    status, stdout, stderr = run(settings, folder)

    assert (status, stdout, stderr.count("\n")) == (1, "1 new, 0 known, 1 rejected\n", 2)
    [(stored,)] = connection.execute("SELECT filename FROM images").fetchall()
    assert stored in {"caf\ufffd.png", "a\ufffdb.png"}


def test_killed_at_any_moment_it_goes_on(folder: Path, settings: Settings, connection: psycopg.Connection) -> None:
    with held_up(connection, settings, folder) as process:
        process.kill()
        end(process)
    sessions = "SELECT FROM pg_stat_activity WHERE application_name LIKE 'images %' AND datname = current_database()"
    wait_until(lambda: not connection.execute(sessions).fetchall())
    recorded = {key for (key,) in connection.execute("SELECT images_storage_key(content_sha256, own_key) FROM images")}
    assert len(recorded) == 30
    assert recorded < set(objects(settings))

    assert run(settings, folder) == (0, "30 new, 30 known, 0 rejected\n", "")

    whole = [key for key in objects(settings) if "#" not in key]  # the kill may leave a file that was half written
    assert rows(connection) == len(whole) == 60


def test_ctrl_c_finishes_what_is_begun(folder: Path, settings: Settings, connection: psycopg.Connection) -> None:
    with held_up(connection, settings, folder) as process:
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert process.stderr.readline() == FINISHING

    assert end(process) == (130, f"{rows(connection)} new, 0 known, 0 rejected\n", "")
    assert 30 < rows(connection) == len(objects(settings)) < 60


def test_a_second_ctrl_c_ends_it_at_once(folder: Path, settings: Settings, connection: psycopg.Connection) -> None:
    with held_up(connection, settings, folder) as process:
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        process.stderr.readline()
        process.send_signal(signal.SIGINT)

        assert end(process) == (130, "", "")
        assert rows(connection) == 30


def test_without_a_database_it_ends_at_once(folder: Path, settings: Settings) -> None:
    fill(folder, 3)

    status, stdout, stderr = run(settings, folder, DATABASE_URL="postgresql://images:secret@127.0.0.1:1/images")

    assert (status, stdout) == (3, "")
    assert stderr == (
        "0 new, 0 known, 0 rejected so far\n"
        f"error: cannot connect to PostgreSQL at 127.0.0.1:1 (DATABASE_URL): connection refused.\n{CONTINUE}"
    )


def test_a_database_that_goes_away_ends_it(folder: Path, settings: Settings, connection: psycopg.Connection) -> None:
    with held_up(connection, settings, folder) as process:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'images %'"
        )
        status, stdout, stderr = end(process)

    assert (status, stdout) == (3, "")
    assert stderr.startswith("30 new, 0 known, 0 rejected so far\nerror: PostgreSQL failed: ")
    assert stderr.endswith(f".\n{CONTINUE}")
    assert stderr.count("\n") == 3


def test_a_database_without_tables_is_told(folder: Path, settings: Settings, empty_database: str) -> None:
    fill(folder, 3)

    status, _, stderr = run(settings, folder, DATABASE_URL=empty_database)

    said = "error: the database lacks migrations of this release.\nhint: apply them: yoyo apply\n"
    assert (status, stderr) == (3, f"0 new, 0 known, 0 rejected so far\n{said}")


def test_a_store_that_cannot_be_written_ends_it(
    folder: Path, settings: Settings, connection: psycopg.Connection
) -> None:
    fill(folder, 3)
    place(settings, "sha256").rmdir()
    place(settings, "sha256").write_bytes(b"not a folder")

    status, stdout, stderr = run(settings, folder)

    assert (status, stdout, stderr.count("\n")) == (3, "", 4)
    assert "0 new, 0 known, 0 rejected so far\nerror: the object store failed: " in stderr
    assert stderr.endswith(CONTINUE)
    assert rows(connection) == 0


@pytest.mark.parametrize(
    ("variables", "arguments", "said"),
    [
        ({"STORAGE_URL": ""}, [], "STORAGE_URL is not set"),
        ({"DATABASE_URL": ""}, [], "DATABASE_URL is not set"),
        ({}, ["--tag", ""], "error: --tag must not be empty.\n"),
    ],
)
def test_what_is_not_set_or_wrong_is_named(
    variables: dict[str, str], arguments: list[str], said: str, folder: Path, settings: Settings
) -> None:
    status, stdout, stderr = run(settings, folder, *arguments, **variables)

    assert (status, stdout) == (2, "")
    assert said in stderr


def test_a_terminal_shows_a_bar(folder: Path, settings: Settings) -> None:
    fill(folder, 20)
    write(folder, "9.png", b"")
    master, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 200))
    process = start(settings, folder, stderr=terminal)
    os.close(terminal)
    shown = b""
    try:
        while chunk := os.read(master, 65536):
            shown += chunk
    except OSError:  # Linux's way to say that the other end is closed
        os.close(master)

    assert end(process)[:2] == (1, "20 new, 0 known, 1 rejected\n")
    assert b" new, 0 known, " in shown
    assert b"9.png: the file is empty." in shown


def test_the_folder_of_an_unmounted_disk_gets_no_image(
    settings: Settings, connection: psycopg.Connection, folder: Path
) -> None:
    """Neither while the import runs, nor at its start."""
    disk = place(settings, "")
    with held_up(connection, settings, folder) as process:
        disk.rename(disk.with_name("away"))
        disk.mkdir()
    status, _, stderr = end(process)

    assert status == 3
    # A file that was being written may be in the folder. Its row is not.
    assert "error: the database has images, but the object store folder is empty.\n" in stderr or (
        "error: the object store does not have catalogue.json" in stderr
    )
    stored = [path for path in disk.with_name("away").glob("sha256/*/*/*") if path.is_file()]
    assert {path.name for path in stored} >= {
        sha256 for (sha256,) in connection.execute("SELECT encode(content_sha256, 'hex') FROM images")
    }
    shutil.rmtree(disk)
    disk.mkdir()
    status, _, stderr = run(settings, folder)
    assert status == 3
    assert "hint: check STORAGE_URL, and that its volume is mounted." in stderr
    assert list(disk.iterdir()) == []
