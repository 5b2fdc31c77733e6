"""`images schema status`, as text and as JSON."""

import getpass
import json
import re
import socket
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from app.migrations.dump import drift
from app.migrations.ledger import record_run
from tests.conftest import environment, yoyo_on
from tests.migrations.test_backend import start_slowly
from tests.schema.test_migrations import CONTRACTS, IDS
from tests.support import forked


def status(url: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return forked.run(environment(DATABASE_URL=url), "images", "schema", "status", *arguments)


def states(url: str) -> dict[str, str]:
    text: dict[str, Any] = json.loads(status(url, "--format", "json").stdout)
    return {migration["id"]: migration["state"] for migration in text["migrations"]}


def test_up_to_date_is_0(database: str) -> None:
    done = status(database)

    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert [line.split()[:2] for line in lines[:-1]] == [["applied", name] for name in IDS]
    who = re.escape(f" UTC by {getpass.getuser()} on {socket.gethostname()} in ")
    assert re.search(rf"{who}\d+\.\d{{3}} s$", lines[0])
    assert lines[-1] == "drift: none, the schema matches schema.sql"


def test_pending_is_1(empty_database: str) -> None:
    assert status(empty_database).returncode == 1
    assert set(states(empty_database).values()) == {"pending"}

    yoyo_on(empty_database, "apply", "-r", IDS[4])

    assert status(empty_database).returncode == 1
    left = ["waiting" if id in CONTRACTS else "pending" for id in IDS[5:]]
    assert [*states(empty_database).values()] == ["applied"] * 5 + left


def test_anything_wrong_is_1(database: str, connection: psycopg.Connection) -> None:
    connection.execute("UPDATE _yoyo_ledger SET sha256 = 'another' WHERE migration_id = %s", [IDS[2]])
    record_run(connection, IDS[8], "of the file", "rollback", "started")
    connection.execute("DELETE FROM _yoyo_migration WHERE migration_id = %s", [IDS[9]])
    record_run(connection, IDS[9], "of the file", "apply", "failed", error="why")
    connection.execute("INSERT INTO _yoyo_migration VALUES ('hash', '0003_of_another_name', now())")
    connection.execute("INSERT INTO _yoyo_migration VALUES ('hash2', '9999_of_a_newer_release', now())")

    done = status(database)

    assert done.returncode == 1
    found = states(database)
    assert {name: state for name, state in found.items() if state != "applied"} == {
        "0003_of_another_name": "missing",
        IDS[2]: "edited",
        IDS[8]: "failed",
        IDS[9]: "failed",
        "9999_of_a_newer_release": "newer",
    }
    assert "(rollback: not finished)\n" in done.stdout
    not_applied = rf"{IDS[9]} +\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d UTC by .* \(apply: failed, why\)\n"
    assert re.search(not_applied, done.stdout)
    assert f"wrong: {IDS[2]} was edited after it was applied: restore " in done.stdout
    assert "wrong: 0003_of_another_name is applied, but its file is missing: " in done.stdout
    assert "drift: not compared, because the database has migrations of a newer release\n" in done.stdout


def test_a_newer_database_is_0(database: str, connection: psycopg.Connection) -> None:
    connection.execute("INSERT INTO _yoyo_migration VALUES ('hash', '9999_of_a_newer_release', now())")

    assert status(database).returncode == 0


@pytest.mark.parametrize("command", ["images schema drift", "images schema backfill status", "yoyo list"])
def test_a_command_that_meets_a_lock_names_the_session(command: str, database: str) -> None:
    with psycopg.connect(database, application_name="holder") as holder:
        process = holder.info.backend_pid
        holder.execute("LOCK TABLE _yoyo_migration")

        done = forked.run(environment(DATABASE_URL=database), *command.split())

    assert done.returncode == 3
    named = f"canceling statement due to lock timeout; process {process} (holder) holds AccessExclusiveLock on "
    assert named in done.stderr
    assert f"or end it if its program forgot it: SELECT pg_terminate_backend({process})\n" in done.stderr


def test_drift_is_1_and_each_difference_is_a_line(database: str, connection: psycopg.Connection) -> None:
    connection.execute("""
        ALTER TABLE images ALTER COLUMN width TYPE bigint;
        DROP INDEX images_created_at_id_idx;
        CREATE TABLE extra (id integer PRIMARY KEY);
        CREATE VIEW wide AS SELECT id FROM images WHERE width > 1000;
    """)

    done = status(database)

    assert done.returncode == 1
    assert [line for line in done.stdout.splitlines() if line.startswith("drift")] == [
        "drift: index images_created_at_id_idx: expected, not found",
        "drift: column extra.id: not in schema.sql",
        "drift: column wide.id: not in schema.sql",
        "drift: constraint extra.extra_pkey: not in schema.sql",
        "drift: index extra_pkey: not in schema.sql",
        "drift: table extra: not in schema.sql",
        "drift: table wide: not in schema.sql",
        "drift: column images.width: expected integer, not null, found bigint, not null",
    ]


DRIFTS = {
    "ALTER TABLE images ENABLE ROW LEVEL SECURITY": "table images: expected table, logged, options ",
    "ALTER TABLE images SET (fillfactor = 10)": "table images: expected table, logged, options ",
    "ALTER TABLE images REPLICA IDENTITY FULL": "table images: expected table, logged, options ",
    "CREATE POLICY p ON images USING (true)": "policy images.p: not in schema.sql",
    "CREATE RULE r AS ON INSERT TO images DO ALSO NOTHING": "rule images.r: not in schema.sql",
    'ALTER TABLE images ALTER own_key TYPE text COLLATE "C"': "column images.own_key: expected text, found text, ",
    "ALTER TABLE images ALTER width SET DEFAULT 1": "column images.width: expected integer, not null, found integer, ",
    "ALTER TABLE images DISABLE TRIGGER images_list_updated": "trigger images.images_list_updated: expected CREATE ",
    "CREATE TYPE color AS ENUM ('red')": "type color: not in schema.sql",
    "CREATE DOMAIN d AS text": "type d: not in schema.sql",
    "CREATE SEQUENCE s": "table s: not in schema.sql",
    "CREATE STATISTICS st ON width, height FROM images": "statistics st: not in schema.sql",
    "ALTER TABLE images DROP CONSTRAINT images_pkey": "constraint images.images_pkey: expected, not found",
    "CREATE FUNCTION f() RETURNS integer LANGUAGE sql RETURN 1": "function f(): not in schema.sql",
    "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'images_content_sha256_key'::regclass": "index images_",
}


def test_drift_of_every_kind_is_seen(database: str) -> None:
    with psycopg.connect(database) as connection:
        for change, words in DRIFTS.items():
            connection.execute(change.encode())
            found = drift(connection)
            connection.rollback()

            assert [line for line in found if line.startswith(words)], change


def test_migrations_of_stock_yoyo_are_applied(database: str, connection: psycopg.Connection) -> None:
    connection.execute("DROP TABLE _yoyo_ledger")

    assert status(database).returncode == 0
    assert set(states(database).values()) == {"applied"}


def test_the_running_migrator_is_shown(empty_database: str, slow_migration: Path) -> None:
    holder = start_slowly(empty_database, slow_migration)
    try:
        done = status(empty_database)
        text = json.loads(status(empty_database, "--format", "json").stdout)
    finally:
        holder.kill()
        holder.communicate()

    assert done.returncode == 1
    assert f"migrating: yoyo 0001 on {socket.gethostname()[:30]}, process {holder.pid} (connected since " in done.stdout
    assert done.stdout.startswith(f"running  {IDS[0]}\n")
    assert text["migrations"][0]["state"] == "running"
    assert text["holder"]["query"] == "SELECT pg_sleep(60)"


def test_it_shows_the_user_the_time_and_the_duration(database: str, connection: psycopg.Connection) -> None:
    first = json.loads(status(database, "--format", "json").stdout)["migrations"][0]

    assert first["operation"] == "apply"
    assert first["hostname"] == socket.gethostname()
    started, finished = (datetime.fromisoformat(first[name]) for name in ("started_at", "finished_at"))
    assert (finished - started).total_seconds() == pytest.approx(first["seconds"])
    # The mark is by the clock of yoyo, which can be set between the mark and the end of the run.
    marked = connection.execute("SELECT min(applied_at_utc) FROM _yoyo_migration").fetchone()
    assert marked == (datetime.fromisoformat(first["applied_at"]).replace(tzinfo=None),)
    assert first["started_at"].endswith("Z")
    assert 0 < first["seconds"] < 60
    assert re.fullmatch("s1:[0-9a-f]{64}", first["sha256"])


def test_it_needs_no_right_to_write(admin: psycopg.Connection, database: str) -> None:
    admin.execute("DROP ROLE IF EXISTS watchman")
    admin.execute("CREATE ROLE watchman LOGIN")
    as_watchman = database.replace("postgres@", "watchman@")

    done = status(f"{as_watchman}&options=-c%20default_transaction_read_only%3Don")

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("url", ["postgresql://postgres@127.0.0.1:1/none", "nonsense", "postgresql:///none?host=/tmp"])
def test_a_database_that_cannot_be_read_is_an_error(url: str) -> None:
    done = status(url)

    assert done.returncode == (2 if url == "nonsense" else 3)
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


def test_a_locked_table_is_a_part_that_is_not_read(database: str) -> None:
    """The runbook's first command answers during an incident."""
    with psycopg.connect(database, application_name="holder") as holder:
        holder.execute("LOCK TABLE images")
        done = status(database)
        named = f"process {holder.info.backend_pid} (holder) holds AccessExclusiveLock on images, idle in transaction "
        assert (done.returncode, done.stderr) == (3, "")
        assert done.stdout.count("\napplied ") == len(IDS) - 1
        assert f"\nnot read: drift: a table is locked, {named}" in done.stdout
        assert done.stdout.endswith("\ndrift: not compared\n")

        holder.execute("LOCK TABLE _yoyo_ledger, _yoyo_migration")
        found = json.loads(status(database, "--format", "json").stdout)
        assert (found["exit_status"], found["migrations"], found["drift"]) == (3, [], None)
        assert [line.partition(":")[0] for line in found["unknown"]] == ["history of the migrations"]
