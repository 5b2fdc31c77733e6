"""The plan of each query at a million rows: its indexes, and bounds of what it touches, for good parameters and bad."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import NAMESPACE_OID, uuid5

import psycopg
import pytest
from psycopg.sql import SQL, Identifier, Literal

from app.embedded import Server
from app.review import scratch
from app.review.plans import examples, explain
from app.settings import ROOT
from tests.conftest import NUMBER, yoyo_on
from tests.test_migrations import FILES

QUERIES = {path.stem: path.read_text() for path in sorted((ROOT / "sql" / "queries").glob("*.sql"))}
CASES = [(name, words, arguments) for name, text in QUERIES.items() for words, arguments in examples(text)]
ROWS = 1_000_000
EPOCH = datetime(2020, 1, 1, tzinfo=UTC)  # of row 0, and each row is 30 s later

NEWEST, BY_TYPE, TAGS = "images_created_at_id_idx", "images_content_type_created_at_id_idx", "images_tags_idx"

# For each query: the indexes it may use, the rows that it may read and the pages that it may touch. A page has 50 rows.
PINNED = {
    "delete_image": ({"images_pkey"}, 1, 10),
    "get_content": ({"images_pkey"}, 1, 5),
    "get_image": ({"images_pkey"}, 1, 5),
    "get_image_by_sha256": ({"images_sha256_key"}, 1, 6),
    "insert_image": ({"images_sha256_key"}, 0, 100),
    "list_images": ({NEWEST}, 50, 60),
    "list_images_by_content_type": ({NEWEST, BY_TYPE}, 50, 60),
    "list_images_by_content_type_and_tags": ({NEWEST, BY_TYPE, TAGS}, 12_000, 2000),
    "list_images_by_tags": ({NEWEST, TAGS}, 12_000, 2000),
    "lock_content": (set(), 0, 10),
    "read_applied": (set(), 100, 20),
    "read_history": ({"_yoyo_migration_pkey", "_yoyo_ledger_pkey"}, 1000, 300),
    "update_image": ({"images_pkey"}, 1, 100),
}
# Where the first images of the list have the tag, the walk ends with the page.
SOON_DONE = {
    "a common tag",
    "the last pages",
    "a window",
    "no match",
    "a rare type",
    "a type of the oldest",
    "no such type",
}


@pytest.fixture(scope="module")
def million(server: Server, admin: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """Loaded as soon as there is a table: an index is built faster than rows are added to it."""
    name = f"million_{next(NUMBER)}"
    admin.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
    yoyo_on(server.url(name), "apply", "--revision", FILES[0].stem)
    with psycopg.connect(server.url(name), autocommit=True, prepare_threshold=None) as connection:
        scratch.fill(connection, ROWS, quiet=True)
        yoyo_on(server.url(name), "apply", timeout=600, PGOPTIONS="-c maintenance_work_mem=512MB")
        connection.execute("VACUUM ANALYZE")
        yield connection
    admin.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


def test_each_query_is_pinned() -> None:
    assert PINNED.keys() == QUERIES.keys()


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize(("name", "words", "arguments"), CASES, ids=[f"{name}-{words}" for name, words, _ in CASES])
def test_a_query_touches_the_page_and_not_the_table(
    name: str, words: str, arguments: str, mode: str, million: psycopg.Connection
) -> None:
    indexes, read, buffers = PINNED[name]

    plan = explain(million, QUERIES[name], arguments, mode)

    assert plan.sequential <= {"_yoyo_migration", "_yoyo_ledger"}
    assert plan.indexes <= indexes
    assert plan.indexes or plan.sequential or not indexes
    assert plan.read <= (1000 if words in SOON_DONE else read)
    assert plan.buffers <= (100 if words in SOON_DONE else buffers)


PLAIN = """
    SELECT id
    FROM images
    WHERE (created_at, id) < (%(at)s, %(id)s)
        AND created_at > %(after)s
        AND (%(type)s::text IS NULL OR content_type = %(type)s)
        AND tags @> %(tags)s
    ORDER BY created_at DESC, id DESC
    LIMIT %(limit)s
"""


@pytest.mark.parametrize("type", [None, "image/jpeg", "image/avif", "image/gif"])
@pytest.mark.parametrize("tags", ["street", "city-7", "eclipse", "place-7", "archive", "none", "street,night"])
def test_a_list_by_tags_is_what_the_plain_query_finds(tags: str, type: str | None, million: psycopg.Connection) -> None:
    """At positions among the newest images, in the middle, where just so many are left, and past the oldest."""
    name = "list_images_by_content_type_and_tags" if type else "list_images_by_tags"
    million.execute("DEALLOCATE ALL")
    million.execute(f"PREPARE list AS {QUERIES[name]}".encode())
    for row, limit in ((2 * ROWS, 50), (2 * ROWS, 200), (500_000, 1), (10_002, 50), (10_001, 50), (900, 50), (0, 50)):
        at, id = f"{EPOCH + row * timedelta(seconds=30)}", str(uuid5(NAMESPACE_OID, f"{row}"))
        after = f"{EPOCH + timedelta(hours=2)}" if row == 900 else "-infinity"
        parameters = {"at": at, "id": id, "after": after, "type": type, "tags": f"{{{tags}}}", "limit": limit}
        arguments = [at, id, after, limit, *([type] if type else []), f"{{{tags}}}"]
        call = SQL("EXECUTE list ({})").format(SQL(", ").join(Literal(value) for value in arguments))

        listed = [image[0] for image in million.execute(call)]

        assert listed == [image[0] for image in million.execute(PLAIN, parameters)]
