"""Interrupted REINDEX and DETACH PARTITION CONCURRENTLY: the next `yoyo apply` finishes or repeats them."""

import signal
from pathlib import Path

import psycopg
import pytest
from yoyo import read_migrations

from tests.conftest import backend_on, environment, yoyo_on
from tests.migrations.test_backend import wait_until
from tests.migrations.test_concurrent_indexes import MIGRATORS
from tests.support.forked import Running

MAKE = """
CREATE SCHEMA s;
CREATE TABLE s."T t" (b integer, words text);
CREATE INDEX "I i" ON s."T t" (b);
INSERT INTO s."T t" VALUES (1, 'a');
CREATE TABLE logs (at date NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE s."Old" PARTITION OF logs FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
INSERT INTO logs VALUES ('2020-02-02');
CREATE INDEX ON logs (at);
"""
REINDEX_PARTITIONS = "REINDEX TABLE CONCURRENTLY logs;"
REINDEX = 'REINDEX INDEX CONCURRENTLY s."I i";'
REINDEX_TABLE = 'REINDEX (VERBOSE) TABLE CONCURRENTLY s."T t";'
DETACH = 'ALTER TABLE logs DETACH PARTITION s."Old" CONCURRENTLY;'
ATTACH = "ALTER TABLE logs ATTACH PARTITION s.\"Old\" FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');"
INDEXES = """
SELECT relname, indisvalid FROM pg_index JOIN pg_class ON oid = indexrelid
WHERE indrelid IN (SELECT unnest(ARRAY[oid, reltoastrelid]) FROM pg_class WHERE relname IN ('T t', 'Old'))
ORDER BY relname
"""
PARTITIONS = "SELECT inhrelid::regclass::text, inhdetachpending FROM pg_inherits WHERE inhparent = 'logs'::regclass"
SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT FROM pg_class LIMIT 1"  # CONCURRENTLY waits for it


def write(folder: Path, up: str, down: str = "") -> Path:
    """Write one migration without a transaction."""
    folder.mkdir()
    header = "" if down else "-- irreversible: it changes no schema\n"
    (folder / "0001_change_it.sql").write_text(f"-- Changes it.\n-- transactional: false\n{header}\n{up}\n")
    if down:
        text = f"-- loses: nothing\n-- transactional: false\n\n{down}\n"
        (folder / "0001_change_it.rollback.sql").write_text(text)
    return folder


def interrupt(url: str, folder: Path, blocker: str, half_done: str, by: signal.Signals = signal.SIGKILL) -> None:
    """End the migrator by a signal while a transaction holds it up, half done."""
    with psycopg.connect(url) as other, psycopg.connect(url, autocommit=True) as watcher:
        other.execute(blocker.encode())
        migrator = Running(environment(DATABASE_URL=url), "yoyo", "apply", str(folder))
        wait_until(lambda: bool(watcher.execute(half_done.encode()).fetchall()))
        migrator.send_signal(by)
        migrator.wait()
        wait_until(lambda: not watcher.execute(MIGRATORS).fetchall())


@pytest.mark.parametrize(
    ("statement", "by"),
    [
        (REINDEX, signal.SIGKILL),
        (REINDEX_TABLE, signal.SIGKILL),
        (REINDEX_TABLE, signal.SIGINT),
        (REINDEX_PARTITIONS, signal.SIGTERM),
    ],
)
def test_an_interrupted_reindex_leaves_no_invalid_index(
    empty_database: str, tmp_path: Path, statement: str, by: signal.Signals
) -> None:
    folder = write(tmp_path / "migrations", statement)
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute(MAKE.encode())
        before = connection.execute(INDEXES).fetchall()
        interrupt(empty_database, folder, SNAPSHOT, "SELECT FROM pg_index WHERE NOT indisvalid", by)

        done = yoyo_on(empty_database, "apply", str(folder))

        assert done.returncode == 0, done.stderr
        assert "0001_change_it: dropping the INVALID index" in done.stdout
        assert connection.execute(INDEXES).fetchall() == before


def test_a_killed_detach_is_finished_and_can_be_rolled_back(empty_database: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "migrations", DETACH, ATTACH)
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute(MAKE.encode())
        half_done = "SELECT FROM pg_inherits WHERE inhdetachpending"
        interrupt(empty_database, folder, "SELECT FROM logs", half_done)
        assert connection.execute(PARTITIONS).fetchall() == [('s."Old"', True)]

        done = yoyo_on(empty_database, "apply", str(folder))

        assert done.returncode == 0, done.stderr
        assert '0001_change_it: finishing the interrupted DETACH of "s"."Old"' in done.stdout
        assert connection.execute(PARTITIONS).fetchall() == []

        back = yoyo_on(empty_database, "rollback", str(folder))

        assert back.returncode == 0, back.stderr
        assert connection.execute(PARTITIONS).fetchall() == [('s."Old"', False)]
        assert connection.execute("SELECT count(*) FROM logs").fetchone() == (1,)


def test_a_detach_that_was_not_recorded_is_not_repeated(empty_database: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "migrations", DETACH, ATTACH)
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute(MAKE.encode())
        connection.execute(DETACH.encode())

        done = yoyo_on(empty_database, "apply", str(folder))

        assert (done.returncode, '"s"."Old" is detached already' in done.stdout) == (0, True), done.stderr
        connection.execute(ATTACH.encode())
        back = yoyo_on(empty_database, "rollback", str(folder))
        assert (back.returncode, '"s"."Old" is attached already' in back.stdout) == (0, True), back.stderr


@pytest.mark.parametrize(
    "statement",
    [
        "DO $$ BEGIN ALTER TABLE logs ADD COLUMN note text; COMMIT; END $$;",
        "ALTER TABLE logs ATTACH PARTITION late FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');",
    ],
    ids=["block", "attach"],
)
def test_a_block_that_waits_for_a_lock_is_cut_off_and_retried(
    empty_database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    statement: str,
) -> None:
    """Other sessions wait behind it. A build CONCURRENTLY, behind which they do not, has a longer limit."""
    monkeypatch.setenv("MIGRATION_LOCK_TIMEOUT", "0.1")
    folder = write(tmp_path / "migrations", statement)
    with psycopg.connect(empty_database) as client:
        client.execute(MAKE.encode())
        client.execute("CREATE TABLE late (LIKE logs)")
        client.commit()
        client.execute("SELECT FROM logs, late")
        monkeypatch.setattr("app.migrations.execution.time.sleep", lambda _: client.commit())

        with backend_on(empty_database) as backend:
            backend.apply_migrations(backend.to_apply(read_migrations(str(folder))))

    assert "0001_change_it was cut off: canceling statement due to lock timeout; " in capsys.readouterr().out
