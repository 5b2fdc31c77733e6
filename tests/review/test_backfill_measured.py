"""Review of a backfill: the locks and rows of its first batch, and all rows on the way up, down, and up again."""

import psycopg

from tests.support.reviews import ROWS, Try, reasons, rollback_reasons


def test_a_backfill_is_measured_by_its_batch(tried: Try) -> None:
    part = tried(
        "UPDATE images SET description = 'x' WHERE id BETWEEN $1 AND $2 AND description IS NULL;",
        "SELECT 1;",
        header="-- backfill: images\n",
    )

    assert "wait" not in reasons(part)
    assert not part.reviewed.up.is_idle
    [step] = part.reviewed.up.steps
    assert 0 < step.changed["images"] <= 100
    assert step.whole_milliseconds > step.milliseconds
    assert step.wal > ROWS * 50  # bytes, of all rows
    assert {lock.mode for lock in step.locks if lock.relation == "images"} == {"ACCESS SHARE", "ROW EXCLUSIVE"}


def test_a_backfill_of_rows_that_do_not_need_it_says_nothing_of_its_time(tried: Try) -> None:
    part = tried(
        "UPDATE images SET description = 'x' WHERE id BETWEEN $1 AND $2 AND width < 0;",
        "SELECT 1;",
        header="-- backfill: images\n",
    )

    assert "care: no row needed this backfill" in reasons(part)


def test_a_backfill_of_another_table_is_an_error(tried: Try) -> None:
    part = tried("UPDATE images SET description = 'x' WHERE id BETWEEN $1 AND $2;", header="-- backfill: pictures\n")

    assert "unsafe: it fails: 0012_try_it: there is no table pictures." in reasons(part)


LOOP = """DO $$
DECLARE
    last uuid := '00000000-0000-0000-0000-000000000000';
    upto uuid;
BEGIN
    LOOP
        SELECT id INTO upto
        FROM (SELECT id FROM images WHERE id > last ORDER BY id LIMIT 250) AS batch
        ORDER BY id DESC LIMIT 1;
        EXIT WHEN upto IS NULL;
        UPDATE images SET CHANGE AND id > last AND id <= upto;
        COMMIT;
        last := upto;
    END LOOP;
END
$$;"""
OWNER = "ALTER TABLE images ADD COLUMN owner_id bigint;"


def loop(change: str) -> str:
    return LOOP.replace("CHANGE", change)


def test_a_loop_that_commits_its_batches_is_safe(tried: Try, copy: psycopg.Connection) -> None:
    copy.execute(OWNER)

    part = tried(loop("owner_id = 1 WHERE owner_id IS NULL"), "SELECT 1;", header="-- transactional: false")

    assert reasons(part) == rollback_reasons(part) == ""
    assert part.reviewed.up.steps[0].transactions >= ROWS // 250


def test_values_beside_null_that_stay_are_not_lost(tried: Try) -> None:
    part = tried(loop("title = '' WHERE title IS NULL"), "SELECT 1;", header="-- transactional: false")

    assert part.reviewed.proof.lost_by_migration == part.reviewed.proof.lost_after_rollback == []


def test_values_beside_null_that_change_are_counted(tried: Try) -> None:
    part = tried("UPDATE images SET title = COALESCE(upper(title), '');", "SELECT 1;")

    assert part.reviewed.proof.lost_by_migration == [f"images.title: {ROWS // 2:,} of {ROWS // 2:,} values"]


def test_a_loop_that_does_not_commit_is_one_transaction(tried: Try) -> None:
    part = tried(
        loop("title = '' WHERE title IS NULL").replace("        COMMIT;\n", ""), "SELECT 1;", "-- transactional: false"
    )

    assert f"unsafe: line 3 changes {ROWS // 2:,} of {ROWS:,} rows of images" in reasons(part)


def test_a_backfill_in_batches_is_safe(tried: Try, copy: psycopg.Connection) -> None:
    copy.execute(OWNER)

    part = tried(
        "UPDATE images SET owner_id = 1 WHERE id BETWEEN $1 AND $2 AND owner_id IS NULL;",
        "SELECT 1;",
        header="-- backfill: images\n",
    )

    assert reasons(part) == rollback_reasons(part) == ""
