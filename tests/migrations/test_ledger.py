"""Ledger: one clock, a bounded size, no values of rows, and databases whose history is not this release's."""

from pathlib import Path

import psycopg
import pytest
from yoyo import read_migrations

from app.migrations.ledger import read, record_run
from app.schema.history import compare, seconds, shipped
from tests.cli.test_status import status
from tests.conftest import as_role, backend_on, environment, yoyo_on
from tests.schema.test_migrations import CONTRACTS, IDS
from tests.support import forked

CREATED = next(name for name in IDS if "create_token_events" in name)
SECRET = "secret-4711"
# Each fails with the value in PostgreSQL's message, detail, or context.
FAILING = {
    "cast": "SELECT value::int FROM rows",
    "unique": "CREATE UNIQUE INDEX ON twice (value)",
    "check": f"ALTER TABLE rows ADD CONSTRAINT none CHECK (value <> '{SECRET}')",
    "not null": "INSERT INTO strict (value, must) SELECT value, NULL FROM rows",
    "raise": "DO $$ BEGIN RAISE EXCEPTION 'bad: %', (SELECT value FROM rows); END $$",
    "raise as another": "DO $$ BEGIN RAISE undefined_table USING MESSAGE = (SELECT value FROM rows); END $$",
    "dynamic": "DO $$ BEGIN EXECUTE (SELECT format('SELECT %I', value) FROM rows); END $$",
    "assert": "DO $$ BEGIN ASSERT false, (SELECT value FROM rows); END $$",
    "json": "SELECT value::json FROM rows",
    "regular expression": "SELECT 'a' ~ ('(' || value) FROM rows",
    "date": "SELECT value::date FROM rows",
    "enum": "SELECT value::color FROM rows",
    "class": "SELECT value::regclass FROM rows",
    "configuration": "SELECT set_config(value, '1', true) FROM rows",
    "other database": "SELECT ('a.b.' || quote_ident(value))::regclass FROM rows",
    "role": "SELECT value::regrole FROM rows",
    "file": "SELECT pg_read_file(value) FROM rows",
    "encoding": "SELECT convert_from(value::bytea || '\\xff', 'UTF8') FROM rows",
}
ROWS = """
CREATE TABLE rows AS SELECT 'secret-4711' AS value;
CREATE TABLE twice AS SELECT value FROM rows CROSS JOIN generate_series(1, 2);
CREATE TABLE strict (value text, must text NOT NULL);
CREATE TYPE color AS ENUM ('red');
"""


def test_no_error_in_the_ledger_has_a_value_of_a_row(empty_database: str, tmp_path: Path) -> None:
    (tmp_path / "0001_fail.rollback.sql").write_text("-- loses: nothing\n\nDROP TABLE rows;\n")
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute(ROWS.encode())
        for name, sql in FAILING.items():
            (tmp_path / "0001_fail.sql").write_text(f"{sql};\n")
            with pytest.raises(SystemExit):
                apply(empty_database, tmp_path)
            [error] = connection.execute("SELECT error FROM _yoyo_ledger ORDER BY id DESC LIMIT 1").fetchone() or [""]
            assert error, name
        (tmp_path / "0001_fail.sql").write_text("SELECT FROM nowhere;\n")
        with pytest.raises(SystemExit):
            apply(empty_database, tmp_path)
        errors = [error for (error,) in connection.execute("SELECT error FROM _yoyo_ledger ORDER BY id")]
        everything = connection.execute("SELECT string_agg(_yoyo_ledger::text, '') FROM _yoyo_ledger").fetchone()

    assert everything
    assert SECRET not in everything[0]
    assert len(errors) == len(FAILING) + 1
    assert errors[0] == "InvalidTextRepresentation (SQLSTATE 22P02)"
    assert errors[3] == "NotNullViolation (SQLSTATE 23502) in table strict, column must"
    assert errors[-1] == 'relation "nowhere" does not exist'


def apply(url: str, folder: Path) -> None:
    with backend_on(url) as backend:
        backend.apply_migrations(read_migrations(str(folder)))


def test_a_duration_is_measured_by_one_clock(connection: psycopg.Connection) -> None:
    record_run(connection, IDS[0], "d", "apply", "started")
    record_run(connection, IDS[0], "d", "apply", "done", 2.5)
    record_run(connection, IDS[1], "d", "apply", "failed", 0.25, "why")

    known = {record.migration_id: record for record in read(connection)}

    assert (known[IDS[0]].seconds, known[IDS[1]].seconds) == (2.5, 0.25)
    record = known[IDS[0]]
    assert seconds("apply", record.finished_at, record.started_at) is None  # as two clocks could have it


def test_a_migrator_that_fails_in_a_loop_does_not_let_the_ledger_grow(connection: psycopg.Connection) -> None:
    [before] = connection.execute("SELECT count(*) FROM _yoyo_ledger").fetchone() or [0]
    for number in range(50):
        record_run(connection, IDS[-1], "d", "apply", "failed" if number % 2 else "interrupted", error=str(number))
        record_run(connection, IDS[-2], "d", "apply", "started")
    record_run(connection, IDS[-2], "d", "apply", "failed")

    runs = connection.execute(
        "SELECT error FROM _yoyo_ledger WHERE migration_id = %s AND outcome <> 'done' ORDER BY id", [IDS[-1]]
    ).fetchall()
    assert [error for (error,) in runs] == [str(number) for number in range(30, 50)]
    assert connection.execute("SELECT count(*) FROM _yoyo_ledger").fetchone() == (before + 21,)


def test_an_older_release_shows_the_interrupted_migration_of_a_newer_one(
    connection: psycopg.Connection, database: str
) -> None:
    record_run(connection, "9999_index_later", "d", "apply", "started")
    done = status(database)

    assert done.returncode == 1
    assert "newer    9999_index_later " in done.stdout
    assert "(apply: not finished)\n" in done.stdout
    applying = yoyo_on(database, "apply")
    assert (applying.returncode, applying.stdout) == (0, "nothing to apply\n")
    assert [entry.id for entry in compare(shipped(), read(connection)) if entry.lacking] == []


def test_a_dump_restored_without_a_history_is_told_how_to_be_marked(
    connection: psycopg.Connection, database: str
) -> None:
    owner = as_role(database, "images_owner")
    tables = "_yoyo_migration, _yoyo_ledger, _yoyo_log, _yoyo_version, yoyo_lock"
    connection.execute(f"DROP TABLE {tables}".encode())
    lost = "the database has tables of this project, but no history. If a dump was restored without yoyo's tables"
    seen = status(owner)
    assert (seen.returncode, f"\nnot read: history of the migrations: {lost}" in seen.stdout) == (1, True)
    compared = forked.run(environment(DATABASE_URL=owner), "images", "schema", "drift")
    assert (compared.returncode, f"\nhint: {lost}" in compared.stderr) == (3, True)

    done = yoyo_on(owner, "apply")

    assert done.returncode == 1
    assert done.stderr == (
        "error: nothing was done: the database has the schema of this release, but not its history.\n"
        "hint: if a dump was restored without yoyo's tables, restore them too: pg_dump --table='*yoyo*'. "
        "Or record the migrations: yoyo mark --all\n"
    )
    assert yoyo_on(owner, "mark", "--all").returncode == 0
    assert status(owner).returncode == 0

    assert yoyo_on(owner, "rollback", "-r", CREATED).returncode == 0
    connection.execute(f"DROP TABLE {tables}".encode())
    older = yoyo_on(owner, "apply")
    assert older.returncode in {1, 3}, older.stderr
    assert "hint: the database has tables of this project, but no history. If a dump was restored " in older.stderr
    assert yoyo_on(owner, "mark", "-r", IDS[IDS.index(CREATED) - 1]).returncode == 0
    assert yoyo_on(owner, "apply").stdout.count("applied ") == len(IDS) - IDS.index(CREATED) - len(CONTRACTS)
    assert status(owner).returncode == 0
