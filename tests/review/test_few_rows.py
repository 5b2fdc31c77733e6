"""A review of many rows: traffic, and the second apply, run on a second database with few rows."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from app.embedded_postgres import Server
from app.project import chosen
from app.review import releases, review, scratch
from app.review.review import Reviewed

FILES = {
    "0001_make_notes": ("CREATE TABLE notes (n bigint PRIMARY KEY, words text);", "DROP TABLE notes;"),
    "0002_add_size": ("ALTER TABLE notes ADD size bigint;", "ALTER TABLE notes DROP size;"),
    "0003_log": ("CREATE TABLE logs (at timestamptz);", "DROP TABLE logs;"),
    "0004_keep": ("CREATE TABLE kept (at timestamptz);", "SELECT 1;"),
}
COUNTED = "INSERT INTO notes (n) SELECT n FROM generate_series(:first::bigint, :last) AS n;\n"
READ = "-- count_notes: counts notes.\n-- example all: 0\nSELECT count(*) FROM notes WHERE n > $1;\n"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """A project with four migrations, of which the rollback of the last one does nothing."""
    migrations = tmp_path / "sql" / "migrations"
    for name in ("migrations", "review", "queries"):
        (tmp_path / "sql" / name).mkdir(parents=True)
    (tmp_path / "yoyo.ini").write_text("[DEFAULT]\nsources = sql/migrations\n")
    (tmp_path / "pyproject.toml").write_text('[tool.schema]\nname = "noted"\nqueries = "queries"\n')
    (tmp_path / "sql" / "review" / "fill_notes.sql").write_text(COUNTED)
    (tmp_path / "sql" / "queries" / "count_notes.sql").write_text(READ)
    for name, (up, down) in FILES.items():
        (migrations / f"{name}.sql").write_text(f"-- Test.\n\n{up}\n")
        (migrations / f"{name}.rollback.sql").write_text(f"-- Back.\n-- loses: nothing\n\n{down}\n")
    with chosen(tmp_path):
        yield migrations


def reviewed_on(server: Server, migrations: Path) -> list[Reviewed]:
    names = [*FILES]
    paths = [migrations / f"{name}.sql" for name in names]
    asked = {names[1], names[3]}
    with scratch._on(server.url(), keeps=True) as database:
        release = releases.present(migrations.parent)
        return review.review(database, paths, asked, 100, release, lambda _: None, lambda *_: None)


def test_traffic_and_the_second_apply_have_few_rows(
    server: Server, admin: psycopg.Connection, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(review, "MAX_ROWS", 10)
    kept = "SELECT count(*) FROM pg_database WHERE datname LIKE 'noted%'"

    first = reviewed_on(server, project)
    assert admin.execute(kept).fetchone() == (2,)  # filled with all rows, and with few
    second = reviewed_on(server, project)  # from the kept databases

    for name, *_ in admin.execute("SELECT datname FROM pg_database WHERE datname LIKE 'noted%'").fetchall():
        admin.execute(f"DROP DATABASE {name}".encode())
    for size, keep in (first, second):
        assert (size.rows, keep.rows) == ({"notes": 100}, {"notes": 100, "logs": 0})
        assert [one.trial.rows for one in (size, keep) if one.trial] == [10, 10]
        assert [plan.before.read for plan in size.plans if plan.before] == [100]
        assert size.proof.changes == ["+ column notes.size: bigint"]
        assert size.proof.schema_differs_on_reapply == []
        assert keep.proof.schema_differs_on_reapply == ['it fails: relation "kept" already exists']
