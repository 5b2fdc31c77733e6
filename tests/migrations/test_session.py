"""Session of the migrator: settings of a role, a database or a URL change nothing that the documentation promises."""

import re
import subprocess
from collections.abc import Iterator
from urllib.parse import quote

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from app.embedded_postgres import Server
from app.migrations.index_definition import build_of
from app.migrations.session import Session
from app.settings import ROOT
from tests.cli.test_status import status
from tests.conftest import as_role, environment, yoyo_on
from tests.migrations.test_backend import wait_until
from tests.migrations.test_yoyo_options import migrations
from tests.schema.test_history import state
from tests.schema.test_migrations import CONTRACTS, IDS, rows
from tests.support import forked
from tests.support.exhaustive import EXHAUSTIVE
from tests.support.legacy import CREATE_ALL, ROWS, ROWS_NOW

# Settings of the database, in groups.
HOSTILE = {
    "repeatable read": ["default_transaction_isolation = 'repeatable read'"],
    "serializable": ["default_transaction_isolation = 'serializable'", "default_transaction_deferrable = on"],
    "words": [
        "DateStyle = 'German, DMY'",
        "IntervalStyle = 'sql_standard'",
        "TimeZone = 'Asia/Kathmandu'",
        "standard_conforming_strings = off",
        "quote_all_identifiers = on",
        "extra_float_digits = -15",
        "client_encoding = 'LATIN1'",
        "array_nulls = off",
    ],
    "time-outs": [
        "lock_timeout = '1ms'",
        "statement_timeout = '700ms'",
        "idle_session_timeout = '700ms'",
        "idle_in_transaction_session_timeout = '700ms'",
    ],
    "decoys": ["search_path = public, decoys"],
}
DECOYS = """
CREATE SCHEMA decoys;
CREATE TABLE decoys.images (LIKE public.images);
ALTER TABLE decoys.images ADD COLUMN capture jsonb;
CREATE INDEX images_camera_idx ON decoys.images (lower(capture ->> 'model') COLLATE "C")
WHERE capture ->> 'model' IS NOT NULL;
"""
# By default, groups that do not meet are together.
TOGETHER = (
    [[name] for name in HOSTILE]
    if EXHAUSTIVE
    else [["repeatable read", "words", "decoys"], ["serializable", "time-outs"]]
)
FORCED = "ALTER TABLE images ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"
INDEXED = next(name for name in IDS if "index_images_camera" in name)


def sets(connection: psycopg.Connection, kind: str, name: str, settings: list[str]) -> None:
    for setting in settings:
        connection.execute(SQL("ALTER {} {} SET {}").format(SQL(kind), Identifier(name), SQL(setting)))


@pytest.fixture
def legacy(empty_database: str, template: str) -> str:
    """A database of create_all() with 20 rows, on a server with the roles that `template` needs."""
    with psycopg.connect(empty_database) as connection:
        connection.execute(CREATE_ALL.encode())
        connection.execute(ROWS.replace("300000", "300").encode())
    return empty_database


@pytest.fixture
def plain(server: Server) -> Iterator[psycopg.Connection]:
    """A connection to no test's database: hostile settings do not reach it."""
    with psycopg.connect(server.url(), autocommit=True) as connection:
        yield connection


def dump(url: str) -> "subprocess.CompletedProcess[str]":
    return forked.run(environment(DATABASE_URL=url), "images", "schema", "dump")


def without_decoys(dumped: str) -> str:
    """Return the dump without the schema of DECOYS, which it has too."""
    return re.sub(r"CREATE (SCHEMA decoys|TABLE decoys|INDEX \w+ ON decoys)[^;]*;\n\n", "", dumped)


def lives(url: str, admin: str) -> None:
    """Go through what can happen to a database of create_all(). `admin` is the URL of a superuser without settings."""
    with psycopg.connect(admin, autocommit=True) as connection:
        legacy = rows(connection)

        applied = yoyo_on(url, "apply")
        assert applied.returncode == 0, applied.stderr
        assert applied.stdout.count("applied 0") == len(IDS) - len(CONTRACTS)
        contracted = forked.run(environment(DATABASE_URL=url), "images", "schema", "contract", "--despite", "a test")
        assert (contracted.returncode, contracted.stdout.count("applied 0")) == (0, len(CONTRACTS)), contracted.stderr
        assert yoyo_on(url, "apply").stdout == "nothing to apply\n"
        seen = status(url)
        assert (seen.returncode, seen.stderr) == (0, ""), seen.stdout
        assert seen.stdout.splitlines()[-1] == "drift: none, the schema matches schema.sql"
        dumped = dump(url)
        assert dumped.stderr == ""
        if connection.execute("SELECT current_schema()").fetchone() == ("public",):  # sql/schema.sql names no other
            assert without_decoys(dumped.stdout) == (ROOT / "sql" / "schema.sql").read_text()

        assert yoyo_on(url, "rollback", "-r", INDEXED).returncode == 0
        file = (ROOT / "sql" / "migrations" / f"{INDEXED}.sql").read_text()
        build = file[file.index("CREATE INDEX") :]
        connection.execute(build.encode())
        index = getattr(build_of(build), "idxname", None)
        connection.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass", [index])
        repaired = yoyo_on(url, "apply")
        assert (repaired.returncode, repaired.stderr) == (0, "")
        assert f"{INDEXED}: dropping the INVALID index {index}" in repaired.stdout
        assert status(url).returncode == 0

        assert yoyo_on(url, "rollback", "-r", IDS[1]).returncode == 0
        assert rows(connection) == legacy
        rejected = yoyo_on(url, "rollback", "-r", IDS[0])
        assert (rejected.returncode, "20 rows" in rejected.stderr) == (1, True), rejected.stderr
        assert rows(connection) == legacy

        connection.execute("TRUNCATE images")
        stderr = roll_back_beside_a_writer(url, admin)
        assert f"{IDS[0]} was not rolled back: it would lose 1 row.\n" in stderr
        assert len(rows(connection)) == 1


def roll_back_beside_a_writer(url: str, admin: str) -> str:
    """Roll back to an empty database. Commit a row while the rollback waits for its lock. Return stderr."""
    with psycopg.connect(admin) as writer, psycopg.connect(admin, autocommit=True) as watcher:
        writer.execute("""
            INSERT INTO images
                (id, tags, attributes, filename, content_type, byte_size, width, height, sha256, storage_key)
            VALUES (gen_random_uuid(), '{}', '{}', 'a.png', 'image/png', 1, 1, 1, repeat('a', 64), 'a')
        """)
        variables = environment(DATABASE_URL=url, MIGRATION_LOCK_TIMEOUT="30")
        migrator = forked.Running(variables, "yoyo", "rollback", "-r", IDS[0])
        waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        wait_until(lambda: watcher.execute(waiting).fetchall() or migrator.poll() is not None)
        writer.commit()
        _, stderr = migrator.communicate(timeout=30)
    assert migrator.returncode == 1, stderr
    return stderr


def test_each_group_of_settings_is_tested() -> None:
    assert sorted(name for names in TOGETHER for name in names) == sorted(HOSTILE)


@pytest.mark.parametrize("names", TOGETHER, ids=" and ".join)
def test_settings_of_the_database_change_nothing(plain: psycopg.Connection, legacy: str, names: list[str]) -> None:
    with psycopg.connect(legacy) as connection:
        connection.execute(DECOYS.encode())
        for name in names:
            sets(plain, "DATABASE", connection.info.dbname, HOSTILE[name])

    lives(legacy, neutral(legacy))


def neutral(url: str) -> str:
    """Return the URL with PostgreSQL's own defaults for the settings of the tests."""
    defaults = {
        "default_transaction_isolation": r"read\ committed",
        "default_transaction_deferrable": "off",
        "DateStyle": "ISO",
        "IntervalStyle": "postgres",
        "TimeZone": "UTC",
        "standard_conforming_strings": "on",
        "quote_all_identifiers": "off",
        "extra_float_digits": "1",
        "array_nulls": "on",
        "lock_timeout": "0",
        "statement_timeout": "0",
        "idle_session_timeout": "0",
        "idle_in_transaction_session_timeout": "0",
        "search_path": "public",
    }
    options = " ".join(f"-c {name}={value}" for name, value in defaults.items())
    return f"{url}&client_encoding=UTF8&options={quote(options)}"


@pytest.mark.parametrize("command", ["yoyo apply", "images schema status", "images schema plan"])
def test_the_shortest_time_outs_do_not_end_the_session(plain: psycopg.Connection, database: str, command: str) -> None:
    names = ["statement_timeout", "lock_timeout", "idle_session_timeout", "idle_in_transaction_session_timeout"]
    if plain.info.server_version >= 170000:
        names.append("transaction_timeout")
    with psycopg.connect(database) as connection:
        sets(plain, "DATABASE", connection.info.dbname, [f"{name} = 1" for name in names])

    done = forked.run(environment(DATABASE_URL=database), *command.split())

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("path", "command"),
    [
        ("''", "yoyo list"),
        ("''", "yoyo rollback"),
        ("nowhere", "images schema status"),
        ("pg_catalog", "yoyo apply"),
        ("''", "images schema backfill status"),
        ("nowhere", "images schema backfill pause 0079"),
        ("pg_catalog", "images schema tag"),
    ],
)
def test_a_search_path_that_leads_nowhere_is_an_error(
    plain: psycopg.Connection, database: str, command: str, path: str
) -> None:
    """Otherwise no migration would seem to be applied, and a rollback would say that there is nothing to roll back."""
    with psycopg.connect(database) as connection:
        sets(plain, "DATABASE", connection.info.dbname, [f"search_path = {path}"])

    done = forked.run(environment(DATABASE_URL=database), *command.split())

    assert done.returncode != 0
    assert done.stderr == (
        "error: the search_path leads to no schema for tables that this role may use.\n"
        "hint: set the search_path to the schema of the tables: ?options=-csearch_path%3DSCHEMA in the URL\n"
    )


@pytest.mark.parametrize(
    "command", ["schema verify", "schema backfill status", "schema backfill cancel 0079", "schema tag"]
)
def test_a_search_path_that_leads_elsewhere_is_an_error(plain: psycopg.Connection, database: str, command: str) -> None:
    with psycopg.connect(database) as connection:
        sets(plain, "DATABASE", connection.info.dbname, ["search_path = information_schema, public"])

    done = forked.run(environment(DATABASE_URL=database), "images", *command.split())

    said = "error: the search_path leads to schema information_schema, but schema public has an installation.\n"
    assert (done.returncode, done.stderr.partition("hint: ")[0]) == (3, said)


@pytest.mark.usefixtures("template")  # it makes the roles that a dump names
def test_odd_names_of_role_database_and_schema_change_nothing(server: Server, admin: psycopg.Connection) -> None:
    odd = 'a "b" %25\'; --'
    name = Identifier(odd)
    admin.execute(SQL("CREATE ROLE {} LOGIN").format(name))
    admin.execute(SQL("CREATE DATABASE {} OWNER {}").format(name, name))
    try:
        url = server.url(quote(odd, safe=""))
        with psycopg.connect(url) as connection:
            connection.execute(SQL("CREATE SCHEMA AUTHORIZATION {}").format(name))  # which "$user" leads to
            connection.execute(SQL("SET ROLE {}").format(name))
            connection.execute(SQL("SET search_path = {}").format(name))
            connection.execute(CREATE_ALL.encode())
            connection.execute(ROWS.replace("300000", "300").encode())
            path = name.as_string().replace("\\", "\\\\").replace(" ", "\\ ")
        lives(as_role(url, quote(odd, safe="")), f"{url}&options={quote(f'-c search_path={path}')}")
    finally:
        admin.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(name))
        admin.execute(SQL("DROP ROLE {}").format(name))


def test_isolation_in_the_url_changes_nothing(empty_database: str) -> None:
    assert yoyo_on(empty_database, "apply", "-r", IDS[0]).returncode == 0
    url = f"{empty_database}&options={quote('-c default_transaction_isolation=serializable')}&client_encoding=LATIN1"

    assert "would lose 1 row.\n" in roll_back_beside_a_writer(url, empty_database)


def test_a_view_on_the_table_keeps_it(empty_database: str) -> None:
    assert yoyo_on(empty_database, "apply", "-r", IDS[0]).returncode == 0
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("CREATE VIEW seen AS SELECT id FROM images")

        done = yoyo_on(empty_database, "rollback", "-r", IDS[0])

        assert done.returncode == 1
        assert "view seen: 0001_create_images.rollback.sql:9 drops images\n" in done.stderr
        assert connection.execute("SELECT count(*) FROM seen").fetchone() == (0,)


@pytest.fixture
def owned(database: str) -> str:
    """The URL of a migrated database for the owner of its tables, who is no superuser. It has 20 rows."""
    with psycopg.connect(database) as connection:
        connection.execute(ROWS_NOW.replace("300000", "300").encode())
    return as_role(database, "images_owner")


@pytest.fixture
def first(empty_database: str, template: str) -> str:
    """The URL of a database with the first migration and 20 rows, for the owner of its table, who is no superuser."""
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("GRANT ALL ON SCHEMA public TO images_owner")
        url = as_role(empty_database, "images_owner")
        assert yoyo_on(url, "apply", "-r", IDS[0]).returncode == 0
        connection.execute(ROWS.replace("300000", "300").encode())
    return url


@pytest.mark.parametrize("policy", ["", "CREATE POLICY none ON images USING (false)"])
def test_rows_that_row_security_hides_are_not_lost(first: str, empty_database: str, policy: str) -> None:
    """The owner of a table sees no row of it if row security is forced. So its count is zero."""
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute(f"{FORCED}; {policy}".encode())
        before = state(empty_database)

        done = yoyo_on(first, "rollback", "-r", IDS[0])

        assert done.returncode == 3
        assert done.stderr == (
            'error: PostgreSQL failed: query would be affected by row-level security policy for table "images".\n'
            "hint: To disable the policy for the table's owner, use ALTER TABLE NO FORCE ROW LEVEL SECURITY.\n"
        )
        assert state(empty_database) == before
        assert len(rows(connection)) == 20


def test_a_backfill_does_not_skip_rows_that_row_security_hides(owned: str, database: str) -> None:
    filled = next(name for name in IDS if "fill_image_terms" in name)
    assert yoyo_on(owned, "rollback", "-r", filled).returncode == 0
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(FORCED)

        done = yoyo_on(owned, "apply")

        assert done.returncode == 1
        assert "error: nothing was done" in done.stderr
        assert 'row security would filter table images: first ALTER TABLE "images" NO FORCE ROW LEVEL' in done.stderr
        assert "hint: run that ALTER TABLE, run the command again, and then force row security again. " in done.stderr
        assert "the role that owns the schema" not in done.stderr
        connection.execute(
            "ALTER TABLE images NO FORCE ROW LEVEL SECURITY; ALTER TABLE images DISABLE ROW LEVEL SECURITY"
        )
        assert yoyo_on(owned, "apply").returncode == 0
        assert status(owned).returncode == 0
        assert connection.execute("SELECT count(*) FROM image_words").fetchone() == (20,)


def test_a_history_that_row_security_hides_is_an_error(owned: str, database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute(
            "ALTER TABLE _yoyo_ledger ENABLE ROW LEVEL SECURITY; ALTER TABLE _yoyo_ledger FORCE ROW LEVEL SECURITY"
        )

    for done in (yoyo_on(owned, "apply"), status(owned)):
        assert done.returncode == 3
        assert 'row-level security policy for table "_yoyo_ledger"' in done.stderr


def test_a_database_that_is_read_only_by_default_stays_as_it_is(plain: psycopg.Connection, owned: str) -> None:
    """An administrator sets it to stop all changes. Commands that only read work."""
    assert yoyo_on(owned, "rollback", "-r", migrations("expand")[-1]).returncode == 0
    before = state(owned)
    with psycopg.connect(owned) as connection:
        name = connection.info.dbname
    sets(plain, "DATABASE", name, ["default_transaction_read_only = on"])

    for command in ("apply", "rollback"):
        done = yoyo_on(owned, command)
        assert done.returncode == 3
        assert done.stderr == (
            "error: PostgreSQL failed: cannot execute INSERT in a read-only transaction.\n"
            "hint: migrate on a primary. If this is one, remove default_transaction_read_only from the role or the "
            "database\n"
        )
    assert (yoyo_on(owned, "list").returncode, status(owned).returncode) == (0, 1)
    assert dump(owned).returncode == 0

    assert state(owned) == before
    options = quote("-c default_transaction_read_only=off")
    assert yoyo_on(f"{owned}&options={options}", "apply").returncode == 0


def test_a_table_that_the_search_path_finds_elsewhere_is_rejected(legacy: str) -> None:
    """Half of the statements would use another schema, or an empty table would hide the one with rows."""
    with psycopg.connect(legacy) as connection:
        connection.execute("CREATE SCHEMA app")
    url = f"{legacy}&options={quote('-c search_path=app,public')}"

    for done in (yoyo_on(url, "apply"), yoyo_on(url, "list"), status(url)):
        assert done.returncode == 3
        assert done.stderr == (
            "error: the search_path leads to schema app, but schema public has the table images.\n"
            "hint: set the search_path to one of them: ?options=-csearch_path%3DSCHEMA in the URL\n"
        )
    assert yoyo_on(f"{legacy}&options=-csearch_path%3Dpublic", "apply").returncode == 0


def test_a_backup_lock_outlives_the_time_out_of_idle_sessions(plain: psycopg.Connection, database: str) -> None:
    with psycopg.connect(database) as connection:
        sets(plain, "DATABASE", connection.info.dbname, ["idle_session_timeout = '100ms'"])

    done = forked.run(environment(DATABASE_URL=database), "images", "objects", "keep", "sleep", "0.5")

    assert (done.returncode, done.stderr) == (0, "")


def test_the_shortest_time_for_a_lock_is_a_limit(connection: psycopg.Connection) -> None:
    """PostgreSQL rounds to milliseconds, and 0 would be no limit."""
    Session(connection, "", 0.0001)

    assert connection.execute("SHOW lock_timeout").fetchone() == ("1ms",)
