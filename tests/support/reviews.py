"""Reviews in tests: the rows of a table, the reasons of a verdict, and the command."""

from collections.abc import Callable
from subprocess import CompletedProcess

from app.review import releases
from app.review.report import Part
from app.schema.headers import example_lines
from tests.conftest import environment
from tests.support import forked

ROWS = 2_000  # in each table

Try = Callable[..., Part]

# One query of each kind that reads or writes images and its derived tables. The others use the same columns, and would
# double the time of the test.
FEW = {
    "delete_image",
    "find_contents",
    "get_content",
    "get_image",
    "get_image_by_sha256",
    "insert_image",
    "list_images",
    "list_images_by_terms",
    "update_image",
}


def few_queries() -> dict[str, str]:
    return {name: with_one_example(text) for name, text in releases.present().queries.items() if name in FEW}


def with_one_example(query: str) -> str:
    removed = {example.line for example in example_lines(query)[1:]}
    return "".join(line for number, line in enumerate(query.splitlines(keepends=True), 1) if number not in removed)


def reasons(part: Part) -> str:
    return "\n".join(f"{reason.level}: {reason.text}" for reason in part.apply.measured)


def rollback_reasons(part: Part) -> str:
    assert part.rollback
    return "\n".join(f"{reason.level}: {reason.text}" for reason in part.rollback.measured)


def run_review(*arguments: str, **variables: str) -> "CompletedProcess[str]":
    return forked.run(environment(**variables), "images", "schema", "review", *arguments, timeout=120)
