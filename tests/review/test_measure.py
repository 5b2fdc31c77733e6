"""Measured harm: rewrites, scans, locks and index builds that block reads or writes."""

import re

import psycopg
import pytest

from tests.support.reviews import ROWS, Try, reasons


def test_a_rewrite_is_caught(tried: Try) -> None:
    part = tried("ALTER TABLE images ALTER COLUMN byte_size TYPE numeric;")

    assert "unsafe: reads and writes of images wait" in reasons(part)
    assert re.search(r"rewrites images and its \d+ indexes$", reasons(part), re.MULTILINE)
    [step] = part.reviewed.up.steps
    assert step.wal > 1_000_000
    assert step.disk > 1_000_000
    assert ("images", "ACCESS EXCLUSIVE", "reads, writes, other DDL") in [
        (lock.relation, lock.mode, lock.blocks) for lock in step.locks
    ]


def test_a_reindex_without_a_lock_is_safe_and_its_indexes_are_counted(tried: Try) -> None:
    part = tried("REINDEX TABLE CONCURRENTLY images;", header="-- irreversible: it changes no schema")

    assert part.apply.level == "safe"
    [step] = part.reviewed.up.steps
    assert re.fullmatch(r"rewrites \d+ indexes of images", step.work[0])
    assert step.work[1:] == ["waits for earlier transactions"]


def test_a_scan_that_blocks_reads_is_caught(tried: Try) -> None:
    part = tried("ALTER TABLE images ADD CONSTRAINT images_size_check CHECK (byte_size > 0);")

    assert "unsafe: reads and writes of images wait" in reasons(part)
    assert f"line 3 reads {ROWS:,} rows of images" in reasons(part)


def test_a_scan_under_a_lock_of_the_statement_before_is_caught(tried: Try) -> None:
    part = tried("""ALTER TABLE images ADD CONSTRAINT images_size_check CHECK (byte_size > 0) NOT VALID;
        ALTER TABLE images VALIDATE CONSTRAINT images_size_check;""")

    assert f"line 4 reads {ROWS:,} rows of images" in reasons(part)


def test_a_copy_into_a_new_table_of_the_same_name_is_caught(tried: Try) -> None:
    """The work of a statement is that of the table which had the name before, not that of the new one."""
    part = tried("""ALTER TABLE images RENAME TO images_old;
        CREATE TABLE images (LIKE images_old INCLUDING DEFAULTS) PARTITION BY RANGE (created_at);
        CREATE TABLE images_2020 PARTITION OF images DEFAULT;
        INSERT INTO images SELECT * FROM images_old;""")

    assert re.search(
        rf"unsafe: reads and writes of images wait .* line 6 reads {ROWS:,} rows of images$",
        reasons(part),
        re.MULTILINE,
    )
    assert [step.built for step in part.reviewed.up.steps] == [[], [], [], []]
    assert "now reads the whole" not in reasons(part)  # the new table has statistics


def test_a_lock_is_held_to_the_end_of_the_transaction(tried: Try) -> None:
    part = tried("ALTER TABLE images ALTER COLUMN title SET DEFAULT ''; SELECT pg_sleep(0.2) FROM images LIMIT 1;")

    first, second = part.reviewed.up.steps
    [lock] = [lock for lock in first.locks if lock.mode == "ACCESS EXCLUSIVE"]
    assert lock.milliseconds >= first.milliseconds + second.milliseconds > 200
    assert [lock.mode for lock in second.locks if lock.relation == "images"] == ["ACCESS SHARE"]


def test_an_index_built_while_writes_wait_is_caught(tried: Try) -> None:
    part = tried("CREATE INDEX images_width_idx ON images (width);", "DROP INDEX images_width_idx;")

    assert "unsafe: writes of images wait" in reasons(part)
    assert "builds images_width_idx" in reasons(part)
    assert part.reviewed.up.blocked_ms("reads") == 0


def test_a_change_of_every_row_is_caught(tried: Try) -> None:
    part = tried("UPDATE images SET description = NULL WHERE width > 0;")

    assert f"unsafe: line 3 changes {ROWS:,} of {ROWS:,} rows of images" in reasons(part)


def test_a_statement_that_fails_on_the_rows_is_caught(tried: Try) -> None:
    part = tried("CREATE TABLE other (id bigint); ALTER TABLE images ADD CONSTRAINT one_type UNIQUE (content_type);")

    assert 'unsafe: it fails: line 3: could not create unique index "one_type": Key (' in reasons(part)
    assert part.rollback is None


def test_a_unique_index_that_fails_on_the_rows_is_caught(tried: Try) -> None:
    build = "CREATE UNIQUE INDEX CONCURRENTLY one_type ON images (content_type);"

    part = tried(build, header="-- irreversible: for a test\n-- transactional: false")

    assert 'could not create unique index "one_type": Key (' in reasons(part)
    assert "is duplicated, and it may leave an INVALID index that slows down writes" in reasons(part)


@pytest.mark.parametrize("corrects", [False, True])
def test_rows_that_violate_a_constraint_that_is_not_valid_are_told(tried: Try, *, corrects: bool) -> None:
    """A trigger may correct each row that is updated, until a backfill has done the others."""
    trigger = (
        "CREATE FUNCTION narrow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.width := 1; RETURN NEW; END'; "
        "CREATE TRIGGER narrow BEFORE INSERT OR UPDATE ON images FOR EACH ROW EXECUTE FUNCTION narrow();"
    )
    part = tried("ALTER TABLE images ADD CONSTRAINT titled CHECK (width < 2) NOT VALID;" + trigger * corrects)

    why = "care: rows violate titled, so VALIDATE, or an update of such a row, fails: new row for relation"
    assert (why in reasons(part)) is not corrects


@pytest.mark.parametrize(
    "condition",
    ["char_length(filename) <= 200", "char_length(title) <= 150", "capture IS NOT NULL"],
    ids=["file name", "title", "capture"],
)
def test_the_rows_have_values_at_the_limits_of_clients(tried: Try, condition: str) -> None:
    part = tried(f"ALTER TABLE images ADD CONSTRAINT narrower CHECK ({condition}) NOT VALID;")

    assert "rows violate narrower" in reasons(part)


def test_a_table_without_rows_is_reported(tried: Try, copy: psycopg.Connection) -> None:
    copy.execute("CREATE TABLE notes (id bigint)")

    part = tried("CREATE INDEX notes_id_idx ON notes (id);")

    assert "care: it was tried without rows in notes, which may have many" in reasons(part)
    assert "notes 0" in part.tables


def test_a_failed_migration_has_no_order_and_no_proof(tried: Try) -> None:
    part = tried("ALTER TABLE images ALTER COLUMN title SET NOT NULL;")

    assert "unsafe: it fails: line 3: column" in reasons(part)
    assert part.order == "not known: it was not applied"
    assert part.proved == "none: the migration or its rollback failed"


def test_a_failure_of_the_commit_is_not_blamed_on_the_last_statement(tried: Try) -> None:
    part = tried(
        "CREATE TABLE other (id uuid REFERENCES images DEFERRABLE INITIALLY DEFERRED);"
        "INSERT INTO other VALUES (md5('none')::uuid); COMMENT ON TABLE other IS 'x';"
    )

    assert "unsafe: it fails: at the commit: insert or update on table" in reasons(part)


def test_a_build_concurrently_is_safe_and_waits(tried: Try) -> None:
    part = tried(
        "CREATE INDEX CONCURRENTLY images_width_idx ON images (width);",
        "DROP INDEX CONCURRENTLY IF EXISTS images_width_idx;",
    )

    for run in (part.reviewed.up, part.reviewed.down):
        assert run
        [step] = run.steps
        assert step.waits
        assert ("images", "SHARE UPDATE EXCLUSIVE") in [(lock.relation, lock.mode) for lock in step.locks]
        assert run.blocked_ms("reads") == run.blocked_ms("writes") == 0
    assert part.apply.level == "safe"
    assert part.rollback
    assert part.rollback.level == "safe"


def test_a_change_of_only_the_system_catalog_is_safe(tried: Try) -> None:
    part = tried(
        "ALTER TABLE images ALTER COLUMN title SET DEFAULT '';", "ALTER TABLE images ALTER COLUMN title DROP DEFAULT;"
    )

    assert part.apply.level == "safe"
    assert any("reads" in lock.blocks for step in part.reviewed.up.steps for lock in step.locks)
    assert part.reviewed.proof.changes == [
        "- column images.title: text",
        "+ column images.title: text, default ''::text",
    ]
    assert "the same" in part.proved
