"""Large migrations: the time to read them grows with their size only, and memory does not."""

import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import yoyo.migrations
from yoyo import read_migrations

from app.migrations.splitting import read_sql_migration
from app.settings import ROOT
from tests.conftest import yoyo_on

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


def work(call: str, folder: Path) -> tuple[float, int]:
    """Return the CPU time in seconds and the memory in MB that a process needs for a call."""
    code = (
        "import sys, time, resource; from pathlib import Path; from app.lint.check import findings, Check; "
        "from app.migrations.validation import faults; from app.schema.history import shipped; "
        "from app.lint import parser; folder = Path(sys.argv[1]); started = time.process_time(); "
        f"{call}; print(time.process_time() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
    )
    done = subprocess.run([sys.executable, "-c", code, folder], cwd=ROOT, capture_output=True, text=True, check=True)
    seconds, megabytes = done.stdout.split()[-2:]
    return float(seconds), int(megabytes)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "call", ["faults(folder)", "shipped(folder)", "list(parser.statements(next(folder.glob('*l_x.sql')).read_text()))"]
)
def test_ten_times_the_statements_take_ten_times_the_time(tmp_path: Path, kind: str, call: str) -> None:
    few, some = work(call, write(tmp_path / "few", kind, 200)), work(call, write(tmp_path / "some", kind, 2000))

    assert some[0] < 40 * few[0] + 0.2  # 100 times if it were quadratic
    assert some[1] < few[1] + 40


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
