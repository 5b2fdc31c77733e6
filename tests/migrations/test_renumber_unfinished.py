"""Renumbering of migrations that a database has only in part: half-done backfills, cut-off builds, and pauses."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from app.migrations import backfill_control
from app.migrations.renumber import renumber
from app.schema.history import Entry
from app.settings import Settings
from tests.migrations.test_backfill import BACK, FILL, ID, Sql, apply, counts, make, run_some, write
from tests.migrations.test_renumber import history

THEIRS = "0002_create_theirs"
MOVED = "0003_fill_items"


@pytest.fixture(autouse=True)
def no_batch_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKFILL_BATCH_SECONDS", "60")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "sql" / "migrations"
    folder.parent.mkdir()
    return write(folder)


@pytest.fixture
def url(empty_database: str) -> str:
    return empty_database


@pytest.fixture
def sql(url: str) -> Iterator[Sql]:
    with psycopg.connect(url, autocommit=True) as connection:

        def execute(text: str, *values: object) -> list[tuple[object, ...]]:
            cursor = connection.execute(text.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

        yield execute


def merge(folder: Path, mine: str = ID) -> None:
    """Merge another branch that has the same number, and renumber the own file."""
    (folder / f"{THEIRS}.sql").write_text("-- depends: 0001_create_items\n\nCREATE TABLE theirs ();\n")
    (folder / f"{THEIRS}.rollback.sql").write_text("-- loses: nothing\n\nDROP TABLE theirs;\n")
    renumber(folder / f"{mine}.sql")


def states(url: str, folder: Path) -> dict[str, Entry]:
    return {entry.id: entry for entry in history(url, folder)}


def progress(url: str, folder: Path) -> backfill_control.Progress:
    [found] = backfill_control.read(Settings(_env_file=None, database_url=SecretStr(url)), folder)
    return found


def test_a_half_done_backfill_continues_under_its_new_number(
    url: str, folder: Path, sql: Sql, capsys: pytest.CaptureFixture[str]
) -> None:
    make(url, folder, sql, 5000)
    run_some(url, folder, 2)
    merge(folder)
    assert (progress(url, folder).id, progress(url, folder).rows_done) == (MOVED, 3000)  # before a migrator follows
    assert states(url, folder).keys() == {"0001_create_items", THEIRS, MOVED}

    apply(url, folder)

    assert counts(sql) == [(1, 5000)]
    assert f"renumbered {ID} to {MOVED}, as its file is\n" in (said := capsys.readouterr().out)
    assert f"{MOVED}: continues after 3,000 rows\n" in said
    assert [entry.state for entry in history(url, folder)] == ["applied"] * 3
    assert sql("SELECT migration_id, state FROM _yoyo_ledger_backfills") == [(MOVED, "done")]


def test_a_half_done_backfill_of_another_text_is_not_begun_again(url: str, folder: Path, sql: Sql) -> None:
    make(url, folder, sql, 5000)
    run_some(url, folder, 2)
    merge(folder)
    path = folder / f"{MOVED}.sql"
    path.write_text(path.read_text().replace("done + 1", "done + 2"))

    with pytest.raises(SystemExit):
        apply(url, folder)

    assert counts(sql) == [(0, 2000), (1, 3000)]
    assert "which does not say the same" in states(url, folder)[ID].problem


def test_a_failed_backfill_continues_under_its_new_number(url: str, folder: Path, sql: Sql) -> None:
    write(folder, FILL.replace("done + 1", "done + 1 / (CASE WHEN id = 4000 AND done = 0 THEN 0 ELSE 1 END)"))
    make(url, folder, sql, 5000)
    with pytest.raises(SystemExit):
        apply(url, folder)
    merge(folder)
    sql("UPDATE items SET done = -1 WHERE id = 4000")

    apply(url, folder)

    assert counts(sql) == [(0, 1), (1, 4999)]


@pytest.mark.parametrize("pauses_before", [True, False])
def test_a_pause_stays_a_pause(url: str, folder: Path, sql: Sql, pauses_before: bool) -> None:
    settings = Settings(_env_file=None, database_url=SecretStr(url))
    make(url, folder, sql, 5000)
    if pauses_before:
        backfill_control.change(settings, ID, "paused", folder)
    else:
        run_some(url, folder, 2)
    merge(folder)
    if not pauses_before:
        backfill_control.change(settings, MOVED, "paused", folder)
    assert progress(url, folder).state == "paused"
    before = counts(sql)

    with pytest.raises(SystemExit):
        apply(url, folder)

    assert counts(sql) == before
    assert (progress(url, folder).id, progress(url, folder).state) == (MOVED, "paused")
    backfill_control.change(settings, MOVED, "running", folder)
    apply(url, folder)
    assert counts(sql) == [(1, 5000)]


def test_a_cut_off_build_is_repaired_under_its_new_number(url: str, tmp_path: Path, sql: Sql) -> None:
    folder = tmp_path / "build" / "migrations"
    folder.parent.mkdir()
    mine, moved = "0002_index_items", "0003_index_items"
    write(folder)
    for path in folder.glob(f"{ID}*"):
        path.unlink()
    build = "CREATE UNIQUE INDEX CONCURRENTLY items_done_idx ON items (done);"
    header = "-- depends: 0001_create_items\n-- transactional: false\n\n"
    (folder / f"{mine}.sql").write_text(header + build)
    (folder / f"{mine}.rollback.sql").write_text(
        "-- loses: nothing\n-- transactional: false\n\nDROP INDEX CONCURRENTLY IF EXISTS items_done_idx;\n"
    )
    make(url, folder, sql, 5)
    with pytest.raises(SystemExit):  # two rows have the same value
        apply(url, folder)
    sql("UPDATE _yoyo_ledger SET outcome = 'started', error = NULL WHERE migration_id = %s", mine)  # as a kill
    sql("UPDATE items SET done = id")
    merge(folder, mine)

    apply(url, folder)

    assert {name: entry.state for name, entry in states(url, folder).items()} == {
        "0001_create_items": "applied",
        THEIRS: "applied",
        moved: "applied",
    }
    assert sql("SELECT indisvalid FROM pg_index WHERE indexrelid = 'items_done_idx'::regclass") == [(True,)]


def test_a_file_of_the_same_name_that_was_never_begun_is_left_alone(url: str, folder: Path, sql: Sql) -> None:
    """A later migration can have the name of an earlier one that is done."""
    make(url, folder, sql, 10)
    apply(url, folder)
    again = folder / "0003_fill_items.sql"
    again.write_text(f"-- depends: {ID}\n-- backfill: items\n\n{FILL}")
    again.with_suffix(".rollback.sql").write_text(f"-- loses: nothing\n\n{BACK}")

    apply(url, folder)

    assert counts(sql) == [(2, 10)]
