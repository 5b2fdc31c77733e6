"""Rollbacks that lose rows are rejected with the number of rows, except if the operator names the migration."""

import re
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from app.errors import CommandError
from app.plan.plan import make_plan
from app.settings import Settings
from tests.conftest import environment, yoyo_on
from tests.migrations.test_backend import wait_until
from tests.schema.test_history import apply, ledger, rollback, state
from tests.schema.test_migrations import FOLDER, IDS, rows
from tests.support.forked import Running
from tests.support.legacy import CREATE_ALL, ROWS, ROWS_NOW


@pytest.fixture
def full(database: str) -> str:
    """A migrated database with the rows of the former service."""
    with psycopg.connect(database) as connection:
        connection.execute(ROWS_NOW.replace("300000", "300").encode())
    return database


COMMANDS = [("rollback", "--all"), ("rollback", "-r", "0001"), ("reapply", "--all")]


@pytest.mark.parametrize(("command", "accepted"), [*((command, "") for command in COMMANDS), (COMMANDS[0], IDS[1])])
def test_the_rows_are_counted_and_nothing_is_rolled_back(full: str, command: tuple[str, ...], accepted: str) -> None:
    before = state(full)
    with psycopg.connect(full) as connection:
        count = len(rows(connection))

    done = yoyo_on(full, *command, ACCEPT_DATA_LOSS=accepted)

    assert count > 1
    assert done.returncode == 1
    assert done.stderr == (
        f"error: nothing was rolled back: {IDS[0]} would lose every row of images (the bytes stay in the object "
        f"store): {count} rows.\nhint: back up first. To lose the rows, set ACCEPT_DATA_LOSS={IDS[0]}\n"
    )
    assert state(full) == before


def test_an_operator_who_names_the_migration_can_lose_its_rows(full: str) -> None:
    done = yoyo_on(full, "rollback", "--all", ACCEPT_DATA_LOSS=IDS[0])

    assert done.returncode == 0, done.stderr
    assert done.stdout.count("rolled back") == len(IDS)


@pytest.mark.parametrize("accepted", ["all", f"0002_x, {IDS[0]}"])
def test_the_migration_is_named_among_others(empty_database: str, accepted: str) -> None:
    with psycopg.connect(empty_database) as connection:
        connection.execute(CREATE_ALL.encode())
        connection.execute(ROWS.replace("300000", "300").encode())
    assert yoyo_on(empty_database, "apply", "-r", IDS[1]).returncode == 0

    done = yoyo_on(empty_database, "rollback", "--all", ACCEPT_DATA_LOSS=accepted)

    assert done.returncode == 0, done.stderr
    assert done.stdout.count("rolled back") == 2


def test_a_rollback_that_loses_nothing_needs_no_acceptance(full: str) -> None:
    assert yoyo_on(full, "rollback", "-r", IDS[1]).returncode == 0


def test_rows_that_come_in_meanwhile_are_not_lost(empty_database: str) -> None:
    """The table is empty when the rollback begins. Then a writer that began before it commits a row."""
    yoyo_on(empty_database, "apply", "-r", IDS[0])
    with psycopg.connect(empty_database) as writer, psycopg.connect(empty_database, autocommit=True) as watcher:
        writer.execute("""
            INSERT INTO images
                (id, tags, attributes, filename, content_type, byte_size, width, height, sha256, storage_key)
            VALUES (gen_random_uuid(), '{}', '{}', 'a.png', 'image/png', 1, 1, 1, repeat('a', 64), 'a')
        """)
        variables = environment(DATABASE_URL=empty_database, MIGRATION_LOCK_TIMEOUT="30")
        migrator = Running(variables, "yoyo", "rollback", "-r", IDS[0], folder=FOLDER)
        # The rollback has counted no row, and waits for the writer before it counts again.
        waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        wait_until(lambda: watcher.execute(waiting).fetchall())
        writer.commit()
        _, stderr = migrator.communicate(timeout=30)

    assert migrator.returncode == 1
    assert stderr == (
        f"error: {IDS[0]} was not rolled back: it would lose 1 row.\n"
        f"hint: back up first. To lose the rows, set ACCEPT_DATA_LOSS={IDS[0]}\n"
    )
    assert ledger(empty_database)[-1] == (IDS[0], "rollback", "failed")
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT count(*) FROM images").fetchone() == (1,)


def test_a_count_that_is_not_one_number_loses_nothing(
    empty_database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "0001_create_things"
    (tmp_path / f"{name}.sql").write_text("CREATE TABLE things (n int);\nINSERT INTO things VALUES (0), (5);\n")
    rollback_file = tmp_path / f"{name}.rollback.sql"
    rollback_file.write_text("-- loses: nothing\n\nDROP TABLE things;\n")
    apply(empty_database, tmp_path)
    settings = Settings(_env_file=None, database_url=SecretStr(empty_database))
    capsys.readouterr()
    for query in (
        "SELECT sum(n) FROM things WHERE n > 5",  # NULL
        "SELECT n FROM things ORDER BY n",  # the first row is 0
        "SELECT 0.5",
        "SELECT 'NaN'::numeric",
        "SELECT -1",
        "SELECT '7'",
        "SELECT gen_random_uuid()",
    ):
        rollback_file.write_text(f"-- loses: things\n-- rows to lose: {query}\n\nDROP TABLE things;\n")
        wrong = f"`-- rows to lose:` of {name} does not return one number: {query}."

        with pytest.raises(SystemExit):
            rollback(empty_database, tmp_path, name)

        assert capsys.readouterr().err.startswith(f"error: {wrong}\nhint: ")
        with pytest.raises(CommandError, match=re.escape(wrong)):
            make_plan(settings, "rollback", lambda _: [name], tmp_path)
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT count(*) FROM things").fetchone() == (2,)
    rollback_file.write_text("-- loses: things\n-- rows to lose: SELECT sum(0.0) FROM things\n\nDROP TABLE things;\n")
    rollback(empty_database, tmp_path, name)


def test_an_irreversible_migration_is_not_rolled_back(
    empty_database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "0001_create_a.sql").write_text("-- irreversible: what it deletes is gone\n\nCREATE TABLE a ();\n")
    assert yoyo_on(empty_database, "apply", str(tmp_path)).returncode == 0
    before = state(empty_database)

    with pytest.raises(SystemExit):
        rollback(empty_database, tmp_path, "0001_create_a")

    assert capsys.readouterr().err == (
        "error: nothing was rolled back: 0001_create_a is irreversible: what it deletes is gone.\n"
    )
    assert state(empty_database) == before
