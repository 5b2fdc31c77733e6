"""Scratch databases of reviews that share a server: what one keeps for the next, and what a killed one leaves."""

import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Identifier

from app.embedded_postgres import Server
from app.project import chosen
from app.review import scratch
from app.review.scratch import Database
from tests.conftest import NUMBER

DATABASES = "SELECT datname FROM pg_database WHERE datname LIKE 'images_review%'"


def databases(admin: psycopg.Connection) -> set[str]:
    return {name for (name,) in admin.execute(DATABASES)}


@pytest.fixture
def two(server: Server, admin: psycopg.Connection) -> Iterator[tuple[Database, Database]]:
    """Two reviews that keep."""
    names = [f"kept_{next(NUMBER)}" for _ in range(2)]
    made = []
    for name in names:
        admin.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        made.append(Database(admin, server.url(name), keeps=True))
    yield made[0], made[1]
    for database in made:
        database.connection.close()
    for name in {*names, *databases(admin)}:
        admin.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


def test_a_filled_database_is_kept_for_the_next_review_and_one_of_another_key_is_dropped(
    two: tuple[Database, Database], admin: psycopg.Connection
) -> None:
    first, second = two
    assert not first.restore("a")
    first.connection.execute("CREATE TABLE rows AS SELECT 1 AS n")
    first.keep("a")
    first.connection.execute("DROP TABLE rows")

    assert second.restore("a")
    assert second.connection.execute("TABLE rows").fetchall() == [(1,)]
    second.keep("b")

    assert databases(admin) == {"images_review_kept_b"}
    # A DROP that was killed leaves a database that no session may enter.
    admin.execute("UPDATE pg_database SET datconnlimit = -2 WHERE datname = 'images_review_kept_b'")
    assert not second.restore("b")
    assert second.connection.execute("SELECT to_regclass('rows')").fetchone() == (None,)
    second.keep("b")
    assert first.restore("b")


@pytest.mark.usefixtures("template")  # it makes the roles with LOGIN. A review that keeps would leave them without
def test_a_review_drops_what_killed_ones_left(server: Server, admin: psycopg.Connection) -> None:
    for name in ("images_review_1", "images_review_1_trial", f"images_review_{os.getpid()}"):
        admin.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))

    with scratch._on(server.url(), keeps=True) as database:
        assert databases(admin) == {conninfo_to_dict(database.url)["dbname"]}
        with database.copied() as url, psycopg.connect(url) as connection:
            connection.execute("CREATE ROLE images_try")
        assert admin.execute("SELECT to_regrole('images_try')").fetchone() == (None,)

    assert databases(admin) == set()


def test_only_one_review_at_a_time_uses_the_server_that_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "ROOT", tmp_path)

    with scratch._data(18) as (first, is_kept), scratch._data(18) as (second, is_second_kept):
        assert (first, is_kept, is_second_kept) == (tmp_path / ".data" / "review-18", True, False)
        assert second.parent.is_dir()
    assert not second.parent.exists()
    with scratch._data(18) as (third, is_kept):
        assert (third, is_kept) == (first, True)


def test_damaged_data_are_made_again(tmp_path: Path) -> None:
    data = tmp_path / "review"
    scratch._start(data, 18).release()
    (data / "global" / "pg_control").write_bytes(b"")  # the data cannot be read
    (data / "mark").touch()

    scratch._start(data, 18).release()

    assert not (data / "mark").exists()
    (data / "mark").touch()
    (data / "postmaster.pid").write_text("999999999\n")  # it was not shut down

    scratch._start(data, 18).release()

    assert not (data / "mark").exists()


def test_a_fill_leaves_the_indexes_as_they_were(copy: psycopg.Connection) -> None:
    """An index with a name in quotes too, and a table without GIN indexes."""
    copy.execute("""
        TRUNCATE images;
        CREATE TABLE odd (words text[]);
        CREATE INDEX "odd, ""index" ON odd USING gin (words) WITH (fastupdate = off);
        CREATE INDEX plain_idx ON odd USING gin (words);
    """)
    query = "SELECT relname, reloptions FROM pg_class WHERE relkind = 'i' ORDER BY relname"
    before = copy.execute(query).fetchall()

    scratch.fill(copy, 100)

    assert copy.execute(query).fetchall() == before
    [found] = copy.execute("SELECT count(*) FROM image_words WHERE words @@ 'bridge'").fetchone() or [0]
    assert found == 33
    copy.execute("DROP TABLE odd; DROP INDEX image_words_words_idx; TRUNCATE images")
    scratch.fill(copy, 100)
    assert copy.execute("SELECT count(*) FROM images").fetchone() == (100,)


def test_a_table_is_filled_after_those_that_its_foreign_keys_name(copy: psycopg.Connection, tmp_path: Path) -> None:
    folder = tmp_path / "sql" / "review"
    folder.mkdir(parents=True)
    (tmp_path / "yoyo.ini").write_text("[DEFAULT]\nsources = sql/migrations\n")
    copy.execute("""
        CREATE TABLE "The shops" (n bigint PRIMARY KEY);
        CREATE TABLE orders (n bigint PRIMARY KEY REFERENCES "The shops", parent bigint REFERENCES orders);
        CREATE TABLE order_items (n bigint REFERENCES orders);
    """)
    rows = " (n) SELECT n FROM generate_series(:first::bigint, :last) AS n;\n"
    for table in ("order_items", "orders", "The shops"):
        (folder / f"fill_{table}.sql").write_text(f'INSERT INTO "{table}"{rows}')

    with chosen(tmp_path):
        scratch.fill(copy, 100)
        assert copy.execute("SELECT count(*) FROM order_items").fetchone() == (100,)

        copy.execute('TRUNCATE "The shops" CASCADE; ALTER TABLE "The shops" ADD best bigint REFERENCES orders')
        scratch.fill(copy, 100)  # the keys are a circle
        assert copy.execute("SELECT count(*) FROM order_items").fetchone() == (100,)
