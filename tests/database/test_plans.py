"""Plans of the queries at many rows: indexes, and bounds of the rows and pages, for good and bad parameters."""

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from uuid import NAMESPACE_OID, UUID, uuid5

import psycopg
import pytest
from psycopg.sql import SQL, Identifier, Literal

from app.embedded_postgres import Server
from app.migrations.backfill_batches import execute, find_range
from app.migrations.connection import run
from app.migrations.verification import prepare
from app.review.plans import explain
from app.schema.headers import examples
from app.settings import ROOT
from tests.conftest import NUMBER, environment
from tests.support.exhaustive import EXHAUSTIVE

QUERIES = {path.stem: path.read_text() for path in sorted((ROOT / "sql" / "queries").glob("*.sql"))}
CASES = [(name, words, arguments) for name, text in QUERIES.items() for words, arguments in examples(text)]
ROWS = 1_000_000 if EXHAUSTIVE else 150_000  # at a seventh, some windows of the examples are empty
EMPTY = ("object_stores", "content_checks", "_yoyo_ledger_checks")  # here, so PostgreSQL reads the whole table
EPOCH = datetime(2020, 1, 1, tzinfo=UTC)  # of row 0, and each row is 30 s later

NEWEST, LARGEST, NAMES, TERMS, DOCUMENTS, WORDS, TAGS = (
    "images_created_at_id_idx",
    "images_byte_size_id_created_at_idx",
    "images_filename_id_created_at_idx",
    "image_terms_pkey",
    "image_words_pkey",
    "image_words_words_idx",
    "image_terms_term_idx",
)

# The first call of a function in a session reads it and its tables from the system catalog. The plans in the functions
# have a test of their own.
CAPTURED = "images_captured_at_created_at_id_idx"
IN_FUNCTION = 200
ESTIMATE = 400  # rows that images_index_queries and images_rows_to_walk look at. Each counts as a page

# For each query: the indexes it may use, the rows that it may read and the pages that it may touch. A page has 50 rows.
PINNED = {
    "can_read_hashes": (set(), 0, 60),
    "confirm_store": (set(), 1, 5),
    "correct_image": ({"images_pkey"}, 1, 120),
    "count_images": ({NEWEST, DOCUMENTS, WORDS, "images_pkey"}, 6000, 12_000),
    "count_upload_bytes": (set(), 1, IN_FUNCTION),
    "count_faults": ({"content_checks_fault_idx", "images_content_sha256_key"}, 0, 10),
    "count_images_to_capture": ({"images_content_sha256_idx", "images_content_sha256_key"}, 1000, 1100),
    "delete_checks": ({"content_checks_pkey", "images_content_sha256_key"}, 0, 10),
    "delete_image": ({"images_pkey"}, 1, 10),
    "export_images": ({NEWEST}, 0, 10),
    "export_images_captured": ({NEWEST, DOCUMENTS}, 0, 10),
    "export_images_matching": ({DOCUMENTS, WORDS, "images_pkey"}, 0, 10),
    "fill_capture": ({"images_pkey"}, 1, 120),
    "fill_paint": ({"images_pkey"}, 1, 20),
    "find_blockers": (set(), 100, 100),
    "find_camera": ({"images_camera_idx"}, 3, 20),
    "find_contents": ({"images_content_sha256_key"}, 2, 15),
    "find_fault": ({"content_checks_fault_idx", "content_checks_pkey"}, 1, 5),
    "find_session_fault": ({"_yoyo_migration_pkey"}, 2000, 400),
    "find_holder": (set(), 10, 10),
    "find_known": ({"images_pkey", "images_content_sha256_key"}, 3, 20),
    "find_token": (set(), 1, IN_FUNCTION),
    "forget_locations": ({NEWEST, "images_pkey"}, 80, 600),
    "get_attributes": ({"images_pkey"}, 1, 6),  # one for the old version of the row that forget_locations left
    "get_content": ({"images_pkey", "content_checks_fault_idx", "content_checks_pkey"}, 1, 10),
    "get_image": ({"images_pkey"}, 1, 5),
    "get_image_by_sha256": ({"images_content_sha256_key"}, 1, 6),
    "get_token": ({"tokens_name_key"}, 1, 5),
    "get_store": (set(), 1, 5),
    "has_checks": (set(), 0, 20),
    "has_images": ({"images_pkey"}, 1, 5),
    "has_replayed": (set(), 0, 0),
    "insert_image": (set(), 0, 100),  # ON CONFLICT without a target: PostgreSQL does not name the index that decides
    "insert_store": ({"object_stores_pkey"}, 0, 20),
    "insert_token": ({"tokens_name_key"}, 0, 20),
    "limit_token": ({"tokens_name_key"}, 0, 10),
    "list_contents": ({"images_content_sha256_key"}, 50, 60),
    "list_contents_to_verify": ({"images_content_sha256_key", "content_checks_pkey"}, 50, 300),
    "list_images": ({NEWEST}, 50, 60),
    "list_images_by_name": ({NAMES, NEWEST, "images_pkey"}, 110, 250),
    "list_images_by_name_matching": ({NAMES, DOCUMENTS, WORDS, "images_pkey"}, 1600, 2600),
    "list_images_by_relevance": ({DOCUMENTS, WORDS, "images_pkey"}, 6000, 700 + ESTIMATE),
    "list_images_by_terms": ({TERMS, DOCUMENTS, WORDS, "images_pkey"}, 900, 1100 + 2 * ESTIMATE),
    "list_images_by_words": ({DOCUMENTS, WORDS, "images_pkey"}, 600, 300),
    "list_tokens": (set(), 3000, 150),
    "list_images_captured": ({CAPTURED, "images_pkey"}, 100, 260),
    "list_images_captured_matching": (
        {CAPTURED, TERMS, DOCUMENTS, "images_pkey", "images_point_idx", "images_camera_idx"},
        25_000,
        25_000,
    ),
    "list_cameras": ({"images_camera_idx"}, 450, 1700),
    "list_months": ({CAPTURED}, 10_000, 10_000),
    "list_images_to_capture": ({"images_content_sha256_idx", "images_content_sha256_key"}, 50, 60),
    "list_images_largest": ({LARGEST, NEWEST, "images_pkey"}, 110, 250),
    "list_images_largest_matching": ({LARGEST, DOCUMENTS, WORDS, "images_pkey"}, 1600, 2600),
    "list_images_oldest": ({NEWEST}, 50, 60),
    "list_images_oldest_matching": ({DOCUMENTS, WORDS, "images_pkey"}, 1100, 300 + ESTIMATE),
    "list_tags": ({TAGS, TERMS, "images_pkey"}, 51_200, 850),
    "name_actor": (set(), 0, 10),
    "lock_content": (set(), 0, 10),
    "lock_content_to_remove": (set(), 0, 10),
    "prepare_export": (set(), 0, 10),
    "prepare_import": (set(), 0, 10),
    "prepare_schema": (set(), 0, 10),
    "read_applied": (set(), 100, 20),
    "read_checks": (set(), 0, 10),
    "read_database": (set(), 10, 10),
    "read_lock_wait": (set(), 1000, 30),
    # Each migration reads the ledger twice, which has a row for each: so few that PostgreSQL uses no index.
    "read_history": ({"_yoyo_migration_pkey", "_yoyo_ledger_pkey"}, 22_000, 800),
    "read_runs": ({"_yoyo_ledger_pkey"}, 200, 20),
    "read_tables": (set(), 8000, 1500),  # rows of the catalogs, most of them on PostgreSQL 15
    "read_position": (set(), 0, 0),
    "record_check": ({"content_checks_pkey"}, 0, 20),
    "record_objects_check": (set(), 1, 5),
    "replace_store": ({"object_stores_pkey"}, 0, 20),
    "revoke_token": ({"tokens_name_key"}, 0, 10),
    "rotate_token": ({"tokens_pkey"}, 0, 10),
    "take_requests": (set(), 1, IN_FUNCTION),
    "touch_token": (set(), 1, IN_FUNCTION),
    "read_stats": ({NEWEST, LARGEST, TAGS, "images_pkey"}, 18_000, 2600),
    "update_image": ({"images_pkey"}, 1, 100),
}
# If few images match, the walk over the list finds too few, and the query then reads the index. A short time window is
# read and sorted. With a long or a late window, the walk by name skips many images outside of it, because here the
# names follow the times. It stops after 50,000 entries, and reads them again for the position of the next page.
FRUITLESS_WALKS = {
    ("list_images_by_words", words): (1300, 400 + 2 * ESTIMATE)
    for words in (
        "a rare word",
        "no such word",
        "no words",
        "two words that never meet",
        "the beginning of a term, and of no word",
        "the beginning of rare words",
        "a file name",
        "a rare word, the beginning of all names",
        "a common word, the beginning of none",
    )
} | {
    ("list_images_captured_matching", "a rare word"): (31_000, 75_000),
    ("list_images_by_name", "a long window"): (111_000, 900),
    ("list_images_by_name", "a late window"): (111_000, 900),
    ("list_images_by_name", "a window"): (1100, 300),
    ("list_images_by_name_matching", "a long window"): (211_000, 1700),
    ("list_images_by_name_matching", "a late window"): (211_000, 1700),
    ("list_images_by_name_matching", "a rare tag"): (16_000, 22_000),
    ("list_images_by_name_matching", "a rare type"): (16_000, 22_000),
    ("list_images_by_name_matching", "a tag of 2 in 100"): (5500, 11_500),
    ("list_images_by_name_matching", "a tag of the oldest"): (18_000, 26_000),
    ("list_images_largest", "a long window"): (10_500, 300),
    ("list_images_largest", "a window"): (1100, 300),
    ("list_images_largest_matching", "a long window"): (11_000, 1100),
    ("list_images_largest_matching", "a tag of 2 in 100"): (5600, 11_500),
    ("list_images_largest_matching", "a tag of the oldest"): (4000, 7000),
    ("list_images_oldest_matching", "a rare tag"): (10_500, 450 + ESTIMATE),
    ("list_images_oldest_matching", "a rare type"): (10_500, 450 + ESTIMATE),
    ("list_images_oldest_matching", "a tag of 2 in 100"): (2800, 400 + ESTIMATE),
}


TOKENS = """
    INSERT INTO tokens (id, name, scope, sha256)
    SELECT md5('token ' || n)::uuid, 'client ' || n, 'read', sha256(('token ' || n)::bytea)
    FROM generate_series(1, 1000) AS n
"""


LISTED = """
    INSERT INTO image_terms (term, created_at, image_id)
    SELECT term, created_at, id
    FROM images
    CROSS JOIN LATERAL unnest(images_terms(tags, content_type)) AS term
    ORDER BY created_at, id;

    INSERT INTO image_words (created_at, image_id, words)
    SELECT created_at, id, images_word_document(title, description, filename, tags, content_type)
    FROM images
    ORDER BY created_at, id
"""


@pytest.fixture(scope="module")
def many(server: Server, admin: psycopg.Connection, template: str) -> Iterator[psycopg.Connection]:
    """Load the schema as a dump is loaded: indexes and triggers come after the rows, which takes half of the time."""
    name = f"many_{next(NUMBER)}"
    admin.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
    with psycopg.connect(server.url(name), autocommit=True, prepare_threshold=None) as connection:
        for section in ("pre-data", "data"):
            restore(server, template, name, section)
        run(connection, "fill_images", "review", first=1, last=ROWS)
        connection.execute("SET work_mem = '512MB'")
        connection.execute(LISTED.encode())
        connection.execute("RESET work_mem")
        restore(server, template, name, "post-data")
        connection.execute(TOKENS.encode())
        run(connection, "create_checks")
        connection.execute("VACUUM ANALYZE")
        yield connection
    admin.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


def restore(server: Server, template: str, name: str, section: str) -> None:
    dump = subprocess.run(
        [server.bin / "pg_dump", "-d", server.url(template), f"--section={section}"], check=True, stdout=subprocess.PIPE
    )
    subprocess.run(
        [server.bin / "psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "-d", server.url(name)],
        check=True,
        input=dump.stdout,
        stdout=subprocess.DEVNULL,
        env=environment(PGOPTIONS="-c maintenance_work_mem=512MB"),
    )


def test_each_query_is_pinned() -> None:
    assert PINNED.keys() == QUERIES.keys()


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize(("name", "words", "arguments"), CASES, ids=[f"{name}-{words}" for name, words, _ in CASES])
def test_a_query_touches_the_page_and_not_the_table(
    name: str, words: str, arguments: str, mode: str, many: psycopg.Connection
) -> None:
    indexes, *bounds = PINNED[name]
    read, buffers = FRUITLESS_WALKS.get((name, words), bounds)

    plan = explain(many, QUERIES[name], arguments, mode)

    whole = {"tokens", "token_events"} if name == "list_tokens" else {"_yoyo_migration", "_yoyo_ledger", *EMPTY}
    assert of_ours(plan.sequential) <= whole
    assert of_ours(plan.indexes) <= indexes
    assert plan.indexes or plan.sequential or not indexes
    assert plan.read <= read
    assert plan.buffers <= buffers


def of_ours(names: set[str]) -> set[str]:
    """Without PostgreSQL's own, which are as small as they are in an empty database."""
    return {name for name in names if not name.startswith("pg_")}


PLAIN = """
    SELECT id
    FROM images
    WHERE (created_at, id) < (%(at)s, %(id)s)
        AND created_at > %(after)s
        AND (%(type)s::text IS NULL OR content_type = %(type)s)
        AND tags @> %(tags)s
        AND (
            %(words)s::text IS NULL
            OR images_word_document(title, description, filename, tags, content_type)
                @@ images_word_query('{}', %(words)s, 'whole')
        )
    ORDER BY created_at DESC, id DESC
    LIMIT %(limit)s
"""


TAG_LISTS = ["", "street", "city-7", "eclipse", "archive", "none", "street,night"]
TYPES = [None, "image/jpeg", "image/avif", "image/gif"]
SEARCHES = [None, "harbour", "777777 or 42", '"in the fog" -night', "mornings fog", "?"]
# Each pair of a list of tags and a type, of which the searches take turns. Also each search without them.
FILTERS = list(product(TAG_LISTS, TYPES, SEARCHES))
TURNS = [
    *(("", None, words) for words in SEARCHES),
    *((*pair, SEARCHES[number % len(SEARCHES)]) for number, pair in enumerate(product(TAG_LISTS, TYPES), 1)),
]


@pytest.mark.parametrize(("tags", "type", "words"), FILTERS if EXHAUSTIVE else [*dict.fromkeys(TURNS)])
def test_a_list_is_what_the_plain_query_finds(
    tags: str, type: str | None, words: str | None, many: psycopg.Connection
) -> None:
    """Ask at positions among the newest images, in the middle, one page before the end, and after the oldest image."""
    terms = [f"tag:{tag}" for tag in tags.split(",") if tag] + [f"type:{type}"] * (type is not None)
    name = "list_images_by_terms" if terms else "list_images" if words is None else "list_images_by_words"
    many.execute("DEALLOCATE ALL")
    many.execute(f"PREPARE list AS {QUERIES[name]}".encode())
    start = 20_000 if words else 2 * ROWS  # without an index, the plain query reads what lies before it
    for row, limit in ((start, 50), (start // 4, 1), (10_002, 50), (10_001, 50), (900, 50), (0, 50)):
        at, id = f"{EPOCH + row * timedelta(seconds=30)}", str(uuid5(NAMESPACE_OID, f"{row}"))
        after = f"{EPOCH + timedelta(hours=2)}" if row == 900 else "-infinity"
        page = [at, id, after, limit]
        plain = {
            "at": at,
            "id": id,
            "after": after,
            "type": type,
            "tags": f"{{{tags}}}",
            "words": words,
            "limit": limit,
        }
        arguments = {
            "list_images": page,
            "list_images_by_terms": [*page, terms, words],
            "list_images_by_words": [*page, words],
        }[name]
        call = SQL("EXECUTE list ({})").format(SQL(", ").join(map(Literal, arguments)))

        listed = [UUID(image["id"]) for (image,) in many.execute(call)]

        assert listed == [id for (id,) in many.execute(PLAIN, plain)]


# Pictures of something else, which come first in each order: newest, oldest, largest, and by name.
OTHERS = """
    INSERT INTO images (id, filename, content_type, byte_size, width, height, content_sha256, title, tags, created_at)
    SELECT
        gen_random_uuid(),
        '!' || n || '.png',
        'image/png',
        100000000,
        10,
        10,
        sha256((moment || ' ' || n)::bytea),
        'Meadow',
        '{street}',
        moment + n * interval '1 second'
    FROM generate_series(1, 1000) AS n
    CROSS JOIN (VALUES (timestamptz '2019-01-01Z'), ('2099-01-01Z')) AS ends (moment)
"""
BEGINNING, END = "'-infinity', md5('')::uuid", "'infinity', md5('')::uuid"
RANKED = """
    SELECT id
    FROM (
        SELECT
            id,
            created_at,
            ts_rank(words, query) + (words @@ images_word_query('{}', 'bridge harb ""', 'whole'))::integer AS rank
        FROM (SELECT * FROM matching ORDER BY created_at DESC, id DESC LIMIT 1000) AS newest
        CROSS JOIN images_word_query('{}', 'bridge harb', 'whole') AS query
    ) AS ranked
    ORDER BY rank DESC, created_at DESC, id DESC
"""
# For each list: the arguments of the first page, the rows that it may read, and the plain query after WITH.
FIRST_PAGES = {
    "list_images_by_words": (
        f"{END}, '-infinity', 50, 'bridge harb'",
        4000,
        "SELECT id FROM matching ORDER BY created_at DESC, id DESC",
    ),
    "list_images_by_terms": (
        f"{END}, '-infinity', 50, '{{tag:street}}', 'bridge harb'",
        6000,
        "SELECT id FROM matching WHERE tags @> '{street}' ORDER BY created_at DESC, id DESC",
    ),
    "list_images_by_relevance": (
        f"{END}, '-infinity', 2, {END}, 50, '{{}}', 'bridge harb'",
        9000,
        RANKED,
    ),
    "list_images_oldest_matching": (
        f"{BEGINNING}, {END}, 50, '{{}}', 'bridge harb'",
        4000,
        "SELECT id FROM matching ORDER BY created_at, id",
    ),
    "list_images_largest_matching": (
        f"9223372036854775807, md5('')::uuid, '-infinity', {END}, 50, 50000, '{{}}', 'bridge harb'",
        10_000,
        "SELECT id FROM matching ORDER BY byte_size DESC, id DESC",
    ),
    "list_images_by_name_matching": (
        f"'', md5('')::uuid, '-infinity', {END}, 50, 'zzz', 50000, '{{}}', 'bridge harb'",
        10_000,
        'SELECT id FROM matching ORDER BY filename COLLATE "C", id',
    ),
}
PLAIN_MATCHES = """
    WITH matching AS MATERIALIZED (
        SELECT images.*, words
        FROM images
        JOIN image_words ON image_id = id
        WHERE words @@ images_word_query('{}', 'bridge harb', 'whole')
    )
"""


@pytest.fixture
def others(many: psycopg.Connection) -> Iterator[psycopg.Connection]:
    with many.transaction(force_rollback=True):
        many.execute(OTHERS.encode())
        yield many


def test_common_words_are_found_behind_images_without_them(others: psycopg.Connection) -> None:
    """A third of the images match, and the index would return all of them."""
    assert FIRST_PAGES.keys() == {name for name, text in QUERIES.items() if "images_rows_to_walk" in text}
    for name, (arguments, read, plain) in FIRST_PAGES.items():
        plan = explain(others, QUERIES[name], arguments, "force_generic_plan")
        others.execute(f"PREPARE {name} AS {QUERIES[name]}".encode())
        listed = [UUID(image["id"]) for image, *_ in others.execute(f"EXECUTE {name} ({arguments})".encode())]
        wanted = [id for (id,) in others.execute(f"{PLAIN_MATCHES} {plain} LIMIT 50".encode())]

        assert (len(listed), listed) == (50, wanted), name
        assert plan.read <= read, name


def test_as_many_images_are_walked_as_match(many: psycopg.Connection) -> None:
    """Or none, if so many would probably not fill the page."""
    for query, page, images in (
        ("harbour", 50, ROWS / 3),
        ("harbour", 1000, ROWS / 3),
        ("harbour", ROWS // 2, 0),
        ("corner & fog", 50, ROWS / 6),
        ("eclipse", 50, 0),
        ("none", 1, 0),
    ):
        [[walked]] = many.execute("SELECT images_rows_to_walk(%s, %s)", (query, page))
        assert walked == pytest.approx(images, rel=0.3), query


def test_a_table_that_vacuum_has_not_seen_is_not_sorted(connection: psycopg.Connection) -> None:
    """Index entries cost more there, and the planner does not know how few of them the query reads."""
    run(connection, "fill_images", "review", first=1, last=20_000)
    connection.execute("ANALYZE")
    for name, words, arguments in CASES:
        if name.startswith(("list_", "read_stats")) and name != "list_tokens":
            plan = explain(connection, QUERIES[name], arguments, "force_generic_plan")
            assert of_ours(plan.sequential) <= {*EMPTY}, (name, words)


def test_the_functions_of_tokens_read_by_their_keys(connection: psycopg.Connection) -> None:
    """EXPLAIN shows a call of a function, not the plans in it. auto_explain shows these."""
    connection.execute(TOKENS.encode())
    connection.execute("UPDATE tokens SET requests_per_second = 5, upload_bytes_per_day = 1000")
    connection.execute("INSERT INTO token_usage (token_id) SELECT id FROM tokens")
    connection.execute("VACUUM ANALYZE tokens, token_usage")
    try:
        connection.execute("LOAD 'auto_explain'")
    except psycopg.errors.UndefinedFile:
        pytest.skip("this PostgreSQL has no auto_explain")
    connection.execute("SET auto_explain.log_min_duration = 0")
    connection.execute("SET auto_explain.log_nested_statements = on")
    connection.execute("SET client_min_messages = log")
    plans: list[str] = []
    connection.add_notice_handler(lambda notice: plans.append(notice.message_primary or ""))
    for call in (
        "SELECT images_find_token(md5('token 7')::uuid)",
        "SELECT images_touch_token(md5('token 7')::uuid)",
        "SELECT images_take_requests(md5('token 7')::uuid, 5)",
        "SELECT images_count_upload_bytes(md5('token 7')::uuid, 5, NULL)",
    ):
        plans.clear()
        connection.execute(call.encode())

        text = "\n".join(plans)
        assert "tokens_pkey" in text, call
        assert "Seq Scan" not in text, text


SORTED = """
    SELECT id
    FROM images
    WHERE {place}
        AND created_at > %(after)s
        AND created_at < %(before)s
        AND tags @> %(tags)s
    ORDER BY {order}
    LIMIT 50
"""
ORDERS = {
    "list_images_largest": ("(byte_size, id) < (%(key)s, %(id)s)", "byte_size DESC, id DESC", (2**63 - 1, 4_000_000)),
    "list_images_by_name": (
        '(filename COLLATE "C", id) > (%(key)s, %(id)s)',
        'filename COLLATE "C", id',
        ("", "IMG_5"),
    ),
}


@pytest.mark.parametrize("tags", ["", "street", "eclipse", "archive"])
@pytest.mark.parametrize("name", ORDERS)
def test_a_list_in_another_order_is_what_the_plain_query_finds(name: str, tags: str, many: psycopg.Connection) -> None:
    """From the beginning and from the middle, of all times, of long and of short ones."""
    place, order, keys = ORDERS[name]
    plain = SORTED.format(place=place, order=order).encode()
    terms = [f"tag:{tags}"] if tags else []
    many.execute("DEALLOCATE ALL")
    many.execute(f"PREPARE list AS {QUERIES[f'{name}_matching' if terms else name]}".encode())
    id = "80000000-0000-0000-0000-000000000000"
    for key in keys:
        for after, before in (
            ("-infinity", "infinity"),
            ("2020-02-01Z", "2020-09-01Z"),
            ("2020-01-01Z", "2020-01-02Z"),
        ):
            arguments = [
                key,
                id,
                after,
                before,
                "00000000-0000-0000-0000-000000000000",
                50,
                *(["zzz"] if name == "list_images_by_name" else []),
                2 * ROWS,
                *([terms, None] if terms else []),
            ]
            call = SQL("EXECUTE list ({})").format(SQL(", ").join(map(Literal, arguments)))

            listed = [row[2] for row in many.execute(call)]

            wanted = {"key": key, "id": id, "after": after, "before": before, "tags": f"{{{tags}}}"}
            assert listed == [id for (id,) in many.execute(plain, wanted)]


def test_a_check_reads_its_range_and_not_the_table(many: psycopg.Connection) -> None:
    """From the beginning, from the middle, and from the end, of all checks, which find nothing."""
    for check in prepare(many):
        plan = check.plan
        [[first]], [[last]] = (execute(many, query).fetchall() for query in (plan.first_key, plan.last_key))
        middle = f"{EPOCH + ROWS // 2 * timedelta(seconds=30)}" if len(first) == 2 else "tag:night"
        for start in (first, [middle, *first[1:]], [last[0], *first[1:]]):
            rows, end, _ = find_range(many, plan, start, last, 2000)
            ends = SQL(", ").join(map(Literal, [*start, *end])).as_string()
            found = explain(many, plan.sql, ends, "force_custom_plan")

            assert rows <= 2000
            assert not found.sequential, check.name
            assert found.read <= 30_000, check.name
            assert found.buffers <= 60_000, check.name


def test_what_is_estimated_is_near(many: psycopg.Connection) -> None:
    many.execute("DEALLOCATE ALL")
    many.execute(f"PREPARE tags AS {QUERIES['list_tags']}".encode())
    many.execute(f"PREPARE stats AS {QUERIES['read_stats']}".encode())

    tags = {
        tag: row["images"]
        for first, last in (("archive", "eclipse"), ("night", "night"), ("street", "street"))
        for tag, row in many.execute(f"EXECUTE tags ('{first}', '{last}', '', 200)".encode())
    }
    [[stats]] = many.execute("EXECUTE stats (10000)")

    assert tags["street"] == pytest.approx(0.3 * ROWS, rel=0.05)
    assert tags["night"] == pytest.approx(0.1 * ROWS, rel=0.05)
    assert tags["city-7"] == pytest.approx(0.02 * ROWS, rel=0.1)
    assert (tags["archive"], tags["eclipse"]) == (1000, ROWS // 50_000)
    assert stats["images"] == pytest.approx(ROWS, rel=0.01)
    assert stats["bytes"] == pytest.approx(ROWS * 4_100_000, rel=0.1)
    assert stats["tags"] == pytest.approx(2054, rel=0.02)
    assert stats["content_types"]["image/jpeg"] == pytest.approx(0.7 * ROWS, rel=0.1)
    assert stats["content_types"]["image/avif"] == ROWS // 50_000
