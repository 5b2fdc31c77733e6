"""Corpus: each migration is measured, and the measurement agrees with the static check."""

from collections.abc import Hashable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.lint.rules import RULES
from app.review.measure import execute
from app.review.releases import Release
from app.review.report import report
from app.review.review import review
from app.review.scratch import Database
from tests.conftest import VERSION
from tests.support.corpus import CASES, Case
from tests.support.exhaustive import one_of_each
from tests.support.reviews import ROWS, few_queries, reasons, rollback_reasons, with_one_example

ALBUM_ROWS = """INSERT INTO albums (name, rating, code, address, seen_at)
    SELECT 'name', 1, n, '10.0.0.0/8', now() FROM generate_series(1, 5000) AS n"""


# Rules of the static check whose harm a measurement on a quiet server cannot show. For some, tests/review/test_trial.py
# has a trial under traffic, which is too slow for each case.
UNSEEN = {
    "blocking-index-drop": "it takes a moment, once the lock is granted",
    "concurrently-whole": "there is no INVALID index that it could accept",
    "create-if-not-exists": "a statement that does nothing harms no other session",
    "hidden-ddl": "the hidden statements are measured themselves",
    "lock-table": "the lock lasts for a moment",
    "lock-timeout-off": "no other session holds a lock",
    "search-path": "it changes where the migration looks, and takes no time",
    "session-setting": "it changes only the migrations after it",
    "system-catalog": "the statement changes nothing",
    "domain-scan": "no table has the domain",
    "trigger-off": "a trial under traffic shows it",
    "queued-writes": "a trial under traffic shows it",
    "function-results": "a trial under traffic shows it",
    "row-security": "a trial under traffic shows it",
    "revoke-breaks": "a trial under traffic shows it",
}
UNSEEN_CASES = {
    "a primary key by an index of what may be NULL": "the table is empty",
    "a merge beside DDL": "the lock comes last, and is short",
    "batches in a loop, in one transaction": "they are few, for a test",
    "a table put in another's place": "only rows that other sessions add are lost, and there are none",
    "a query that deletes all": "it is a query, not a migration",
    "a backfill apart": "no row needs it",
    "a scan after DDL": "the lock is short at so few rows",
    "ANALYZE after DDL": "the lock is short at so few rows",
    "a sleep after DDL": "the sleep is short, for a test",
    "a primary key dropped": "the duplicates come later",
    "a value of an enum renamed": "no query of the release has the type",
    "a type renamed": "no query of the release has the type",
    "a swap that loses the triggers": "a trial under traffic shows it",
    "a LIMIT of another column": "few rows have that type",
    "a LIMIT with ties": "there are few ties",
    "a lock of each row": "nothing else locks the rows",
    "a trigger that raises for some rows": "no example writes such a row",
}
# The planner chooses whether it reads the whole table, and the view that it locks has five rows. The review adds up the
# rows of all batches.
EITHER = {"a refresh", "batches that commit"}
# A batch is a large part of such a small table.
SMALL = {"a batch beside its column", "a batch by WITH"}
BOTH_FAIL = "of the previous release, this, and of this one fails"
# Harm that only a measurement shows, or that the check calls unsafe by a rule that is less strict elsewhere.
PROVED = {
    "a trigger that always raises": f"the query insert_image {BOTH_FAIL}",
    "a trigger that begins with an error": f"the query update_image {BOTH_FAIL}",
    "a publication without the key": f"the query update_image {BOTH_FAIL}",
    "a publication by a column that is not in the key": f"the query update_image {BOTH_FAIL}",
    "a rollback that takes more than was brought": "the schema is not as before",
    "writes that do nothing": f"the query insert_image {BOTH_FAIL}",
    "an example that is too short": "the query count_images of this release fails",
}


def kind_of(case: Case) -> Hashable:
    """Return what two cases share that are measured alike: the rules that they break, or what their statement does."""
    if case.name in {*UNSEEN_CASES, *PROVED, *EITHER, *SMALL}:
        return case.name
    first_words = case.sql.split()[:2]
    return case.finds or tuple(first_words), case.transactional, case.rollback is None


MEASURED = one_of_each(CASES, kind_of)


@pytest.mark.parametrize("case", MEASURED, ids=str)
def test_the_measurement_of_each_case_of_the_corpus_agrees_with_the_check(
    case: Case, scratch_database: Database, tmp_path: Path
) -> None:
    copy = scratch_database.connection
    if case.before:
        execute(copy, case.before, transactional=True)
    if copy.execute("SELECT to_regclass('albums')").fetchone() != (None,):
        copy.execute(ALBUM_ROWS)
        copy.execute("VACUUM ANALYZE albums")
    path = tmp_path / "0901_case.sql"
    mode = "" if case.transactional else "-- transactional: false\n"
    path.write_text(f"{mode}{'' if case.rollback else '-- irreversible: a case'}\n\n{case.sql}")
    if case.rollback:
        path.with_suffix(".rollback.sql").write_text(f"-- loses: what was brought\n{mode}\n{case.rollback}")
    queries = {Path(name).stem: text for name, text in (case.queries or {}).items()}
    release = Release("this", {name: with_one_example(text) for name, text in (few_queries() | queries).items()})

    done = review(
        scratch_database,
        [path],
        {path.stem},
        ROWS,
        release,
        lambda _: release,
        lambda *_: None,
        with_trial=False,
    )

    part = report(done, ROWS, "18", datetime.now(UTC)).parts[0]
    if VERSION < 18 and part.reviewed.up.error:
        pytest.skip("it needs PostgreSQL 18")
    measured = [part.apply.level] + ([part.rollback.level] if part.rollback else [])
    judged = {RULES[rule].level for rule in case.finds - UNSEEN.keys() if rule in RULES}
    if case.name in UNSEEN_CASES:
        assert ("unsafe" in measured, "unsafe" in judged) == (False, True)
    elif case.name in SMALL:
        assert f"reads {ROWS:,} rows of images" in reasons(part)
    elif case.name in PROVED:
        assert ("unsafe" in measured, "unsafe" in judged) == (True, False)
        assert PROVED[case.name] in reasons(part) + (rollback_reasons(part) if part.rollback else "")
    elif case.name not in EITHER:
        assert ("unsafe" in measured) == ("unsafe" in judged), reasons(part)
