"""Triggers of images: they write to the tables of their own schema, and find each row by an index."""

import subprocess

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from app.embedded_postgres import Server
from app.migrations.connection import run
from tests.database.test_search_tables import INSERT, listed

DECOYS = """
    CREATE SCHEMA elsewhere;
    CREATE TABLE elsewhere.image_terms (LIKE public.image_terms);
    CREATE TABLE elsewhere.image_words (LIKE public.image_words);
    CREATE TABLE elsewhere.images (LIKE public.images);
    CREATE FUNCTION elsewhere.images_terms(text[], text) RETURNS text[] LANGUAGE sql RETURN ARRAY['wrong'];
    CREATE FUNCTION elsewhere.unnest(text[]) RETURNS SETOF text LANGUAGE sql BEGIN ATOMIC SELECT 'wrong'; END;
    CREATE FUNCTION elsewhere.quote_ident(text) RETURNS text LANGUAGE sql RETURN 'elsewhere';
    CREATE TEMPORARY TABLE image_terms (LIKE public.image_terms);
    CREATE TEMPORARY TABLE image_words (LIKE public.image_words);
    CREATE TEMPORARY TABLE images (LIKE public.images);
"""
CHANGES = (
    INSERT.replace("INTO images", "INTO {schema}.images").replace("images_sha256", "{schema}.images_sha256"),
    "UPDATE {schema}.images SET title = 'Another', tags = '{{new}}' WHERE own_key < '5'",
    "UPDATE {schema}.images SET id = gen_random_uuid(), created_at = '2020-01-01' WHERE own_key < '3'",
    "DELETE FROM {schema}.images WHERE own_key < '7'",
    "TRUNCATE {schema}.images",
)
FOUND = """
    SELECT
        sum(seq_tup_read)::bigint AS read,
        sum(idx_tup_fetch)::bigint AS found
    FROM pg_stat_xact_user_tables
    WHERE relname IN ('image_terms', 'image_words')
"""


@pytest.mark.parametrize("schema", ["public", "We \"ird' \\ schema, pg_catalog"])
def test_the_rows_stay_in_the_schema_of_their_table(schema: str, connection: psycopg.Connection) -> None:
    """The search tables follow, with any search_path of the writer, and no other table of the same name does."""
    connection.execute(DECOYS.encode())
    own = Identifier(schema)
    if schema != "public":
        connection.execute(SQL("ALTER SCHEMA public RENAME TO {}").format(own))
    for path in ("''", "elsewhere", "elsewhere, pg_catalog", "pg_temp, elsewhere, pg_catalog"):
        for change in CHANGES:
            connection.execute(SQL("SET search_path = " + path))
            connection.execute(SQL(change).format(schema=own))
            shown = connection.execute("SELECT current_setting('search_path')").fetchone()
            assert shown == (path.replace("''", '""'),)

            connection.execute(SQL("SET search_path = pg_catalog, {}, pg_temp").format(own))
            assert bool(listed(connection)) == (not change.startswith("TRUNCATE"))
    strays = connection.execute(
        "SELECT FROM elsewhere.image_terms UNION ALL SELECT FROM elsewhere.image_words "
        "UNION ALL SELECT FROM pg_temp.image_terms UNION ALL SELECT FROM pg_temp.image_words"
    )
    assert strays.fetchall() == []


def test_a_statement_that_fails_leaves_the_search_path(connection: psycopg.Connection) -> None:
    connection.execute("ALTER TABLE image_words ADD CHECK (image_id IS NULL)")
    with connection.transaction():
        connection.execute("SET LOCAL search_path = pg_temp, public")
        with pytest.raises(psycopg.errors.CheckViolation), connection.transaction():
            connection.execute(INSERT.encode())
        assert connection.execute("SHOW search_path").fetchone() == ("pg_temp, public",)


@pytest.mark.parametrize("options", [[], ["--inserts"]])
def test_a_dump_of_the_rows_is_restored(
    options: list[str], database: str, other_database: str, connection: psycopg.Connection, server: Server
) -> None:
    """It has the search tables before images, and no search_path."""
    connection.execute(INSERT.encode())
    before = listed(connection)

    dump = subprocess.run(
        [server.bin / "pg_dump", "--data-only", "--exclude-table=*yoyo*", "-d", database, *options],
        check=True,
        stdout=subprocess.PIPE,
    )
    restored = subprocess.run(
        [server.bin / "psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "-d", other_database],
        input=dump.stdout,
        capture_output=True,
    )

    assert restored.stderr == b""
    with psycopg.connect(other_database) as other:
        assert listed(other) == before


def test_a_wrong_row_of_an_image_is_corrected_when_the_image_is_written(connection: psycopg.Connection) -> None:
    """Such rows stay behind if images are changed while the triggers are off."""
    connection.execute(INSERT.encode())
    connection.execute("CREATE TABLE kept AS SELECT * FROM images")
    connection.execute("SET session_replication_role = replica")
    connection.execute("DELETE FROM images")
    connection.execute("UPDATE image_words SET words = 'wrong' WHERE created_at = (SELECT max(created_at) FROM kept)")
    connection.execute("SET session_replication_role = origin")

    connection.execute("INSERT INTO images SELECT * FROM kept")
    listed(connection)

    connection.execute("INSERT INTO image_terms SELECT 'tag:new', created_at, id FROM images")
    connection.execute("UPDATE images SET tags = '{new}'")
    listed(connection)


def reads(connection: psycopg.Connection, statement: str, *parameters: object) -> tuple[int, int]:
    """Return how many rows of the search tables a statement reads without an index, and how many by one."""
    with connection.transaction():
        [(read, found)] = connection.execute(FOUND.encode()).fetchall()
        connection.execute(statement.encode(), parameters)
        [(read_then, found_then)] = connection.execute(FOUND.encode()).fetchall()
    return read_then - read, found_then - found


def test_a_delete_finds_each_row_by_an_index(database: str, connection: psycopg.Connection) -> None:
    """The plan of the first DELETE is that of all in a session, and the generic plan begins with the sixth."""
    run(connection, "fill_images", "review", first=1, last=2000)
    connection.execute("VACUUM ANALYZE")
    delete = "DELETE FROM images WHERE id IN (SELECT md5('image ' || n)::uuid FROM generate_series(%s::int, %s) AS n)"
    first = 1
    for sizes in ((500, *[1] * 7), (*[1] * 7, 500, 1, 200), (700,)):
        with psycopg.connect(database, autocommit=True) as session:
            for size in sizes:
                read, found = reads(session, delete, first, first + size - 1)
                assert read == 0, sizes
                assert found <= 10 * size, sizes
                first += size
    listed(connection)


def test_an_edit_finds_its_rows_by_an_index_though_the_first_met_a_small_table(connection: psycopg.Connection) -> None:
    connection.execute("VACUUM image_terms, image_words")  # it saw that they are empty
    run(connection, "fill_images", "review", first=1, last=1)
    edit = "UPDATE images SET tags = %s WHERE id = md5('image 1')::uuid"
    for tag in ("a", "b", "c", "d", "e", "f", "g"):
        connection.execute(edit.encode(), [[tag]])
    run(connection, "fill_images", "review", first=2, last=500)

    read, found = reads(connection, edit, ["h"])

    assert read == 0
    assert found <= 10
    listed(connection)
