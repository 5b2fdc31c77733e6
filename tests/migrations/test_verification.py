"""`images schema verify`: each kind of fault is found and repaired, beside writers, and recorded."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from threading import Event, Thread
from uuid import uuid4

import psycopg
import pytest

from app.cli.main import run as run_command
from app.migrations import verification
from app.migrations.connection import run, run_text
from app.project import chosen
from app.settings import ROOT
from tests.conftest import BIN, environment, yoyo_on
from tests.database.test_search_tables import EXPECTED, INSERT, LISTED
from tests.project.test_library import LIBRARY
from tests.schema.test_migrations import IDS

ROWS = 60
CHECKS = ["missing_terms", "orphaned_terms", "orphaned_words", "surplus_terms", "wrong_words"]
OF_REVIEW = (ROOT / "sql" / "review" / "consistency_images.sql").read_text()
OFF, ON = "SET session_replication_role = replica", "SET session_replication_role = origin"
# Writes while the triggers are off, and the checks that find them.
FAULTS = {
    "DELETE FROM image_terms WHERE term = 'tag:night'": "missing_terms",
    "TRUNCATE image_terms": "missing_terms",
    "INSERT INTO image_terms SELECT 'tag:none', created_at, id FROM images": "surplus_terms",
    "INSERT INTO image_terms SELECT term, created_at, gen_random_uuid() FROM image_terms": "orphaned_terms",
    "DELETE FROM image_words WHERE created_at > '2020-01-01 00:20Z'": "wrong_words",
    "TRUNCATE image_words": "wrong_words",
    "UPDATE image_words SET words = 'wrong'": "wrong_words",
    "UPDATE image_words SET image_id = gen_random_uuid()": "orphaned_words wrong_words",
    "UPDATE images SET tags = '{changed}' WHERE byte_size < 500000": "missing_terms surplus_terms wrong_words",
    "UPDATE images SET tags = ARRAY[NULL, '', 'a ''quoted'' \\ \"tag\"', repeat('t', 101)]": (
        "missing_terms surplus_terms wrong_words"
    ),
    "UPDATE images SET content_type = 'image/gif'": "missing_terms surplus_terms wrong_words",
    "UPDATE images SET title = 'Another'": "wrong_words",
    "UPDATE images SET id = gen_random_uuid()": "missing_terms orphaned_terms orphaned_words wrong_words",
    "UPDATE images SET created_at = 'infinity' WHERE byte_size < 500000": (
        "missing_terms orphaned_terms orphaned_words wrong_words"
    ),
    "UPDATE images SET attributes = '{}', byte_size = 1": "",
    "DELETE FROM images WHERE byte_size < 500000": "orphaned_terms orphaned_words",
    "TRUNCATE images": "orphaned_terms orphaned_words",
}


@pytest.fixture
def verify(
    database: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run the command, and return its exit code, stdout and stderr."""
    monkeypatch.setenv("DATABASE_URL", database)
    monkeypatch.setattr(verification, "ROWS", 30)  # several ranges

    def go(*arguments: str) -> tuple[int, str, str]:
        code = run_command(["schema", "verify", *arguments])
        return int(code), *capfd.readouterr()

    return go


@pytest.fixture
def filled(connection: psycopg.Connection) -> psycopg.Connection:
    run(connection, "fill_images", "review", first=1, last=ROWS)
    return connection


@pytest.fixture
def other(database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database) as other:
        yield other


def listed(connection: psycopg.Connection) -> None:
    """Compare in PostgreSQL, because psycopg cannot load an infinite time."""
    for one, another in ((LISTED, EXPECTED), (EXPECTED, LISTED)):
        assert connection.execute(f"({one}) EXCEPT ALL ({another})".encode()).rowcount == 0


def wrong(text: str) -> list[str]:
    return re.findall(r"^wrong: (\w+):", text, re.MULTILINE)


def test_each_kind_of_fault_is_found_and_repaired(
    verify: Callable[..., tuple[int, str, str]], filled: psycopg.Connection
) -> None:
    assert verify()[::2] == (0, "")
    filled.execute("CREATE TABLE kept AS SELECT * FROM images")
    for write, names in FAULTS.items():
        filled.execute("TRUNCATE images")
        filled.execute("INSERT INTO images SELECT * FROM kept")
        filled.execute(OFF.encode())
        filled.execute(write.encode())
        filled.execute(ON.encode())

        code, output, error = verify()

        assert (code, wrong(output)) == (int(bool(names)), names.split()), (write, output)
        assert (error == "hint: repair them: images schema verify --repair\n") == bool(names)
        of_review = run_text(filled, OF_REVIEW, one_in=1, since="-infinity").fetchall()
        assert bool(of_review) == bool(names), "the review of migrations has the same opinion"

        code, output, error = verify("--repair")

        assert (code, error, wrong(output)) == (0, "", names.split()), (write, output)
        for line in output.splitlines():
            found, repaired = re.search(r"(\d+) faults?", line), re.search(r"(\d+) repaired", line)
            assert (found and found[1]) == (repaired and repaired[1]), line
        listed(filled)


def test_the_result_is_recorded(verify: Callable[..., tuple[int, str, str]], filled: psycopg.Connection) -> None:
    filled.execute("DELETE FROM image_words WHERE created_at > '2020-01-01 00:24Z'")
    results = "SELECT name, table_name, rows_checked, faults, repaired FROM _yoyo_ledger_checks ORDER BY name"

    assert verify()[0] == 1
    filled.execute("INSERT INTO _yoyo_ledger_checks VALUES ('of_another_release', 'images', now(), 1, 1, 1, 0)")
    assert verify("--repair", "--format", "json")[0] == 0

    rows = filled.execute(results.encode()).fetchall()
    assert [row[0] for row in rows] == CHECKS
    assert rows[-1] == ("wrong_words", "images", ROWS, 12, 12)
    code, output, _ = verify("--format", "json")
    [*_, last] = json.loads(output)["checks"]
    assert (code, last["name"], last["rows"], last["faults"], last["example"]) == (0, CHECKS[-1], ROWS, 0, None)
    assert last["purpose"].startswith("finds images whose words are missing")
    assert [row[3:] for row in filled.execute(results.encode())] == [(0, 0)] * len(CHECKS)


def test_an_image_that_is_being_written_is_left_to_its_writer(
    verify: Callable[..., tuple[int, str, str]], filled: psycopg.Connection, other: psycopg.Connection
) -> None:
    filled.execute("TRUNCATE image_terms, image_words")
    other.execute("UPDATE images SET tags = '{changed}' WHERE id = md5('image 7')::uuid")
    other.execute("UPDATE images SET attributes = '{}' WHERE id = md5('image 8')::uuid")

    code, output, error = verify("--repair")

    assert (code, error) == (1, "hint: rows in use were not repaired. Run the command again\n")
    assert f"wrong: wrong_words: {ROWS} faults in {ROWS} rows of images, such as" in output
    assert f", {ROWS - 2} repaired" in output
    other.commit()
    assert verify("--repair")[0] == 0
    listed(filled)


def test_a_row_of_an_image_that_is_being_inserted_stays(
    verify: Callable[..., tuple[int, str, str]],
    filled: psycopg.Connection,
    other: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The inserting session finds the rows, and keeps them. Until it commits, they look like those of no image."""
    monkeypatch.setattr(verification, "ROWS", 1000)  # one wait for a lock
    filled.execute("CREATE TABLE kept AS SELECT * FROM images")
    filled.execute(OFF.encode())
    filled.execute("DELETE FROM images WHERE byte_size < 300000")
    filled.execute(ON.encode())
    other.execute("INSERT INTO images SELECT * FROM kept WHERE byte_size < 300000")

    code, output, _ = verify("--repair")

    assert (code, wrong(output)) == (1, ["orphaned_terms", "orphaned_words"])
    assert "repaired" not in output
    other.commit()
    listed(filled)
    assert verify()[0] == 0


def test_rows_that_are_written_meanwhile_are_no_faults(
    verify: Callable[..., tuple[int, str, str]], filled: psycopg.Connection, database: str
) -> None:
    """Writers insert, change and delete all the time, and fail at nothing, while ranges are checked and repaired."""
    filled.execute("INSERT INTO image_terms SELECT 'tag:none', created_at, id FROM images")
    filled.execute("DELETE FROM image_words")
    end, failed = Event(), []

    def write(number: int) -> None:
        try:
            with psycopg.connect(database, autocommit=True) as writer:
                while not end.is_set():
                    mark = uuid4().hex
                    writer.execute(
                        "UPDATE images SET tags = ARRAY[%s], title = %s WHERE byte_size > 1 AND mod(byte_size, 3) = %s",
                        [mark, mark, number],
                    )
                    writer.execute(INSERT.replace("(n::text), n,", f"(n || '{mark}'), '{mark}',").encode())
                    writer.execute("DELETE FROM images WHERE own_key = %s", [mark])
        except psycopg.Error as error:
            failed.append(error)

    writers = [Thread(target=write, args=[number]) for number in range(3)]
    for writer in writers:
        writer.start()
    try:
        while verify("--repair")[0] != 0:
            assert all(writer.is_alive() for writer in writers), failed
        for _ in range(5):
            code, output, _ = verify()
            assert (code, wrong(output)) == (0, []), output
    finally:
        end.set()
        for writer in writers:
            writer.join()
    assert failed == []
    listed(filled)


def test_a_wait_for_a_lock_is_told(database: str, filled: psycopg.Connection, other: psycopg.Connection) -> None:
    other.execute("LOCK TABLE images")
    with subprocess.Popen(
        [BIN / "images", "schema", "verify"],
        cwd=ROOT,
        env=environment(DATABASE_URL=database),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        other.rollback()

    assert f": waiting: process {other.info.backend_pid} (" in line
    assert ") holds AccessExclusiveLock on images, " in line
    assert process.returncode == 0


def test_what_cannot_be_verified_is_3(
    empty_database: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database)
    verify = ["schema", "verify"]
    monkeypatch.chdir(ROOT)

    assert run_command(verify) == 3
    assert capfd.readouterr().err == (
        "error: missing_terms: there is no table images.\n"
        "hint: apply the pending migrations: yoyo apply. If there are none, correct the file of the check\n"
    )

    assert yoyo_on(empty_database, "apply", "-r", IDS[0]).returncode == 0
    assert run_command(verify) == 3
    assert "apply the pending migrations" in capfd.readouterr().err

    with psycopg.connect(empty_database) as connection, chosen(LIBRARY):
        assert verification.prepare(connection) == []
    assert run_command(["schema", "--project", str(LIBRARY), "verify"]) == 0
    assert capfd.readouterr().out == "nothing to verify: sql/verify has no checks\n"
