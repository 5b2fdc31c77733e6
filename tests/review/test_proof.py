"""Proof of a rollback: rows and values that are lost, and a schema that is not restored, are caught."""

import re

import psycopg
import pytest

from tests.support.reviews import ROWS, Try, reasons, rollback_reasons


def test_rows_that_are_lost_without_a_declaration_are_caught(tried: Try) -> None:
    part = tried("DELETE FROM images WHERE id = md5('image 7')::uuid;", "SELECT 1;")

    assert f"unsafe: it permanently loses images: 1 of {ROWS:,} rows, and no header says so" in reasons(part)


def test_values_that_are_lost_without_a_declaration_are_caught(tried: Try) -> None:
    part = tried(
        "ALTER TABLE images DROP COLUMN attributes;",
        "ALTER TABLE images ADD COLUMN attributes jsonb;",
    )

    assert "unsafe: it permanently loses images.attributes: " in reasons(part)


def test_values_of_a_column_that_is_dropped_and_added_again_are_caught(tried: Try) -> None:
    """It is the last column. So no counter of rows, and no name, tells that its values are gone."""
    part = tried("ALTER TABLE images DROP COLUMN thumbhash; ALTER TABLE images ADD COLUMN thumbhash bytea;")

    assert "unsafe: it permanently loses images.thumbhash: " in reasons(part)


def test_a_value_that_differs_after_the_rollback_is_caught(tried: Try) -> None:
    part = tried(
        "UPDATE images SET width = width + 1 WHERE id = md5('image 7')::uuid;",
        "UPDATE images SET width = width - 2 WHERE id = md5('image 7')::uuid;",
    )

    assert "unsafe: it permanently loses images.width: its former values, and no header says so" in reasons(part)


def test_values_that_two_rows_exchange_are_caught(tried: Try) -> None:
    part = tried(
        "COMMENT ON TABLE images IS NULL;",
        """UPDATE images SET byte_size = other.byte_size FROM images AS other
        WHERE (images.id, other.id) IN ((uuid_7, uuid_8), (uuid_8, uuid_7));""".replace(
            "uuid_7", "md5('image 7')::uuid"
        ).replace("uuid_8", "md5('image 8')::uuid"),
    )

    assert "unsafe: it loses images.byte_size: its former values, but its header says" in rollback_reasons(part)


def test_a_declared_loss_needs_care(tried: Try) -> None:
    part = tried("ALTER TABLE images DROP COLUMN attributes;", header="-- irreversible: the column is of no use")

    assert f"care: it permanently loses images.attributes: {ROWS:,} of {ROWS:,} values, as its header says" in reasons(
        part
    )


def test_a_loss_of_what_follows_from_other_columns_needs_a_person(tried: Try) -> None:
    loses = "nothing (it follows from the rest)"
    part = tried("ALTER TABLE images DROP COLUMN attributes;", "ALTER TABLE images ADD attributes jsonb;", loses=loses)

    lost = f"it permanently loses images.attributes: {ROWS:,} of {ROWS:,} values"
    assert f"care: {lost}: confirm the reason in `-- loses: {loses}`" in reasons(part)


def test_a_rollback_that_loses_rows_without_a_declaration_is_caught(tried: Try) -> None:
    part = tried("CREATE TABLE other (id bigint);", "DROP TABLE other; DELETE FROM images;")

    assert (
        f"unsafe: it loses images: {ROWS:,} of {ROWS:,} rows, but its header says `-- loses: nothing`"
        in rollback_reasons(part)
    )
    assert (
        "unsafe: it loses other: every row written since, but its header says `-- loses: nothing`"
        in rollback_reasons(part)
    )
    assert part.apply.level == "safe"
    assert part.is_unproved


@pytest.mark.parametrize("lose", ["TRUNCATE images;", "DELETE FROM images WHERE true;"])
def test_a_table_that_is_emptied_is_not_filled_again(lose: str, tried: Try) -> None:
    part = tried(lose, "SELECT 1;")

    assert f"unsafe: it permanently loses images: {ROWS:,} of {ROWS:,} rows, and no header says so" in reasons(part)
    assert "NOT the same" in part.proved


def test_a_table_that_replaces_another_is_empty(tried: Try) -> None:
    part = tried(
        "ALTER TABLE images RENAME TO images_old; CREATE TABLE images (LIKE images_old INCLUDING ALL);",
        "DROP TABLE images; ALTER TABLE images_old RENAME TO images;",
    )

    assert part.reviewed.proof.lost_by_migration == [f"images: {ROWS:,} of {ROWS:,} rows"]


def test_a_table_of_another_schema_is_not_mistaken_for_ours(tried: Try) -> None:
    part = tried(
        "CREATE SCHEMA archive; CREATE TABLE archive.images AS TABLE images; CREATE TEMP TABLE images (id bigint);",
        "DROP TABLE archive.images; DROP SCHEMA archive;",
        loses="the archive\n-- rows to lose: SELECT count(*) FROM archive.images",
    )

    assert [step.rewritten for step in part.reviewed.up.steps] == [[], [], []]
    assert part.reviewed.down
    assert [lock.relation for lock in part.reviewed.down.steps[0].locks] == ["archive.images"]
    assert part.reviewed.proof.later_data_lost == ["archive.images: every row written since"]


@pytest.mark.parametrize("also", ["", " DELETE FROM images;"])
def test_the_reader_must_confirm_the_reason_why_nothing_is_lost(also: str, tried: Try) -> None:
    """That is for rows that are written later, never for rows that existed before."""
    reason = "nothing (each row follows from images)"

    part = tried("CREATE TABLE other (id bigint);", f"DROP TABLE other;{also}", loses=reason)

    said = f"care: it loses other: every row written since: confirm the reason in `-- loses: {reason}`"
    assert said in rollback_reasons(part)
    assert (
        f"unsafe: it loses images: {ROWS:,} of {ROWS:,} rows, but its header says" in rollback_reasons(part)
    ) == bool(also)
    assert part.is_unproved == bool(also)


def test_a_name_and_a_view_are_not_lost_with_the_rollback(tried: Try) -> None:
    part = tried(
        "ALTER TABLE images RENAME COLUMN title TO heading; CREATE MATERIALIZED VIEW n AS SELECT count(*) FROM images;",
        "DROP MATERIALIZED VIEW n; ALTER TABLE images RENAME COLUMN heading TO title;",
    )

    assert part.reviewed.proof.later_data_lost == []


@pytest.mark.parametrize("type", ["point", "json", "money", "int[]", "tsvector"])
def test_a_changed_value_of_any_type_is_caught(type: str, tried: Try, copy: psycopg.Connection) -> None:
    value = {"point": "(1,2)", "int[]": "{1,2}"}.get(type, "1")
    copy.execute(f"CREATE TABLE odd (id bigint PRIMARY KEY, value {type})".encode())
    copy.execute("INSERT INTO odd VALUES (1, %s)", [value])

    change = "UPDATE odd SET value = 'OTHER';".replace("OTHER", value.replace("1", "3"))
    part = tried(change, "SELECT 1;")

    assert part.reviewed.proof.lost_after_rollback == ["odd.value: its former values"]


def test_a_rollback_that_declares_its_loss_needs_care(tried: Try) -> None:
    part = tried(
        "ALTER TABLE images ADD COLUMN rating smallint;",
        "ALTER TABLE images DROP COLUMN rating;",
        loses="the ratings\n-- rows to lose: SELECT count(*) FROM images WHERE rating IS NOT NULL",
    )

    assert rollback_reasons(part) == "care: it loses images.rating: every value written since, as its header says"
    assert part.apply.level == "safe"
    assert not part.is_unproved


def test_a_generated_column_is_not_lost(tried: Try) -> None:
    part = tried(
        "ALTER TABLE images ADD COLUMN area bigint GENERATED ALWAYS AS (width * height) STORED;",
        "ALTER TABLE images DROP COLUMN area;",
    )

    assert rollback_reasons(part) == ""


def test_a_count_of_lost_rows_that_returns_0_is_caught(tried: Try) -> None:
    part = tried(
        "CREATE TABLE other (id bigint);",
        "DROP TABLE other; DELETE FROM images;",
        loses="rows\n-- rows to lose: SELECT count(*) FROM other",
    )

    assert "unsafe: `-- rows to lose:` counts 0" in rollback_reasons(part)


def test_a_rollback_that_leaves_an_object_is_caught(tried: Try) -> None:
    part = tried(
        "CREATE TABLE other (id bigint); CREATE TABLE another (id bigint);",
        "DROP TABLE other;",
        loses="the others\n-- rows to lose: SELECT count(*) FROM other",
    )

    assert "+ table another" in rollback_reasons(part)
    assert (
        'unsafe: the second apply differs from the first: it fails: relation "another" already exists'
        in rollback_reasons(part)
    )
    assert part.reviewed.stuck


def test_values_that_a_rollback_leaves_are_told(tried: Try) -> None:
    part = tried("UPDATE images SET description = '' WHERE description IS NULL;", "SELECT 1;")

    assert re.search(r"no value is lost\. [\d,]+ values of images\.description stay filled", part.proved)


@pytest.mark.parametrize("names", [("COLUMN title TO heading", "COLUMN heading TO title"), ("TO pictures", None)])
def test_a_rename_loses_nothing(names: tuple[str, str | None], tried: Try) -> None:
    there, back = names
    part = tried(
        f"ALTER TABLE images RENAME {there};",
        f"ALTER TABLE images RENAME {back};" if back else "ALTER TABLE pictures RENAME TO images;",
    )

    proof = part.reviewed.proof
    assert proof.lost_by_migration == proof.lost_after_rollback == []
    if not back:
        assert any(line.startswith("~ images is pictures from now on: ") for line in proof.changes)
        assert len(proof.changes) < 10


def test_the_same_loss_of_many_tables_is_told_once(tried: Try) -> None:
    parts = "; ".join(
        f"CREATE TABLE logs_{year} PARTITION OF logs FOR VALUES FROM ('{year}-01-01') TO ('{year + 1}-01-01')"
        for year in range(2020, 2025)
    )
    part = tried(
        f"CREATE TABLE logs (at date) PARTITION BY RANGE (at); {parts};", "DROP TABLE logs;", loses="the rows of logs"
    )

    assert rollback_reasons(part).splitlines() == [
        "care: it loses logs, logs_2020, logs_2021 and 3 more: every row written since, as its header says"
    ]


def test_a_constraint_that_was_validated_may_stay_so(tried: Try, copy: psycopg.Connection) -> None:
    copy.execute("ALTER TABLE images ADD CONSTRAINT wide CHECK (width > 0) NOT VALID")

    part = tried("ALTER TABLE images VALIDATE CONSTRAINT wide;", "SELECT 1;")

    assert part.rollback
    assert part.rollback.level == "safe", rollback_reasons(part)


def test_another_constraint_after_the_rollback_is_unsafe(tried: Try, copy: psycopg.Connection) -> None:
    copy.execute("ALTER TABLE images ADD CONSTRAINT wide CHECK (width > 0) NOT VALID")

    part = tried(
        "ALTER TABLE images VALIDATE CONSTRAINT wide;",
        "ALTER TABLE images DROP CONSTRAINT wide, ADD CONSTRAINT wide CHECK (width > 1);",
    )

    assert "the schema is not as before" in rollback_reasons(part)
