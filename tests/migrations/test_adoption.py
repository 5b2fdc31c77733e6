"""Adoption: `yoyo apply` takes over a database of create_all(), and rejects one that differs, with each difference."""

import re
from contextlib import suppress

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from app.settings import ROOT
from tests.conftest import environment, yoyo_on
from tests.schema.test_migrations import CONTRACTS, rows
from tests.support import forked
from tests.support.legacy import CREATE_ALL, ROWS

ROW = (
    '{"id": "00000000-0000-0000-0000-000000000001", "filename": "f", "content_type": "t", "byte_size": 1, "width": 1, '
    '"height": 1, "sha256": "s", "storage_key": "k", "tags": [], "attributes": {}, "created_at": "now", '
    '"updated_at": "now"}'
)

# Changes to the table since create_all(), and the words that the error must contain.
DIVERGENT = {
    "a column is missing": (
        "ALTER TABLE images DROP COLUMN title",
        ["column title: expected character varying(200), found none"],
    ),
    "a column is of another type": (
        "ALTER TABLE images ALTER COLUMN width TYPE bigint",
        ["column width: expected integer NOT NULL, found bigint NOT NULL"],
    ),
    "a column is wider": (
        "ALTER TABLE images ALTER COLUMN filename TYPE varchar(500)",
        ["column filename: expected character varying(255) NOT NULL, found character varying(500) NOT NULL"],
    ),
    "a column may be null": (
        "ALTER TABLE images ALTER COLUMN sha256 DROP NOT NULL",
        ["column sha256: expected character varying(64) NOT NULL, found character varying(64)"],
    ),
    "a column lost its default": (
        "ALTER TABLE images ALTER COLUMN created_at DROP DEFAULT",
        [
            "column created_at: expected timestamp with time zone NOT NULL DEFAULT now(), "
            "found timestamp with time zone NOT NULL"
        ],
    ),
    "a column sorts otherwise": (
        'ALTER TABLE images ALTER COLUMN description TYPE text COLLATE "C"',
        ['column description: expected text, found text COLLATE "C"'],
    ),
    "there is a column more": (
        "ALTER TABLE images ADD COLUMN owner text",
        ["column owner: expected none, found text"],
    ),
    "an index is missing": (
        "DROP INDEX ix_images_tags",
        ["index ix_images_tags: expected gin (tags), found none"],
    ),
    "an index is not unique": (
        "DROP INDEX ix_images_sha256; CREATE INDEX ix_images_sha256 ON images (sha256)",
        ["index ix_images_sha256: expected UNIQUE btree (sha256), found btree (sha256)"],
    ),
    "an index is partial": (
        "DROP INDEX ix_images_created_at; CREATE INDEX ix_images_created_at ON images (created_at) WHERE width > 0",
        ["index ix_images_created_at: expected btree (created_at), found btree (created_at) WHERE (width > 0)"],
    ),
    "there is an index more": (
        "CREATE INDEX mine ON images (title)",
        ["index mine: expected none, found btree (title)"],
    ),
    "there is no primary key": (
        "ALTER TABLE images DROP CONSTRAINT images_pkey",
        [
            "constraint images_pkey: expected PRIMARY KEY (id), found none",
            "index images_pkey: expected UNIQUE btree (id), found none",
        ],
    ),
    "there is a constraint more": (
        "ALTER TABLE images ADD CONSTRAINT positive CHECK (width > -2147483649)",
        ["constraint positive: expected none, found CHECK ("],
    ),
    "there is a trigger": (
        "CREATE TRIGGER t BEFORE UPDATE ON images FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        ["table images: expected ordinary table, logged, without row security, rules or triggers, found ordinary"],
    ),
    "a trigger is disabled": (
        "CREATE TRIGGER t BEFORE UPDATE ON images FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger(); "
        "ALTER TABLE images DISABLE TRIGGER t",
        ["table images: expected ordinary table, logged, without"],
    ),
    "a column is of a domain": (
        "CREATE DOMAIN titles AS varchar(200); ALTER TABLE images ALTER COLUMN title TYPE titles",
        ["column title: expected character varying(200), found titles"],
    ),
    "it is partitioned": (
        "ALTER TABLE images RENAME TO images_1; CREATE TABLE images (LIKE images_1) PARTITION BY HASH (id); "
        "ALTER TABLE images ATTACH PARTITION images_1 FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
        ["found partitioned table, logged", "index ix_images_tags: expected gin (tags), found none"],
    ),
    "it is a foreign table": (
        "ALTER TABLE images RENAME TO images_1; CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; "
        "CREATE FOREIGN TABLE images (id uuid NOT NULL) SERVER s",
        ["found relation of kind f, logged", "column title: expected character varying(200), found none"],
    ),
    "it is a view": (
        "ALTER TABLE images RENAME TO pictures; CREATE VIEW images AS SELECT * FROM pictures",
        [
            "table images: expected ordinary table",
            "found view",
            "index ix_images_tags: expected gin (tags), found none",
        ],
    ),
    "several things at once": (
        "ALTER TABLE images DROP COLUMN tags, ALTER COLUMN height TYPE smallint USING 1",
        [
            "column tags: ",
            "index ix_images_tags: ",
            "column height: expected integer NOT NULL, found smallint NOT NULL",
        ],
    ),
}


def contents(connection: psycopg.Connection) -> tuple[list[object], list[object]]:
    inspect = (ROOT / "sql" / "inspect" / "schema.sql").read_bytes()
    found: list[object] = []
    with suppress(psycopg.errors.ObjectNotInPrerequisiteState):  # a foreign table without a handler
        found += rows(connection)
    return list(connection.execute(inspect)), found


def test_a_legacy_database_keeps_every_row(empty_database: str) -> None:
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute(CREATE_ALL.encode())
        connection.execute(ROWS.encode())
        _, before = contents(connection)

        done = yoyo_on(empty_database, "apply")

        assert done.returncode == 0, done.stderr
        assert contents(connection)[1] == before
        assert len(before) == 20
    assert yoyo_on(empty_database, "list").stdout.count("\nU") == len(CONTRACTS)


def test_a_table_in_use_is_adopted_without_a_lock(empty_database: str) -> None:
    with psycopg.connect(empty_database) as writer:
        writer.execute(CREATE_ALL.encode())
        writer.commit()
        writer.execute("INSERT INTO images SELECT (jsonb_populate_record(NULL::images, %s)).*", [ROW])

        done = yoyo_on(empty_database, "apply", "--revision", "0001")

    assert done.returncode == 0, done.stderr


def test_a_table_that_is_aside_with_its_indexes_keeps_them(empty_database: str) -> None:
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute(CREATE_ALL.encode())
        connection.execute("ALTER TABLE images RENAME TO images_old")

        renamed = yoyo_on(empty_database, "apply")

        assert renamed.returncode == 3
        assert '0001_create_images was not applied: relation "images_pkey" already exists.\n' in renamed.stderr
        assert "hint: if the database already has this change, compare: images schema status\n" in renamed.stderr
        assert connection.execute("SELECT to_regclass('images')").fetchone() == (None,)

        connection.execute("CREATE SCHEMA aside; ALTER TABLE images_old SET SCHEMA aside")

        moved = yoyo_on(empty_database, "apply", "-r", "0003")

        assert moved.returncode == 0, moved.stderr
        assert connection.execute("SELECT to_regclass('aside.ix_images_tags') IS NOT NULL").fetchone() == (True,)


def test_a_table_of_another_owner_is_rejected(admin: psycopg.Connection, empty_database: str) -> None:
    admin.execute("DROP ROLE IF EXISTS migrator")
    admin.execute("CREATE ROLE migrator LOGIN")
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute(CREATE_ALL.encode())
        connection.execute("GRANT ALL ON SCHEMA public TO migrator; GRANT ALL ON images TO migrator")

        done = yoyo_on(empty_database.replace("postgres@", "migrator@"), "apply")

        assert done.returncode == 1
        assert re.search(
            r"lacks rights:\n  0002_set_images_defaults.sql:\d+: table images belongs to postgres\n", done.stderr
        )
        assert connection.execute("SELECT count(*) FROM _yoyo_migration").fetchone() == (0,)


@pytest.mark.parametrize("case", DIVERGENT)
def test_a_divergent_database_is_rejected_and_not_changed(empty_database: str, case: str) -> None:
    divergence, said = DIVERGENT[case]
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute(CREATE_ALL.encode())
        connection.execute(ROWS.replace("300000", "300").encode())
        connection.execute(divergence.encode())
        before = contents(connection)

        done = yoyo_on(empty_database, "apply")

        assert done.returncode == 3
        assert done.stderr.startswith("error: 0001_create_images was not applied: the table images is not the one")
        for words in said:
            assert words in done.stderr
        assert "Traceback" not in done.stderr
        differences = done.stderr.count(": expected ")
        assert differences == len(said) or case.startswith("it is ")
        assert contents(connection) == before
        assert connection.execute("SELECT count(*) FROM _yoyo_migration").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM _yoyo_log").fetchone() == (0,)


@pytest.mark.usefixtures("template")  # it makes the roles
def test_a_table_outside_of_the_search_path_is_told_before_anything_is_made(
    admin: psycopg.Connection, empty_database: str
) -> None:
    """Otherwise the database would look like a new one, and the images would be missing."""
    chosen = f"{empty_database}&options=-csearch_path%3Dapp"
    with psycopg.connect(empty_database, autocommit=True) as connection:
        name = Identifier(connection.info.dbname)
        connection.execute(CREATE_ALL.encode())
        connection.execute("CREATE SCHEMA app; CREATE SCHEMA AUTHORIZATION images_owner")

        def is_rejected(url: str, here: str, what: str, **variables: str) -> bool:
            said = f"error: the search_path leads to schema {here}, but schema {what}.\nhint: set the search_path"
            yoyo = [yoyo_on(url, command, **variables) for command in ("apply", "list", "mark")]
            status = forked.run(environment(DATABASE_URL=url), "images", "schema", "status")
            tables = "SELECT count(*) FROM pg_class WHERE relname LIKE '%yoyo%' AND relkind = 'r'"
            assert connection.execute(tables).fetchone() == (0,)
            return all(
                (done.returncode, done.stderr.startswith(said)) == (3, True)
                for done in (yoyo if variables else [*yoyo, status])
            )

        assert is_rejected(chosen, "app", "public has the table images")
        owner = {"MIGRATION_ROLE": "images_owner"}  # "$user" leads to the schema of its name
        assert is_rejected(empty_database, "images_owner", "public has the table images", **owner)
        admin.execute(SQL("ALTER DATABASE {} SET search_path = app").format(name))
        assert is_rejected(empty_database, "app", "public has the table images")

        connection.execute("ALTER TABLE images RENAME TO pictures; CREATE TABLE images (id uuid, name text, size int)")
        assert yoyo_on(empty_database, "list").returncode == 0  # it is of another program
        connection.execute("DROP TABLE images; ALTER TABLE pictures RENAME TO images")
        connection.execute("CREATE VIEW app.images AS SELECT * FROM images")
        assert is_rejected(empty_database, "app", "public has the table images")


def test_an_installation_outside_of_the_search_path_is_told_unless_the_url_chooses_a_schema(
    admin: psycopg.Connection, empty_database: str
) -> None:
    said = "error: the search_path leads to schema app, but schema public has {}.\nhint: set the search_path"
    with psycopg.connect(empty_database, autocommit=True) as connection:
        assert yoyo_on(empty_database, "apply", "-r", "1").returncode == 0
        connection.execute("CREATE SCHEMA app")
        admin.execute(SQL("ALTER DATABASE {} SET search_path = app").format(Identifier(connection.info.dbname)))

        for command in ("apply", "list"):
            assert yoyo_on(empty_database, command).stderr.startswith(said.format("an installation"))
        second = yoyo_on(f"{empty_database}&options=-csearch_path%3Dapp", "apply", "-r", "1")
        assert (second.returncode, second.stderr) == (0, "")

        connection.execute("DROP SCHEMA app CASCADE; CREATE SCHEMA app; ALTER TABLE images SET SCHEMA app")
        assert yoyo_on(empty_database, "apply").stderr.startswith(said.format("their history"))
