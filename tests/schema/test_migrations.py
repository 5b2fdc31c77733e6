"""The migrations: their schema, their rollbacks, and their cost."""

import re
import subprocess
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlparse
from psycopg.sql import SQL, Identifier, Placeholder
from yoyo import read_migrations
from yoyo.migrations import MigrationList

from app.settings import ROOT
from tests.conftest import BIN, backend_on, environment, yoyo_on
from tests.support.legacy import CREATE_ALL, ROWS

FOLDER = ROOT / "sql" / "migrations"
FILES = sorted(path for path in FOLDER.glob("*.sql") if not path.name.endswith(".rollback.sql"))
IDS = [path.stem for path in FILES]
READ_FROM_BYTES = ("capture", "captured_at", "location", "color", "thumbhash")  # columns that no migration fills
SHORT_ROWS = ROWS.replace("300000", "300")  # the test of adoption has the long ones
MERGE = "0075_merge_images_tags"
CONTRACTS = [path.stem for path in FILES if "\n-- phase: contract\n" in path.read_text()]


def rollback_of(path: Path) -> Path:
    return path.with_suffix(".rollback.sql")


def schema(connection: psycopg.Connection) -> list[str]:
    text = (ROOT / "sql" / "inspect" / "schema.sql").read_bytes()
    return [line for (line,) in connection.execute(text, prepare=True).fetchall()]  # to plan it takes half of the time


def rows(connection: psycopg.Connection) -> list[tuple[Any, ...]]:
    """Return the images, with sha256 and storage_key also while the columns are gone, or not yet filled again."""
    found = [row for (row,) in connection.execute("SELECT to_jsonb(images) FROM images ORDER BY id", prepare=False)]
    for row in found:
        content = row.pop("content_sha256", None)
        own_key = row.pop("own_key", None)
        assert [row.pop(name, None) for name in READ_FROM_BYTES] == [None] * len(READ_FROM_BYTES)
        if row.get("sha256") is None:
            text = bytes.fromhex(content.removeprefix(r"\x"))
            row |= {"sha256": text.hex() if len(text) == 32 else text[33:].decode(), "storage_key": own_key}
        row["updated_at"] = datetime.fromisoformat(row["updated_at"])  # PostgreSQL leaves out zeros at its end
    return [tuple(sorted(row.items())) for row in found]


def merged(images: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return the images as 0075 leaves them."""
    found: list[dict[str, Any]] = [dict(image) for image in images]
    for row in found:
        tags = list(dict.fromkeys(tag for tag in row["tags"] if tag))
        if tags != row["tags"]:
            row |= {"tags": tags, "updated_at": row["updated_at"] + timedelta(seconds=1)}
    return [tuple(sorted(row.items())) for row in found]


def test_the_first_one_makes_what_create_all_made(empty_database: str) -> None:
    with psycopg.connect(empty_database) as legacy:
        legacy.execute(CREATE_ALL.encode())
        made_by_create_all = schema(legacy)
        legacy.rollback()

    done = yoyo_on(empty_database, "apply", "--revision", IDS[0])

    assert done.returncode == 0, done.stderr
    with psycopg.connect(empty_database) as connection:
        assert schema(connection) == made_by_create_all
        assert len(made_by_create_all) == 1 + 14 + 1 + 4


def test_each_goes_up_down_and_up_again_to_the_same_schema_and_rows(empty_database: str) -> None:
    """All go up, then down, and up again. So each of them starts from the state that its neighbor left."""
    states = []  # below each migration, and above the last one
    with (
        psycopg.connect(empty_database, autocommit=True) as connection,
        backend_on(empty_database) as backend,
    ):
        connection.execute(CREATE_ALL.encode())
        connection.execute(SHORT_ROWS.encode())
        legacy = rows(connection)
        backend.released = frozenset(IDS)  # those of the phase contract, too
        migrations = read_migrations("sql/migrations")
        states.append(schema(connection))
        for migration in migrations:
            backend.apply_migrations(MigrationList([migration]))
            states.append(schema(connection))
            assert rows(connection) == (merged(legacy) if migration.id >= MERGE else legacy), migration.id

        # The rollback of the first one drops the table.
        above = [*zip(migrations, states, states[1:], strict=False)][1:]
        for migration, before, _ in reversed(above):
            backend.rollback_migrations(MigrationList([migration]))
            assert schema(connection) == before, migration.id
            assert rows(connection) == (merged(legacy) if migration.id > MERGE else legacy), migration.id

        for migration, _, after in above:
            backend.apply_migrations(MigrationList([migration]))
            assert schema(connection) == after, migration.id
            assert rows(connection) == (merged(legacy) if migration.id >= MERGE else legacy), migration.id


def test_what_a_rollback_loses_is_declared(database: str) -> None:
    declared = {
        name: re.findall(r"^-- loses: (.+)", rollback_of(path).read_text(), re.MULTILINE)
        for name, path in zip(IDS, FILES, strict=True)
    }
    assert [name for name, loses in declared.items() if not loses[0].startswith("nothing")] == [
        "0001_create_images",
        "0026_create_tokens",
        "0028_create_object_stores",
        "0030_create_content_checks",
        "0032_add_tokens_columns",
        "0033_create_token_usage",
        "0035_create_token_events",
        "0055_add_images_capture",
    ]

    done = yoyo_on(database, "rollback", "--all")

    assert done.returncode == 0, done.stderr
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT to_regclass('images')").fetchall() == [(None,)]


def test_nothing_is_rewritten_on_the_way_up(empty_database: str) -> None:
    """The files of the table, and of each index that stays, do not change."""
    files = "SELECT relname, relfilenode FROM pg_class WHERE relname IN ('images', 'images_pkey') OR relname ~ %s"
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute(CREATE_ALL.encode())
        connection.execute(SHORT_ROWS.encode())
        before: dict[str, int] = dict(connection.execute(files, ["^ix_images_sha256$"]).fetchall())

        yoyo_on(empty_database, "apply")

        after: dict[str, int] = dict(connection.execute(files, ["^images_sha256_key$"]).fetchall())
    after["ix_images_sha256"] = after.pop("images_sha256_key")
    assert after == before
    assert len(before) == 3


def test_stock_yoyo_applies_and_rolls_back_the_same_files(empty_database: str) -> None:
    stock = empty_database.replace("postgresql://", "postgresql+psycopg://")

    def stock_yoyo(*arguments: str) -> None:
        command: list[str | Path] = [
            BIN / "yoyo",
            *arguments,
            "--no-config-file",
            "--batch",
            "--database",
            stock,
            "sql/migrations",
        ]
        subprocess.run(command, cwd=ROOT, env=environment(), check=True, capture_output=True, timeout=60)

    stock_yoyo("apply")
    with psycopg.connect(empty_database, autocommit=True) as connection:
        made_by_stock_yoyo = schema(connection)
        stock_yoyo("rollback", "--all")
        assert schema(connection) == []
        yoyo_on(empty_database, "apply")
        assert schema(connection) == made_by_stock_yoyo
        stock_yoyo("rollback")  # after the project's own backend
        assert len(yoyo_on(empty_database, "list").stdout.split("\nU")) == 2


def test_everything_has_a_comment(connection: psycopg.Connection) -> None:
    bare = connection.execute("""
        SELECT attname FROM pg_attribute
        WHERE attrelid = 'images'::regclass AND attnum > 0 AND NOT attisdropped
            AND col_description(attrelid, attnum) IS NULL
        UNION ALL
        SELECT relname FROM pg_class
        WHERE (oid = 'images'::regclass OR oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = 'images'::regclass))
            AND obj_description(oid, 'pg_class') IS NULL
        UNION ALL
        SELECT conname FROM pg_constraint
        WHERE conrelid = 'images'::regclass AND contype = 'c' AND obj_description(oid, 'pg_constraint') IS NULL
        UNION ALL
        SELECT proname FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace AND obj_description(oid, 'pg_proc') IS NULL
    """).fetchall()

    assert bare == []


def test_the_documentation_names_each_index_in_the_order_of_the_database(connection: psycopg.Connection) -> None:
    """After an upgrade of glibc or ICU, this order can be another one, and only REINDEX gives it to the index."""
    text = (ROOT / "docs/how-to/dba/upgrade-the-operating-system.md").read_text()

    found = connection.execute("""
        SELECT indexrelid::regclass::text
        FROM pg_index
        JOIN pg_class ON pg_class.oid = indrelid
        WHERE relnamespace = current_schema()::regnamespace
            AND relname !~ 'yoyo'
            AND indcollation::oid[] && ARRAY(SELECT oid FROM pg_collation WHERE collname = 'default')
    """)

    named = [line.split()[-1].strip("'") for line in text.splitlines() if "REINDEX INDEX CONCURRENTLY" in line]
    assert {name for (name,) in found} == {*named}


def test_a_value_too_long_violates_a_named_check(connection: psycopg.Connection) -> None:
    limits = {"filename": 255, "content_type": 100, "own_key": 512, "title": 200}
    fitting = dict.fromkeys(limits, "x") | {"byte_size": 1, "width": 1, "height": 1}
    for number, (column, limit) in enumerate(limits.items()):
        row = fitting | {column: "é" * limit, "content_sha256": bytes([number]) * 32}
        insert = SQL("INSERT INTO images ({}) VALUES ({})").format(
            SQL(", ").join(map(Identifier, row)), SQL(", ").join(map(Placeholder, row))
        )
        connection.execute(insert, row)
        row[column] = "é" * (limit + 1)
        with pytest.raises(psycopg.errors.CheckViolation, match=f"images_{column}_check"):
            connection.execute(insert, row)


def test_search_finds_words_of_every_field_and_weighs_them(connection: psycopg.Connection) -> None:
    document = """
        SELECT images_word_document(
            'Red Car', 'parked Überall', 'IMG_2041.street-view.jpg', ARRAY['old town', 'übung'], 'image/png'
        ) @@ images_word_query('{}', %s, 'whole')
    """
    found = [
        "red",
        "CAR",
        "überall",
        "img",
        "2041",
        "street",
        "view",
        "jpg",
        "town",
        "ÜBUNG",
        '"old town"',
        "red -blue",
    ]
    for words in found:
        assert connection.execute(document, [words]).fetchone() == (True,), words
    for words in ("blue", "carts", "stree view", '"town old"', "red -car"):
        assert connection.execute(document, [words]).fetchone() == (False,), words


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_each_file_keeps_the_conventions(path: Path) -> None:
    text, rollback = path.read_text(), rollback_of(path).read_text()
    number = FILES.index(path) + 1
    assert re.fullmatch(rf"{number:04}_[a-z]+_[a-z0-9_]+\.sql", path.name)
    assert re.findall(r"^-- (What|Why|Locks|Cost):", text, re.MULTILINE) == ["What", "Why", "Locks", "Cost"]
    assert re.findall(r"^-- (loses|Locks|Cost):", rollback, re.MULTILINE) == ["loses", "Locks", "Cost"]
    expands = [name for name in IDS[: number - 1] if name not in CONTRACTS]
    depends = re.findall(r"^-- depends: (.+)", text, re.MULTILINE)
    assert depends in ([IDS[number - 2]], expands[-1:]) if number > 1 else depends == []
    alone = re.search("CONCURRENTLY|COMMIT|VACUUM", re.sub("--.*", "", text)) is not None
    for sql in (text, rollback):
        assert ("\n-- transactional: false\n" in sql) == alone
        if alone:
            assert len(sqlparse.split(sql)) == 1
