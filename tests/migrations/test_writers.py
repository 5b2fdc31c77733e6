"""Backfills, and blocks that commit their batches, wait for transactions with rows that they would not see."""

from pathlib import Path

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from tests.conftest import environment, yoyo_on
from tests.support.forked import Running
from tests.support.waiting import wait_until

TABLE = "CREATE TABLE items (id bigint PRIMARY KEY, done bigint);"
PARTITIONED = """\
CREATE TABLE items (id bigint PRIMARY KEY, done bigint) PARTITION BY RANGE (id);
CREATE TABLE "Items 1" PARTITION OF items FOR VALUES FROM (0) TO (1000);"""
TRIGGER = """\
CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER items_fill BEFORE INSERT ON items FOR EACH ROW EXECUTE FUNCTION fill();"""
REPLACED = (
    "CREATE OR REPLACE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.done = 1; RETURN NEW; END';"
)
BACKFILL = "-- backfill: items\n\nUPDATE items SET done = 1 WHERE id BETWEEN $1 AND $2 AND done IS NULL;"
BLOCK = "-- transactional: false\n\nDO $$ BEGIN UPDATE items SET done = 1 WHERE done IS NULL; COMMIT; END $$;"
# The first look is over, so a writer that comes now is not waited for.
WAITS = (
    "SELECT FROM pg_stat_activity "
    "WHERE query LIKE '-- find_writers%' AND state <> 'active' AND datname = current_database()"
)


def write(folder: Path, *ups: str) -> Path:
    """Write migrations without rollbacks."""
    folder.mkdir()
    for number, up in enumerate(ups, 1):
        depends = f"-- depends: {number - 1:04}_change_items\n" if number > 1 else ""
        text = f"-- Changes items.\n-- irreversible: it changes nothing\n{depends}{up}\n"
        (folder / f"{number:04}_change_items.sql").write_text(text)
    return folder


@pytest.mark.parametrize(
    ("table", "target", "fill"),
    [(TABLE, "items", BACKFILL), (PARTITIONED, "Items 1", BACKFILL), (TABLE, "items", BLOCK)],
    ids=["backfill", "partition", "block"],
)
def test_no_row_of_the_former_function_is_missed(
    empty_database: str, tmp_path: Path, table: str, target: str, fill: str
) -> None:
    folder = write(tmp_path / "migrations", f"\n{table}\n{TRIGGER}", f"\n{REPLACED}", fill)
    with psycopg.connect(empty_database) as writer, psycopg.connect(empty_database) as later:
        assert yoyo_on(empty_database, "apply", "-r", "0001", str(folder)).returncode == 0
        writer.execute(
            SQL("INSERT INTO {} VALUES (1)").format(Identifier(target))
        )  # by the former function, and not committed
        migrator = Running(environment(DATABASE_URL=empty_database), "yoyo", "apply", str(folder))
        with psycopg.connect(empty_database, autocommit=True) as watcher:
            wait_until(lambda: watcher.execute(WAITS).fetchall())
            later.execute("INSERT INTO items VALUES (2)")  # it does not wait, and is not waited for
            writer.commit()
            assert migrator.wait() == 0, migrator.communicate()
            assert watcher.execute("SELECT id, done FROM items").fetchall() == [(1, 1)]
        later.commit()
        assert later.execute("SELECT id, done FROM items ORDER BY id").fetchall() == [(1, 1), (2, 1)]


@pytest.mark.parametrize("fill", [BACKFILL, BLOCK], ids=["backfill", "block"])
def test_it_gives_up_and_names_the_session(empty_database: str, tmp_path: Path, fill: str) -> None:
    folder = write(tmp_path / "migrations", f"\n{TABLE}", fill)
    assert yoyo_on(empty_database, "apply", "-r", "0001", str(folder)).returncode == 0
    with psycopg.connect(empty_database, application_name="an import") as writer:
        writer.execute("INSERT INTO items VALUES (1)")

        stopped = yoyo_on(empty_database, "apply", str(folder), MIGRATION_LOCK_WAIT="0.1")

        process = writer.info.backend_pid
        assert stopped.returncode == 3
        assert (
            f"(MIGRATION_LOCK_WAIT), because a transaction with rows that it would not see is open: process {process}"
            in (stopped.stderr)
        )
        assert "(an import) holds RowExclusiveLock on items, idle in transaction for" in stopped.stderr
        assert f"SELECT pg_terminate_backend({process})" in stopped.stderr
    assert yoyo_on(empty_database, "apply", str(folder)).returncode == 0
