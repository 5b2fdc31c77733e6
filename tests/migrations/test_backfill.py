"""Backfills: batches by key range that commit, each row exactly once, pace, pause, and errors without values."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from threading import Thread
from typing import Any

import psycopg
import pytest
from psycopg.errors import UndefinedTable
from pydantic import SecretStr
from yoyo import read_migrations
from yoyo.connections import get_backend

from app.embedded_postgres import Server
from app.errors import CommandError, UsageError
from app.migrations import backfill_control
from app.migrations.backfill import MAX_GROWTH, Backfill
from app.migrations.backfill_batches import make_plan
from app.migrations.connection import Connection, run
from app.migrations.locking_backend import GIVE_WAY
from app.settings import Settings
from tests.conftest import VERSION, backend_on, environment
from tests.support import forked
from tests.support.data_folders import start_copy
from tests.support.waiting import wait_until

CREATE = "CREATE TABLE items (id bigint PRIMARY KEY, done integer NOT NULL DEFAULT 0);\n"
FILL = "UPDATE items SET done = done + 1 WHERE id BETWEEN $1 AND $2;\n"
BACK = "UPDATE items SET done = 0;\n"
ID = "0002_fill_items"


def write(folder: Path, fill: str = FILL, create: str = CREATE, header: str = "-- backfill: items\n") -> Path:
    """Write a migration that makes a table, and one that fills it."""
    folder.mkdir(exist_ok=True)
    down = "-- loses: nothing\n\n"
    (folder / "0001_create_items.sql").write_text(create)
    (folder / "0001_create_items.rollback.sql").write_text(f"{down}DROP TABLE items;\n")
    (folder / f"{ID}.sql").write_text(f"{header}-- depends: 0001_create_items\n\n{fill}")
    (folder / f"{ID}.rollback.sql").write_text(down + BACK)
    return folder


@pytest.fixture(autouse=True)
def no_batch_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each batch has twice the rows of the one before, however busy the machine is."""
    monkeypatch.setenv("BACKFILL_BATCH_SECONDS", "60")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "migrations")


@pytest.fixture
def url(empty_database: str) -> str:
    return empty_database


@pytest.fixture
def sql(url: str) -> Iterator[Callable[..., list[tuple[object, ...]]]]:
    with psycopg.connect(url, autocommit=True) as connection:

        def execute(text: str, *values: object) -> list[tuple[object, ...]]:
            cursor = connection.execute(text.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

        yield execute


Sql = Callable[..., list[tuple[object, ...]]]


def apply(url: str, folder: Path, *names: str) -> None:
    with backend_on(url) as backend:
        pending = backend.to_apply(read_migrations(str(folder)))
        backend.apply_migrations(pending.filter(lambda migration: not names or migration.id in names))


def rollback(url: str, folder: Path, *names: str) -> None:
    with backend_on(url) as backend:
        applied = backend.to_rollback(read_migrations(str(folder)))
        backend.rollback_migrations(applied.filter(lambda migration: migration.id in names))


def make(url: str, folder: Path, sql: Sql, rows: int) -> None:
    """Apply the first migration, and insert rows from 1 on."""
    apply(url, folder, "0001_create_items")
    sql("INSERT INTO items SELECT number FROM generate_series(1, %s) AS number", rows)


def counts(sql: Sql) -> list[tuple[object, ...]]:
    return sql("SELECT done, count(*) FROM items GROUP BY done ORDER BY done")


def position(sql: Sql) -> tuple[object, ...]:
    [row] = sql("SELECT state, position, rows_done FROM _yoyo_ledger_backfills")
    return row


def test_each_row_is_done_once_in_batches_that_commit(url: str, folder: Path, sql: Sql) -> None:
    make(url, folder, sql, 20_000)

    apply(url, folder)

    assert counts(sql) == [(1, 20_000)]
    assert position(sql) == ("done", None, 20_000)
    assert sql("SELECT batches > 3 FROM _yoyo_ledger_backfills") == [(True,)]
    assert sql("SELECT count(DISTINCT xmin::text) > 3 FROM items") == [(True,)]
    assert sql("SELECT outcome, operation FROM _yoyo_ledger WHERE migration_id = %s", ID) == [("done", "apply")]


def test_no_batch_reads_the_whole_table(url: str, tmp_path: Path, sql: Sql) -> None:
    """The rows are not in the order of the key, of which PostgreSQL estimates a fifth between any two values."""
    create = "CREATE TABLE items (at integer, id bigint, done integer NOT NULL DEFAULT 0, PRIMARY KEY (at, id));\n"
    fill = "UPDATE items SET done = done + 1 WHERE (at, id) BETWEEN ($1, $2) AND ($3, $4);\n"
    folder = write(tmp_path / "migrations", fill, create)
    apply(url, folder, "0001_create_items")
    sql("INSERT INTO items SELECT hashint4(number), number FROM generate_series(1, 20000) AS number")
    sql("ANALYZE items")

    apply(url, folder)

    def scans() -> object:
        return sql(
            "SELECT rows_done, seq_scan FROM _yoyo_ledger_backfills, pg_stat_user_tables WHERE relname = 'items'"
        )

    wait_until(lambda: sql("SELECT n_tup_upd FROM pg_stat_user_tables WHERE relname = 'items'") == [(20_000,)])
    assert scans() == [(20_000, 1)]  # one, before the backfill


def test_a_batch_does_not_wait_for_the_disk(url: str, tmp_path: Path, sql: Sql) -> None:
    waits_not = "(current_setting('synchronous_commit') = 'off')::integer"
    folder = write(tmp_path / "migrations", FILL.replace("done + 1", waits_not))
    make(url, folder, sql, 10)

    apply(url, folder)

    assert counts(sql) == [(1, 10)]


def test_an_empty_table_is_done_at_once(url: str, folder: Path, sql: Sql) -> None:
    apply(url, folder)

    assert position(sql) == ("done", None, 0)


class StoppedError(Exception):
    """The test stops the backfill here."""


def stop_after(batches: int, patch: pytest.MonkeyPatch) -> None:
    """Let a backfill end with StoppedError after some batches, between two of them."""
    left = iter(range(batches))

    def pace(_: object) -> None:
        if next(left, None) is None:
            raise StoppedError

    patch.setattr(Backfill, "_pace", pace)


def run_some(url: str, folder: Path, batches: int) -> None:
    """Run some batches, and leave the backfill as a kill would."""
    with pytest.MonkeyPatch.context() as patch:
        stop_after(batches - 1, patch)
        with pytest.raises(StoppedError):
            apply(url, folder)


def test_it_continues_where_it_stopped(url: str, folder: Path, sql: Sql, capsys: pytest.CaptureFixture[str]) -> None:
    make(url, folder, sql, 5000)
    run_some(url, folder, 2)
    assert position(sql) == ("running", ["3001"], 3000)
    assert sql("SELECT outcome, error FROM _yoyo_ledger WHERE migration_id = %s", ID) == [("started", None)]

    apply(url, folder)

    assert counts(sql) == [(1, 5000)]
    assert f"{ID}: continues after 3,000 rows\n" in capsys.readouterr().out
    assert sql("SELECT outcome FROM _yoyo_ledger WHERE migration_id = %s", ID) == [("done",)]


def test_a_batch_and_its_position_are_one_transaction(url: str, folder: Path, sql: Sql) -> None:
    make(url, folder, sql, 5000)
    calls = iter(range(10))

    def die(connection: Connection, name: str, /, **parameters: Any) -> object:
        if name == "record_batch" and next(calls) == 1:
            raise StoppedError
        return run(connection, name, **parameters)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.migrations.backfill.run", die)
        with pytest.raises(StoppedError):
            apply(url, folder)

    assert counts(sql) == [(0, 4000), (1, 1000)]
    assert position(sql) == ("running", ["1001"], 1000)


def test_rows_that_come_in_meanwhile(url: str, folder: Path, sql: Sql) -> None:
    """Behind the position and after the last key of the start they are not done; ahead of the position they are."""
    make(url, folder, sql, 5000)
    run_some(url, folder, 2)
    sql("INSERT INTO items VALUES (0), (5001)")
    sql("DELETE FROM items WHERE id IN (3001, 4000, 5000)")
    sql("INSERT INTO items VALUES (4000)")

    apply(url, folder)

    assert sql("SELECT id FROM items WHERE done <> 1 ORDER BY id") == [(0,), (5001,)]


def setting(number: int, default: str) -> str:
    return f"COALESCE(NULLIF(current_setting('backfill.p{number}', true), ''), '{default}')"


KEYS = {  # the columns, an expression for each number, and the range
    "uuid": ("id uuid PRIMARY KEY", "md5(number::text)::uuid", "id BETWEEN $1 AND $2"),
    "text": ("id text PRIMARY KEY", "E'\\\\''\"{, %s $1 ' || md5(number::text)", "id BETWEEN $1 AND $2"),
    "padded": ('"Id, 1" char(40) PRIMARY KEY', "md5(number::text)", '"Id, 1" BETWEEN $1 AND $2'),
    "time": (
        "id timestamptz PRIMARY KEY",
        "timestamptz '2026-01-01' + number * interval '1 us'",
        "id BETWEEN $1 AND $2",
    ),
    "float": (
        "id float8 PRIMARY KEY",
        "CASE number WHEN 1 THEN '-infinity' ELSE number / 3.0 END",
        "id BETWEEN $1 AND $2",
    ),
    "bytes": ("id bytea PRIMARY KEY", "sha256(number::text::bytea)", "id BETWEEN $1 AND $2"),
    "two": (
        "a text, id bigint, PRIMARY KEY (a, id)",
        "md5((number % 7)::text), number",
        "(a, id) BETWEEN ($1, $2) AND ($3, $4)",
    ),
    "index": (
        "a date NOT NULL, id bigint PRIMARY KEY",
        "date '2026-01-01' + (number % 9)::integer, number",
        "(items.a, items.id) BETWEEN ($1, $2) AND ($3, $4)",
    ),
    "settings": (
        "a text, id bigint, PRIMARY KEY (a, id)",
        "md5((number % 7)::text), number",
        f"(a, id) BETWEEN ({setting(1, '')}, {setting(2, '0')}::bigint) "
        f"AND ({setting(3, 'zz')}, {setting(4, '0')}::bigint)",
    ),
}


def test_a_key_of_any_type(url: str, tmp_path: Path, sql: Sql) -> None:
    for name, (key, value, where) in KEYS.items():
        create = f"CREATE TABLE items ({key}, done integer NOT NULL DEFAULT 0);\n"
        create += "CREATE INDEX ON items (a DESC, id DESC);\n" if name == "index" else ""
        folder = write(tmp_path / name, FILL.replace("id BETWEEN $1 AND $2", where), create)
        sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        apply(url, folder, "0001_create_items")
        sql(f"INSERT INTO items SELECT {value} FROM generate_series(1, 1500) AS number")  # noqa: S608

        run_some(url, folder, 1)
        apply(url, folder)

        assert counts(sql) == [(1, 1500)], name


NO_KEY = "items has no key (id)."
NO_KEYS = {  # the table, and the error
    "CREATE TABLE other ();": "there is no table items.",
    "CREATE VIEW items AS SELECT 1 AS id;": "there is no table items.",
    "CREATE TABLE items (id bigint);": NO_KEY,
    "CREATE TABLE items (id bigint UNIQUE);": NO_KEY,
    "CREATE TABLE items (id bigint NOT NULL); CREATE INDEX ON items (id);": NO_KEY,
    "CREATE TABLE items (id bigint NOT NULL); CREATE UNIQUE INDEX ON items (id) WHERE id > 0;": NO_KEY,
    "CREATE TABLE items (id bigint NOT NULL); CREATE UNIQUE INDEX ON items ((id + 0));": NO_KEY,
    "CREATE TABLE items (a bigint PRIMARY KEY, id bigint NOT NULL); CREATE INDEX ON items (id);": NO_KEY,
    "CREATE TABLE items (a bigint, id bigint, PRIMARY KEY (a, id));": NO_KEY,
    "CREATE TABLE items (id bigint NOT NULL); CREATE UNIQUE INDEX ON items USING btree (id) INCLUDE (id);": "",
}


def test_a_table_without_a_key_is_rejected(connection: psycopg.Connection, folder: Path) -> None:
    for create, words in NO_KEYS.items():
        with connection.transaction(force_rollback=True):
            connection.execute(create.encode())
            if not words:
                assert make_plan(connection, folder / f"{ID}.sql").table == "items"
                continue
            with pytest.raises(CommandError) as error:
                make_plan(connection, folder / f"{ID}.sql")
        assert error.value.message == f"{ID}: {words}"
        assert error.value.exit_code == 1


def test_the_rows_of_a_partitioned_table_are_those_of_its_partitions(
    connection: psycopg.Connection, folder: Path
) -> None:
    with connection.transaction(force_rollback=True):
        connection.execute("""
            CREATE TABLE items (id bigint PRIMARY KEY, done integer) PARTITION BY RANGE (id);
            CREATE TABLE items_1 PARTITION OF items FOR VALUES FROM (0) TO (100) PARTITION BY RANGE (id);
            CREATE TABLE items_2 PARTITION OF items_1 DEFAULT;
            CREATE TABLE items_3 PARTITION OF items FOR VALUES FROM (100) TO (200);
            INSERT INTO items SELECT * FROM generate_series(1, 150);
            ANALYZE items_2, items_3;
        """)

        assert make_plan(connection, folder / f"{ID}.sql").rows_expected == 150


def test_a_row_that_fails_is_named_by_its_key_only(
    url: str, tmp_path: Path, sql: Sql, capsys: pytest.CaptureFixture[str]
) -> None:
    fill = "UPDATE items SET done = secret::integer WHERE id BETWEEN $1 AND $2;\n"
    create = "CREATE TABLE items (id bigint PRIMARY KEY, done integer, secret text DEFAULT '1');\n"
    folder = write(tmp_path / "migrations", fill, create)
    make(url, folder, sql, 3000)
    sql("UPDATE items SET secret = 'hunter2' WHERE id = 1234")

    with pytest.raises(SystemExit) as ended:
        apply(url, folder)

    said = capsys.readouterr().err
    assert ended.value.code == 3
    assert f"error: {ID} stopped with the rows of items 1234: InvalidTextRepresentation (SQLSTATE 22P02).\n" in said
    assert "hint: fix the cause, and run the command again: it continues with these rows\n" in said
    [(error,)] = sql("SELECT error FROM _yoyo_ledger WHERE migration_id = %s AND outcome = 'started'", ID)
    assert error == "InvalidTextRepresentation (SQLSTATE 22P02)"
    assert position(sql) == ("running", ["1234"], 1233)
    sql("UPDATE items SET secret = '1' WHERE id = 1234")
    apply(url, folder)
    assert counts(sql) == [(1, 3000)]


def test_a_constraint_that_fails_names_itself(
    url: str, tmp_path: Path, sql: Sql, capsys: pytest.CaptureFixture[str]
) -> None:
    create = CREATE.replace(");", ", secret text DEFAULT 'x', CHECK (done = 0 OR secret = 'x'));")
    folder = write(tmp_path / "migrations", create=create)
    make(url, folder, sql, 10)
    sql("UPDATE items SET secret = 'hunter2' WHERE id = 7")

    with pytest.raises(SystemExit):
        apply(url, folder)

    said = capsys.readouterr()
    assert "hunter2" not in said.err + said.out
    assert "the rows of items 7: CheckViolation (SQLSTATE 23514) in table items, constraint items_check" in said.err


def test_a_lock_that_is_not_granted_is_retried_with_fewer_rows(
    url: str, folder: Path, sql: Sql, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MIGRATION_LOCK_TIMEOUT", "0.1")
    make(url, folder, sql, 100)
    with psycopg.connect(url) as client:
        client.execute("SELECT FROM items WHERE id = 50 FOR UPDATE")
        monkeypatch.setattr("app.migrations.backfill.time.sleep", lambda _: client.commit())
        apply(url, folder)

    assert counts(sql) == [(1, 100)]
    assert "a lock was not granted; retry in 0.2 s with 500 rows\n" in capsys.readouterr().out


def test_a_session_that_waits_makes_the_batches_smaller(
    url: str, folder: Path, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(url, folder, sql, 2000)
    monkeypatch.setattr(Backfill, "_pressure", lambda _: (1, 0, False))

    apply(url, folder)

    assert sql("SELECT batches, batch_size FROM _yoyo_ledger_backfills") == [(12, 1)]


@pytest.mark.parametrize("target", [0.00001, 0.001, 10])
def test_batches_grow_with_any_target(target: float) -> None:
    backfill = Backfill.__new__(Backfill)
    backfill._settings = Settings.model_construct(backfill_batch_seconds=target)
    backfill._size, backfill._suspect = 1, 0

    sizes = []
    for worked in (target / 2, target / 100, target * 2):
        backfill._adapt(worked, is_waited_for=False, rows=1)
        sizes.append(backfill._size)

    assert sizes == [2, 2 * MAX_GROWTH, MAX_GROWTH]


def test_a_slow_network_does_not_make_the_batches_smaller(
    url: str, folder: Path, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(url, folder, sql, 2200)
    execute = psycopg.Cursor.execute

    def from_afar(cursor: psycopg.Cursor[Any], *arguments: Any, **options: Any) -> psycopg.Cursor[Any]:
        time.sleep(0.05)  # seconds
        return execute(cursor, *arguments, **options)

    monkeypatch.setenv("BACKFILL_BATCH_SECONDS", "0.2")  # 1,000 rows take a hundredth of this, without the network
    monkeypatch.setattr(psycopg.Cursor, "execute", from_afar)

    apply(url, folder)

    assert counts(sql) == [(1, 2200)]
    assert sql("SELECT batches, batch_size FROM _yoyo_ledger_backfills") == [(2, 4000)]


def test_the_pause_after_a_short_batch_is_shorter(
    url: str, folder: Path, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(url, folder, sql, 20_000)
    paused: list[float] = []
    monkeypatch.setattr("app.migrations.backfill.time.sleep", paused.append)

    apply(url, folder)

    [(seconds,)] = sql("SELECT seconds FROM _yoyo_ledger_backfills")
    assert len(paused) > 3
    assert 0 < sum(paused) <= 0.01 / 60 * float(str(seconds)) * 1.01


def test_pressure_counts_the_sessions_that_wait_for_a_batch(url: str, folder: Path, sql: Sql) -> None:
    make(url, folder, sql, 10)
    with psycopg.connect(url) as batch, psycopg.connect(url) as client:
        batch.execute("UPDATE items SET done = 1")
        assert run(batch, "find_pressure").fetchone() == (0, None, False)
        thread = Thread(target=client.execute, args=("DELETE FROM items",))
        thread.start()
        wait_until(lambda: run(batch, "find_pressure").fetchone() == (1, None, False))
        batch.commit()
        thread.join()


def test_it_waits_while_a_replica_is_far_behind(
    url: str, folder: Path, sql: Sql, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make(url, folder, sql, 10)
    lags = iter([0, 10**9, 10**9, 0])
    monkeypatch.setattr(Backfill, "_pressure", lambda _: (0, next(lags, 0), False))
    monkeypatch.setattr("app.migrations.backfill.REPORT_INTERVAL", 0)
    monkeypatch.setattr("app.migrations.backfill.POLL_INTERVAL", 0)
    sql("INSERT INTO items SELECT number FROM generate_series(11, 1200) AS number")

    apply(url, folder)

    assert f"{ID}: waits: a replica is 954 MiB behind (BACKFILL_MAX_LAG)\n" in capsys.readouterr().out


def test_it_is_paused_resumed_and_cancelled(
    url: str, folder: Path, sql: Sql, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(_env_file=None, database_url=SecretStr(url))
    make(url, folder, sql, 5000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Backfill, "_pace", lambda _: backfill_control.change(settings, "0002", "paused", folder))
        with pytest.raises(SystemExit) as ended:
            apply(url, folder)
    said = capsys.readouterr().err
    assert ended.value.code == 1
    assert said == f"error: {ID} is paused after 1,000 rows.\nhint: images schema backfill resume {ID}\n"
    [progress] = backfill_control.read(settings, folder)
    assert re.fullmatch(
        rf"paused    {ID} 1,000( of about \S+)? rows of items, \S+ rows/s in batches of 2,000", str(progress)
    )

    with pytest.raises(SystemExit):
        apply(url, folder)
    assert position(sql) == ("paused", ["1001"], 1000)

    assert backfill_control.change(settings, ID, "running", folder) == ID
    run_some(url, folder, 1)
    assert position(sql) == ("running", ["3001"], 3000)

    backfill_control.change(settings, "0002", "cancelled", folder)
    capsys.readouterr()
    with pytest.raises(SystemExit):
        apply(url, folder)
    assert f"error: {ID} is cancelled after 3,000 rows.\n" in capsys.readouterr().err
    assert position(sql) == ("cancelled", None, 3000)
    backfill_control.change(settings, "0002", "running", folder)
    assert position(sql) == ("running", None, 0)
    apply(url, folder)
    assert counts(sql) == [(1, 2000), (2, 3000)]
    assert [each.state for each in backfill_control.read(settings, folder)] == ["done"]
    for state, name, message in (
        ("paused", "0002", f"{ID} is done."),
        ("paused", "0001", "there is no backfill 0001."),
        ("running", "9", "there is no backfill 9."),
    ):
        with pytest.raises(UsageError, match=message):
            backfill_control.change(settings, name, state, folder)


def cancel_and_resume(url: str, folder: Path) -> None:
    settings = Settings(_env_file=None, database_url=SecretStr(url))
    for state in ("cancelled", "running"):
        backfill_control.change(settings, ID, state, folder)


def begin_again_with_an_edited_file(url: str, folder: Path) -> None:
    cancel_and_resume(url, folder)
    path = folder / f"{ID}.sql"
    path.write_text(path.read_text().replace("+ 1", "+ 2"))
    run_some(url, folder, 1)


@pytest.mark.parametrize(
    ("undo", "expected"),
    [
        (cancel_and_resume, [(1, 4000), (2, 1000)]),
        (lambda url, folder: rollback(url, folder, ID), [(1, 5000)]),
        (begin_again_with_an_edited_file, [(2, 4000), (3, 1000)]),
    ],
    ids=["cancel and resume", "rollback", "another file"],
)
def test_one_that_was_undone_while_it_gave_way_is_not_recorded(
    url: str,
    folder: Path,
    sql: Sql,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    undo: Callable[[str, Path], None],
    expected: list[tuple[object, ...]],
) -> None:
    make(url, folder, sql, 5000)
    monkeypatch.setattr("app.migrations.backfill.LEASE", 0)
    left = iter([undo])

    def meanwhile(seconds: float) -> None:
        if seconds == GIVE_WAY:  # not the pause after a batch
            for each in left:
                each(url, folder)

    def apply_in_background() -> None:
        with backend_on(url) as backend, pytest.MonkeyPatch.context() as patch:
            backend.released = frozenset({ID})
            pending = backend.to_apply(read_migrations(str(folder)))
            patch.setattr("app.migrations.locking_backend.time.sleep", meanwhile)
            backend.apply_migrations(pending)

    with pytest.raises(SystemExit) as ended:
        apply_in_background()

    assert ended.value.code == 1
    assert f"error: {ID} was cancelled, rolled back, or begun again with an edited file" in capsys.readouterr().err
    assert sql("SELECT FROM _yoyo_migration WHERE migration_id = %s", ID) == []
    apply(url, folder)
    assert counts(sql) == expected


def test_one_that_has_not_started_can_be_paused(url: str, folder: Path, sql: Sql) -> None:
    settings = Settings(_env_file=None, database_url=SecretStr(url))
    make(url, folder, sql, 5)
    with pytest.raises(UsageError, match="is not paused"):
        backfill_control.change(settings, ID, "running", folder)
    backfill_control.change(settings, ID, "paused", folder)
    with pytest.raises(SystemExit):
        apply(url, folder)
    assert counts(sql) == [(0, 5)]
    backfill_control.change(settings, ID, "running", folder)
    apply(url, folder)
    assert counts(sql) == [(1, 5)]


def test_a_rollback_undoes_it_whole_or_half(url: str, folder: Path, sql: Sql) -> None:
    make(url, folder, sql, 5000)
    run_some(url, folder, 2)

    rollback(url, folder, ID)
    assert counts(sql) == [(0, 5000)]
    assert sql("SELECT FROM _yoyo_ledger_backfills") == []

    apply(url, folder)
    assert counts(sql) == [(1, 5000)]
    rollback(url, folder, ID)
    apply(url, folder)
    assert counts(sql) == [(1, 5000)]


def test_a_plain_rollback_undoes_only_the_one_that_is_half_done(
    url: str, folder: Path, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(url, folder, sql, 5000)
    run_some(url, folder, 2)
    monkeypatch.setattr(sys, "argv", ["yoyo", "rollback"])

    for left in ([(0, 5000)], None):
        with backend_on(url) as backend:
            backend.rollback_migrations(backend.to_rollback(read_migrations(str(folder))))
        assert (counts(sql) if sql("SELECT to_regclass('items')") != [(None,)] else None) == left


def test_the_total_of_the_progress_is_not_less_than_what_is_done(
    url: str, folder: Path, sql: Sql, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make(url, folder, sql, 5000)
    sql("SELECT pg_stat_force_next_flush()")
    monkeypatch.setattr("app.migrations.output.LINE_INTERVAL", 0)
    apply(url, folder)
    assert f"{ID}: backfill: 1,000 of 5,000 rows, " in capsys.readouterr().out  # the table was never analyzed

    rollback(url, folder, ID)
    sql("ANALYZE items")
    sql("INSERT INTO items SELECT number FROM generate_series(5001, 20000) AS number")
    apply(url, folder)
    lines = [line for line in capsys.readouterr().out.splitlines() if ": backfill: " in line]
    assert all("left" in line if " of 5,000 rows" in line else " of " not in line for line in lines)
    assert "left" not in lines[-1]


def test_mark_tells_that_it_is_half_done(url: str, folder: Path, sql: Sql, capsys: pytest.CaptureFixture[str]) -> None:
    make(url, folder, sql, 5000)
    run_some(url, folder, 2)

    with backend_on(url) as backend:
        pending = backend.to_apply(read_migrations(str(folder)))
        backend.mark_migrations(pending)

    assert f"only 3,000 rows of the backfill {ID} are done. Do the others: " in capsys.readouterr().out
    with backend_on(url) as backend:
        backend.unmark_migrations(read_migrations(str(folder)).filter(lambda each: each.id == ID))
    apply(url, folder)
    assert counts(sql) == [(1, 5000)]


def test_after_unmark_it_begins_again(url: str, folder: Path, sql: Sql) -> None:
    make(url, folder, sql, 5)
    apply(url, folder)
    with backend_on(url) as backend:
        migrations = read_migrations(str(folder)).filter(lambda each: each.id == ID)
        backend.to_rollback(read_migrations(str(folder)))
        backend.unmark_migrations(migrations)

    apply(url, folder)

    assert counts(sql) == [(2, 5)]


def test_an_edited_file_does_not_continue(url: str, folder: Path, sql: Sql, capsys: pytest.CaptureFixture[str]) -> None:
    make(url, folder, sql, 5000)
    run_some(url, folder, 2)
    path = folder / f"{ID}.sql"
    path.write_text(path.read_text().replace("+ 1", "+ 2"))

    with pytest.raises(SystemExit) as ended:
        apply(url, folder)

    assert ended.value.code == 1
    assert f"error: {ID} was edited after 3,000 rows were done.\n" in capsys.readouterr().err
    assert counts(sql) == [(0, 2000), (1, 3000)]


def test_a_key_of_another_order_does_not_continue(
    url: str, folder: Path, sql: Sql, capsys: pytest.CaptureFixture[str]
) -> None:
    make(url, folder, sql, 5000)
    run_some(url, folder, 2)
    sql("ALTER TABLE items ALTER COLUMN id TYPE text")  # "3001" would be the position among texts

    with pytest.raises(SystemExit):
        apply(url, folder)
    assert f"{ID}: the order of the key of items was integer, and is text " in capsys.readouterr().err

    sql("ALTER TABLE items ALTER COLUMN id TYPE integer USING id::integer")  # the order of bigint
    # an earlier release made the table
    sql("ALTER TABLE _yoyo_ledger_backfills DROP COLUMN key_order, DROP COLUMN identity")
    apply(url, folder)
    assert counts(sql) == [(1, 5000)]
    assert sql("SELECT key_order FROM _yoyo_ledger_backfills") == [(None,)]


def create_again(sql: Sql) -> None:
    sql(f"DROP TABLE items; {CREATE} INSERT INTO items SELECT generate_series(1, 5000)")


def test_a_table_that_was_created_again_does_not_continue(
    url: str, folder: Path, sql: Sql, capsys: pytest.CaptureFixture[str]
) -> None:
    """The rows before the position would never be done. It is noticed between two runs, and between two batches."""
    make(url, folder, sql, 5000)
    run_some(url, folder, 2)
    create_again(sql)
    error = f"error: {ID}: the table items was dropped and created again after 3,000 rows were done.\n"

    with pytest.raises(SystemExit) as ended:
        apply(url, folder)

    assert ended.value.code == 1
    hint = f"hint: begin again: images schema backfill cancel {ID}, and then resume\n"
    assert capsys.readouterr().err == error + hint
    cancel_and_resume(url, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Backfill, "_pace", lambda _: create_again(sql))
        with pytest.raises(SystemExit):
            apply(url, folder)
    assert error.replace("3,000", "4,000") in capsys.readouterr().err
    assert counts(sql) == [(0, 5000)]
    cancel_and_resume(url, folder)
    apply(url, folder)
    assert counts(sql) == [(1, 5000)]


def test_a_table_that_was_rewritten_or_renamed_back_continues(url: str, folder: Path, sql: Sql) -> None:
    make(url, folder, sql, 5000)
    run_some(url, folder, 1)
    sql("ALTER TABLE items RENAME TO items_of_before")
    sql("ALTER TABLE items_of_before RENAME TO items")
    sql("VACUUM FULL items")

    apply(url, folder)

    assert counts(sql) == [(1, 5000)]


def test_a_restored_dump_continues_and_then_knows_its_table(
    url: str, folder: Path, sql: Sql, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table has another OID there, but so has the table of the positions."""
    make(url, folder, sql, 5000)
    run_some(url, folder, 1)
    dump = subprocess.run([server.bin / "pg_dump", "--inserts", "-d", url], check=True, capture_output=True, text=True)
    text = re.sub(r"^\\.*\n", "", dump.stdout, flags=re.MULTILINE)
    with psycopg.connect(server.url(), autocommit=True) as admin:
        admin.execute("CREATE DATABASE backfill_restored TEMPLATE template0")
        try:
            restored = server.url("backfill_restored")
            with psycopg.connect(restored, autocommit=True) as connection:
                connection.execute("CREATE TABLE earlier ()")
                connection.execute(text.encode())
            run_some(restored, folder, 1)
            assert f"{ID}: continues after 1,000 rows\n" in capsys.readouterr().out
            with psycopg.connect(restored, autocommit=True) as connection:
                found = connection.execute("SELECT done, count(*) FROM items GROUP BY done ORDER BY done").fetchall()
                assert found == [(0, 2000), (1, 3000)]
                connection.execute("DROP TABLE items")
                connection.execute(CREATE.encode())
            with pytest.raises(SystemExit):
                apply(restored, folder)
            assert "was dropped and created again after 3,000 rows were done" in capsys.readouterr().err
        finally:
            admin.execute("DROP DATABASE backfill_restored WITH (FORCE)")


def test_stock_yoyo_runs_one_that_reads_settings_for_all_rows(url: str, tmp_path: Path, sql: Sql) -> None:
    fill = FILL.replace("$1", f"{setting(1, '0')}::bigint").replace("$2", f"{setting(2, '99999')}::bigint")
    folder = write(tmp_path, fill)
    make(url, folder, sql, 5)
    stock = get_backend(url.replace("postgresql://", "postgresql+psycopg://"))
    with closing(stock.connection):
        stock.apply_migrations(stock.to_apply(read_migrations(str(folder))))

    assert counts(sql) == [(1, 5)]


def test_stock_yoyo_does_not_run_it(url: str, folder: Path, sql: Sql) -> None:
    make(url, folder, sql, 5)
    stock = get_backend(url.replace("postgresql://", "postgresql+psycopg://"))
    with closing(stock.connection):
        pending = stock.to_apply(read_migrations(str(folder)))
        with pytest.raises(psycopg.errors.UndefinedParameter, match=re.escape("there is no parameter $1")):
            stock.apply_migrations(pending)

    assert counts(sql) == [(0, 5)]
    assert sql("SELECT migration_id FROM _yoyo_migration") == [("0001_create_items",)]


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "data", VERSION, "-c fsync=off -c max_connections=20 -c shared_buffers=16MB")
    start_copy(server)
    yield server
    server.release()


def test_each_row_is_done_once_after_five_kills(mortal: Server, folder: Path, tmp_path: Path) -> None:
    """The migrator and its server process die in turn, at moments that the test does not choose."""
    command = ["yoyo", "apply", str(folder)]
    variables = environment(DATABASE_URL=mortal.url(), BACKFILL_BATCH_SECONDS="0.02")

    def ask(text: str) -> list[tuple[Any, ...]]:
        with suppress(psycopg.OperationalError, UndefinedTable), psycopg.connect(mortal.url()) as connection:
            return connection.execute(text.encode()).fetchall()
        return []

    done = "SELECT rows_done FROM _yoyo_ledger_backfills"

    def moves(before: list[tuple[Any, ...]], running: ForkServerProcess) -> None:
        wait_until(lambda: ask(done) > before or running.exitcode is not None)

    with backend_on(mortal.url()) as backend:
        migrations = read_migrations(str(folder))
        backend.apply_migrations(backend.to_apply(migrations).filter(lambda each: each.id != ID))
        backend.connection.execute("INSERT INTO items SELECT number FROM generate_series(1, 100000) AS number")
    for kill in range(5):
        before = ask(done)
        running = forked.start(tmp_path / str(kill), variables, *command)
        moves(before, running)
        if kill % 2:
            for (pid,) in ask("SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'yoyo 0002%'"):
                os.kill(pid, signal.SIGKILL)
        else:
            running.kill()
        running.join(60)
        assert running.exitcode, "it was done before it was killed, or it was not killed"
        wait_until(lambda: ask("SELECT 1"))

    assert forked.run(variables, *command).returncode == 0

    assert ask("SELECT done, count(*) FROM items GROUP BY done") == [(1, 100_000)]
    assert ask("SELECT rows_done, state FROM _yoyo_ledger_backfills") == [(100_000, "done")]
    runs = ask(f"SELECT outcome FROM _yoyo_ledger WHERE migration_id = '{ID}'")  # noqa: S608
    assert runs == [("done",)]
