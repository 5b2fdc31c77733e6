"""Comparison of a migration on two versions of PostgreSQL."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.review.compare import compare
from app.review.measure import Lock, MeasuredRun, Step
from app.review.report import render, report
from app.review.review import Reviewed
from app.schema.headers import rollback_of
from tests.schema.test_migrations import FILES
from tests.support.reviews import reasons, rollback_reasons

PATH: Path = FILES[1]


def lock(mode: str) -> Lock:
    return Lock("images", "images", mode, "writes", 1.0)


def reviewed(*steps: Step, error: str = "", broken: dict[str, str] | None = None) -> Reviewed:
    return Reviewed(
        PATH.stem,
        PATH,
        rollback_of(PATH),
        {"images": 10},
        MeasuredRun(True, list(steps), error=error),
        MeasuredRun(True, list(steps)),
        broken=broken or {},
    )


STEP = Step(3, "ALTER TABLE images", locks=[lock("SHARE")], milliseconds=2.0)
WEAK = [Lock("tokens", "tokens", "ACCESS SHARE", "", 1.0)]  # neither reads nor writes wait
SLOWER = Step(3, "ALTER TABLE images", locks=[lock("SHARE")], milliseconds=900.0, wal=10)


@pytest.mark.parametrize(
    ("other", "up", "down"),
    [
        (reviewed(SLOWER), "", ""),
        (reviewed(Step(3, "", locks=[lock("SHARE"), *WEAK])), "", ""),
        (
            reviewed(error='line 3: syntax error at or near "VIRTUAL"'),
            'unsafe: on PostgreSQL 15.1: it fails: line 3: syntax error at or near "VIRTUAL"\n'
            "care: not on PostgreSQL 15.1: line 3 takes SHARE on images",
            "care: not on PostgreSQL 15.1: line 3 takes SHARE on images",
        ),
        (
            reviewed(Step(3, "", locks=[lock("EXCLUSIVE")], rewritten=["images"])),
            "care: on PostgreSQL 15.1: line 3 takes EXCLUSIVE on images\n"
            "care: on PostgreSQL 15.1: line 3 rewrites images\n"
            "care: not on PostgreSQL 15.1: line 3 takes SHARE on images",
            "care: on PostgreSQL 15.1: line 3 takes EXCLUSIVE on images\n"
            "care: on PostgreSQL 15.1: line 3 rewrites images\n"
            "care: not on PostgreSQL 15.1: line 3 takes SHARE on images",
        ),
        (
            reviewed(STEP, broken={"get_image": "no such column"}),
            "unsafe: on PostgreSQL 15.1: the query get_image fails afterwards: no such column",
            "",
        ),
    ],
    ids=["slower", "weak locks", "fails", "rewrites", "query"],
)
def test_what_differs_on_the_other_version_is_told(other: Reviewed, up: str, down: str) -> None:
    here = reviewed(STEP)

    compare([here], [other], "15.1 (Debian 15.1-1)")

    outcome = report([here], 10, "18.4", datetime.now(UTC))
    [part] = outcome.parts
    told = "\n".join(line for line in reasons(part).splitlines() if "15.1" in line)
    assert (told, rollback_reasons(part)) == (up, down)
    for format in ("text", "markdown", "html"):
        assert "without traffic on 15.1" in render(outcome, format)


def test_locks_that_another_session_watches_are_not_compared() -> None:
    here, there = reviewed(STEP), reviewed(Step(3, "", locks=[lock("EXCLUSIVE")]))
    for each in (here, there):
        each.up.transactional = False

    compare([here], [there], "15.1")

    [part] = report([here], 10, "18.4", datetime.now(UTC)).parts
    assert "15.1" not in reasons(part)


def test_a_review_without_rows_needs_care() -> None:
    here = reviewed(Step(3, "CREATE INDEX CONCURRENTLY", milliseconds=2.0))
    here.rows = {"images": 0}

    [part] = report([here], 10, "18.4", datetime.now(UTC)).parts

    assert reasons(part) == "care: it was measured without rows: write a file sql/review/fill_TABLE.sql for each table"


def test_a_migration_that_the_other_version_does_not_reach_is_unsafe() -> None:
    here = reviewed(STEP)

    compare([here], [], "15.1")

    [part] = report([here], 10, "18.4", datetime.now(UTC)).parts
    assert reasons(part) == "unsafe: on PostgreSQL 15.1: an earlier migration fails"
