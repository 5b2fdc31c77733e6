"""Search tables image_terms and image_words, which filtered lists read: they follow every change of images."""

import threading
from collections.abc import Callable

import psycopg
import pytest

from app.settings import ROOT
from tests.conftest import yoyo_on
from tests.support.waiting import wait_until

LISTED = """
    SELECT 'term', term, created_at, image_id FROM image_terms
    UNION ALL SELECT 'words', words::text, created_at, image_id FROM image_words
    ORDER BY 4, 1, 2
"""
EXPECTED = """
    SELECT 'term', term, created_at, id FROM images, unnest(images_terms(tags, content_type)) AS term
    UNION ALL
    SELECT 'words', images_word_document(title, description, filename, tags, content_type)::text, created_at, id
    FROM images
    ORDER BY 4, 1, 2
"""
INSERT = """
    INSERT INTO images (filename, content_type, byte_size, width, height, content_sha256, own_key, title, tags)
    SELECT
        'a.png', 'image/png', 1, 1, 1, images_sha256_bytes(n::text), n,
        'Title ' || n, ARRAY['odd ' || n % 2, 'all', 'all']
    FROM generate_series(1, 10) AS n
"""
OLD_INSERT = INSERT.replace("content_sha256, own_key", "sha256, storage_key").replace("images_sha256_bytes", "")
TRIGGERS = "0059_replace_images_trigger_functions"
FILL = (ROOT / "sql" / "migrations" / "0060_fill_image_words.sql").read_bytes()


def listed(connection: psycopg.Connection) -> list[tuple[object, ...]]:
    rows = connection.execute(LISTED.encode()).fetchall()
    assert rows == connection.execute(EXPECTED.encode()).fetchall()
    return rows


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE images SET title = 'Another' WHERE own_key < '5'",
        "UPDATE images SET title = NULL, description = 'words', filename = 'b.png'",
        "UPDATE images SET tags = '{all,more}' WHERE own_key < '5'",
        "UPDATE images SET tags = '{}'",
        "UPDATE images SET content_type = 'image/gif' WHERE own_key = '1'",
        "UPDATE images SET created_at = created_at - interval '1 day'",
        "UPDATE images SET id = gen_random_uuid(), tags = '{new}'",
        "UPDATE images SET tags = ARRAY[repeat('t', 100), repeat('t', 101), NULL, '', 'it''s \\ \"quoted\"']",
        "DELETE FROM images WHERE own_key < '5'",
        "DELETE FROM images",
        "TRUNCATE images",
        INSERT.replace("generate_series(1, 10)", "generate_series(11, 2000)"),
        INSERT.replace("generate_series(1, 10)", "generate_series(5, 15)") + "ON CONFLICT DO NOTHING",
        "COPY (SELECT 1) TO '/dev/null'",
    ],
)
def test_the_lists_follow_the_table(statement: str, connection: psycopg.Connection) -> None:
    connection.execute(INSERT.encode())
    before = listed(connection)
    assert len(before) == 10 * (3 + 1)

    connection.execute(statement.encode())

    assert (listed(connection) == before) == statement.startswith("COPY")


def test_what_is_no_part_of_a_list_writes_none(connection: psycopg.Connection) -> None:
    connection.execute(INSERT.encode())
    versions = "SELECT xmin, ctid FROM image_words UNION ALL SELECT xmin, ctid FROM image_terms"
    before = connection.execute(versions.encode()).fetchall()

    connection.execute("UPDATE images SET attributes = '{\"a\": 1}', updated_at = now(), title = title")

    assert connection.execute(versions.encode()).fetchall() == before


def test_a_title_that_changes_leaves_the_indexes_of_images_alone(connection: psycopg.Connection) -> None:
    """PostgreSQL updates the row in place (HOT): no index has a column that an edit changes."""
    connection.execute(INSERT.encode())
    connection.execute("UPDATE images SET title = 'Another', updated_at = clock_timestamp(), tags = '{new}'")

    connection.execute("SELECT pg_stat_force_next_flush()")
    hot = connection.execute(
        "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'images'"
    ).fetchone()
    assert hot == (10, 10)


def before_the_fill(url: str, connection: psycopg.Connection, triggers: str) -> None:
    """As a database is that had images before it had lists."""
    assert yoyo_on(url, "rollback", "--revision", triggers).returncode == 0
    connection.execute((OLD_INSERT if triggers.startswith("0014") else INSERT).encode())
    assert yoyo_on(url, "apply", "--revision", triggers).returncode == 0


@pytest.mark.parametrize("triggers", ["0014_create_images_triggers", TRIGGERS])
def test_the_images_before_the_triggers_are_listed_too(
    triggers: str, database: str, connection: psycopg.Connection
) -> None:
    before_the_fill(database, connection, triggers)
    connection.execute("UPDATE images SET title = 'Known already' WHERE tags = '{odd 1,all,all}'")

    assert yoyo_on(database, "apply").returncode == 0

    assert len(listed(connection)) == 40


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE images SET tags = '{changed}', title = 'Changed' WHERE own_key = '3'",
        "DELETE FROM images WHERE own_key = '3'",
    ],
)
def test_a_change_while_the_fill_reads_is_not_undone(
    change: str, database: str, connection: psycopg.Connection
) -> None:
    before_the_fill(database, connection, TRIGGERS)
    filler = psycopg.connect(database, autocommit=True)
    filling = threading.Thread(target=filler.execute, args=(FILL,))
    waits: Callable[[], object] = lambda: connection.execute(  # noqa: E731
        "SELECT FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'", [filler.info.backend_pid]
    ).fetchall()

    with psycopg.connect(database) as writer:
        writer.execute(change.encode())
        filling.start()
        wait_until(waits)
        writer.commit()
        filling.join()

    filler.close()
    listed(connection)
