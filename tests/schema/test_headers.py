"""SQL headers: the examples that the review runs are those that the check of sql/ accepts."""

import pytest

from app.lint.check import _example_faults
from app.schema.headers import examples, purpose

QUERY = "SELECT count(*) FROM images WHERE width < $1;\n"


@pytest.mark.parametrize(
    "line",
    [
        "-- example narrow: 10",
        "--example narrow: 10",
        "--  example narrow: 10",
        "-- example narrow:10",
        "-- example narrow : 10 ",
        "--\texample\tnarrow:\t10",
    ],
)
def test_an_example_that_the_check_accepts_is_an_example_of_the_review(line: str) -> None:
    header = f"-- count_images: Counts the narrow images.\n{line}\n"

    assert list(_example_faults(header + QUERY, 1)) == []
    assert examples(header + QUERY) == [("narrow", "10")]
    assert purpose(header + QUERY) == "Counts the narrow images."


@pytest.mark.parametrize(
    "sql",
    [
        f"-- count_images: no.\n-- examples: 10\n{QUERY}",
        f"-- example: the query of this name.\n{QUERY}",
        f"-- count_images: no.\n{QUERY}-- example after the header: 10\n",
    ],
)
def test_a_line_that_the_check_does_not_accept_is_no_example_of_the_review(sql: str) -> None:
    assert [fault.rule for fault in _example_faults(sql, 1)] == ["query-example"]
    assert examples(sql) == [("", "")]
    assert purpose(sql) in {"no.", "the query of this name."}
