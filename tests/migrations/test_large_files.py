"""Large migrations: the time to read them grows with their size only, and memory does not."""

import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import yoyo.migrations
from yoyo import read_migrations

from app.migrations import migration_file, validation
from app.migrations.splitting import read_sql_migration
from app.schema import digest as digest_module
from app.settings import ROOT
from tests.conftest import backend_on, yoyo_on

KINDS = {
    "rows": "INSERT INTO x (a, b) VALUES ({}, 'value');\n",
    "functions": "CREATE FUNCTION f{}() RETURNS integer LANGUAGE sql BEGIN ATOMIC SELECT 1; END;\n",
    "comments": "-- Loses: no. {}\nSELECT 1;\n",
}


def write(folder: Path, kind: str, count: int) -> Path:
    folder.mkdir(exist_ok=True)
    lines = "".join(KINDS[kind].format(number) for number in range(count))
    (folder / "0001_fill_x.sql").write_text(f"CREATE TABLE x (a integer, b text);\n{lines}")
    (folder / "0001_fill_x.rollback.sql").write_text("-- loses: nothing\nDROP TABLE x;\n")
    return folder


CALLS = ["faults(folder)", "shipped(folder)", "list(parser.statements(next(folder.glob('*l_x.sql')).read_text()))"]
# For each folder and call: the CPU time in seconds and the memory in MB that a process needs for it.
MEASURE = f"""
import os, resource, sys, time
from pathlib import Path
from app.lint import parser
from app.migrations.validation import faults
from app.schema.history import shipped

for folder in map(Path, sys.argv[1:]):
    for call in {CALLS}:
        if os.fork() == 0:
            started = time.process_time()
            try:
                eval(call)
                used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
                print(time.process_time() - started, used, flush=True)
            finally:
                os._exit(0)
        os.wait()
"""


def test_ten_times_the_statements_take_ten_times_the_time(tmp_path: Path) -> None:
    cases = [(kind, call) for kind in KINDS for call in CALLS]
    measured = []
    for count in (200, 2000):
        folders = [write(tmp_path / f"{kind} {count}", kind, count) for kind in KINDS]
        done = subprocess.run([sys.executable, "-c", MEASURE, *folders], cwd=ROOT, capture_output=True, text=True)
        assert done.stderr == ""
        measured.append([tuple(map(float, line.split())) for line in done.stdout.splitlines()])

    few, some = measured
    wrong = [
        (case, less, more)
        for case, less, more in zip(cases, few, some, strict=True)
        # 100 times the time if it were quadratic
        if more[0] >= 40 * less[0] + 0.2 or more[1] >= less[1] + 40
    ]
    assert wrong == []


def test_20_000_rows_are_applied_in_one_transaction(empty_database: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "migrations", "rows", 20_000)

    done = yoyo_on(empty_database, "apply", str(folder))

    assert done.returncode == 0, done.stderr
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT count(*), count(DISTINCT xmin::text) FROM x").fetchone() == (20_000, 1)


def test_yoyo_still_has_the_function_that_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called = []
    assert yoyo.migrations.read_sql_migration is read_sql_migration

    def read(path: str) -> tuple[dict[str, str], str, list[str]]:
        called.append(path)
        return read_sql_migration(path)

    monkeypatch.setattr(yoyo.migrations, "read_sql_migration", read)
    folder = write(tmp_path / "migrations", "rows", 2)
    [migration] = read_migrations(str(folder))
    migration.load()

    assert called == [str(folder / "0001_fill_x.sql"), str(folder / "0001_fill_x.rollback.sql")]
    assert len(migration.steps) == 3


def test_an_unchanged_file_is_not_scanned_again(
    empty_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its digest of the statements stays what counts: each way to change a file, or what is recorded, is found."""
    scanned: list[str] = []
    checked: list[str] = []
    words, read = digest_module._words, migration_file.read_file

    def scan(text: str) -> bytes:
        scanned.append(text.split()[-1])
        return words(text)

    def read_file(path: Path) -> migration_file.MigrationFile:
        checked.append(path.stem)
        return read(path)

    monkeypatch.setattr(digest_module, "_words", scan)
    monkeypatch.setattr(validation, "read_file", read_file)
    monkeypatch.setattr("tests.conftest.known_faults", validation.faults)  # without the caches of the tests
    monkeypatch.setattr("tests.conftest.digest_once", digest_module.digest)
    folder = write(tmp_path / "migrations", "rows", 3)
    first = folder / "0001_fill_x.sql"

    def apply() -> list[str]:
        """Apply as a new process would, and return which files were scanned, by their last word."""
        scanned.clear()
        checked.clear()
        digest_module.digest.cache_clear()
        with backend_on(empty_database) as backend, backend.lock():
            backend.apply_migrations(backend.to_apply(read_migrations(str(folder))))
        return scanned

    assert apply() == ["'value');"]
    assert apply() == []
    (folder / "0002_create_y.sql").write_text("-- depends: 0001_fill_x\nCREATE TABLE y (second integer);\n")
    (folder / "0002_create_y.rollback.sql").write_text("-- loses: nothing\nDROP TABLE y;\n")
    assert apply() == ["integer);"]
    assert checked == ["0002_create_y", "0002_create_y.rollback"]

    first.write_text(f"-- A comment.\n{first.read_text()}")
    assert apply() == ["'value');"]  # another file with the same statements
    (folder / "0003_create_z.sql").write_text("-- depends: 0002_create_y\nCREATE TABLE z (third text);\n")
    (folder / "0003_create_z.rollback.sql").write_text("-- loses: nothing\nDROP TABLE z;\n")
    assert apply() == ["'value');", "text);"]  # it has the lock now, and records the seal
    assert apply() == []
    before = first.read_text()
    for edit in (before.replace("value", "values"), f"{before}SELECT 1;", f"-- transactional: false\n{before}"):
        first.write_text(edit)
        with pytest.raises(SystemExit):
            apply()
    first.write_text(before.replace("\n", "\r\n"))
    assert apply() == []
    with psycopg.connect(empty_database) as connection:
        connection.execute("UPDATE _yoyo_ledger SET sha256 = 's1:another'")
    with pytest.raises(SystemExit):
        apply()
