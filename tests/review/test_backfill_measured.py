"""Review of a backfill: the locks and rows of its first batch, and all rows on the way up, down, and up again."""

from tests.support.reviews import Try, reasons


def test_a_backfill_is_measured_by_its_batch(tried: Try) -> None:
    part = tried(
        "UPDATE images SET description = 'x' WHERE id BETWEEN $1 AND $2 AND description IS NULL;",
        "SELECT 1;",
        header="-- backfill: images\n",
    )

    assert "wait" not in reasons(part)
    [step] = part.reviewed.up.steps
    assert 0 < step.changed["images"] <= 100
    assert {lock.mode for lock in step.locks if lock.relation == "images"} == {"ACCESS SHARE", "ROW EXCLUSIVE"}


def test_a_backfill_of_another_table_is_an_error(tried: Try) -> None:
    part = tried("UPDATE images SET description = 'x' WHERE id BETWEEN $1 AND $2;", header="-- backfill: pictures\n")

    assert "unsafe: it fails: 0012_try_it: there is no table pictures." in reasons(part)
