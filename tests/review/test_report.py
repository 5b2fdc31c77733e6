"""Report of a review: what the text has of it, and what only the longer formats have."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.review.measure import MeasuredRun
from app.review.plans import Plan
from app.review.report import render, report
from app.review.review import PlanChange, Proof, Reviewed
from app.review.verdict import order
from app.schema.headers import rollback_of
from app.settings import ROOT

PATH: Path = ROOT / "sql" / "migrations" / "0001_create_images.sql"


def test_a_long_line_of_a_difference_shows_the_part_that_differs() -> None:
    trigger = f"trigger images.t: CREATE TRIGGER t AFTER UPDATE OF {'a, ' * 40}"
    proof = Proof(changes=[f"- {trigger}title ON images", f"+ {trigger}caption ON images", "+ column images.b: text"])
    reviewed = Reviewed(PATH.stem, PATH, rollback_of(PATH), {}, MeasuredRun(transactional=True), proof=proof)

    text = render(report([reviewed], 1000, "18.6", datetime.now(UTC), []), "text")

    shown = [line.strip() for line in text.splitlines() if "trigger images.t" in line or "images.b" in line]
    assert [line.split(", ")[-1] for line in shown] == [
        "title ON images",
        "caption ON images",
        "+ column images.b: text",
    ]
    assert all(len(line) <= 110 for line in shown)


@pytest.mark.parametrize(
    ("failing", "expected"), [(0, "no query of"), (1, "1 query of"), (2, "2 queries of")], ids=["none", "one", "two"]
)
def test_the_number_of_queries_that_fail_is_in_words(failing: int, expected: str) -> None:
    errors = {f"list_{each}": "column does not exist" for each in range(failing)}
    reviewed = Reviewed(PATH.stem, PATH, rollback_of(PATH), {}, MeasuredRun(transactional=True), broken=errors)

    sentence = report([reviewed], 1000, "18.6", datetime.now(UTC), []).parts[0].release

    assert sentence.startswith(expected)
    assert sentence.endswith("fail on the new schema" if failing > 1 else "fails on the new schema")


def test_the_text_has_the_rows_again_only_if_they_differ() -> None:
    made = [
        Reviewed(PATH.stem, PATH, rollback_of(PATH), {"images": rows}, MeasuredRun(transactional=True))
        for rows in (1000, 1000, 2000, 2000)
    ]

    text = render(report(made, 1000, "18.6", datetime.now(UTC), []), "text")

    assert [line.strip() for line in text.splitlines() if "rows before" in line] == [
        "rows before: images 1,000",
        "rows before: images 2,000",
    ]


@pytest.mark.parametrize(
    ("number", "shown", "last"),
    [(0, 0, ""), (1, 1, "the plans before"), (5, 5, "the plans before"), (7, 5, "2 more, and the plans before")],
)
def test_the_text_has_a_line_for_each_of_the_first_plans(number: int, shown: int, last: str) -> None:
    """One screen is for the verdict. The plans are in the HTML and in the Markdown."""
    before, after = Plan(("Sort", "  Scan"), 2, 1, 3, 0.1), Plan(("Walk",), 1, 1, 2, 0.1)
    plans = [PlanChange(f"list_{each}", "a page", before, after, changed=True) for each in range(number)]
    plans.append(PlanChange("unlike", "", before, before, changed=False))
    reviewed = Reviewed(PATH.stem, PATH, rollback_of(PATH), {}, MeasuredRun(transactional=True), plans=plans)
    made = report([reviewed], 1000, "18.6", datetime.now(UTC), [])

    text = render(made, "text")
    lines = text[text.index("  plans: ") :].splitlines()

    assert lines[0] == f"  plans: {number} of {number + 1} change"
    assert sum(line.startswith("    list_") for line in lines) == shown
    assert lines[-1].strip().startswith(last)
    assert "Scan" not in text
    for format in ("html", "markdown"):
        assert render(made, format).count("Walk") == number


@pytest.mark.parametrize(
    ("changes", "rules"),
    [
        (
            ["+ constraint images.images_short_check: CHECK ((char_length(filename) <= 20)) NOT VALID"],
            "images_short_check",
        ),
        (
            ["+ index images_title_key: CREATE UNIQUE INDEX images_title_key ON images USING btree (title)"],
            "images_title_key",
        ),
        (['+ index Orders key: CREATE UNIQUE INDEX "Orders key" ON "Orders" USING btree (a)'], "Orders key"),
        (["+ constraint images.b: CHECK (x)", "+ constraint images.a: FOREIGN KEY (y)"], "a or b"),
        (["- constraint images.a: CHECK (x) NOT VALID", "+ constraint images.a: CHECK (x)"], ""),
        (["- constraint images.a: CHECK (x)"], ""),
        (["+ constraint notes.a: CHECK (x)", "+ index notes_pkey: CREATE UNIQUE INDEX notes_pkey ON notes (id)"], ""),
        (["+ index images_title_idx: CREATE INDEX images_title_idx ON images USING btree (title)"], ""),
    ],
)
def test_a_rule_that_rejects_rows_limits_the_order_of_a_release(changes: list[str], rules: str) -> None:
    """The rows of a review fit a rule that rows of clients may violate."""
    rows = {"images": 10, '"Orders"': 10}
    reviewed = Reviewed(PATH.stem, PATH, rollback_of(PATH), rows, MeasuredRun(True), proof=Proof(changes=changes))

    limit = f", if no release writes a row that {rules} rejects: the review tried only its own rows"

    assert order(reviewed) == f"any{limit if rules else ': each release runs on both schemas'}"
