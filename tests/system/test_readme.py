"""The README fits its size. The pages of the reference that come from the code are those of the code."""

import re

import pytest

from app.settings import NAMES, ROOT
from tests.support import reference

MAX_LINES = 150  # of the README


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= MAX_LINES


@pytest.mark.parametrize("page", ["api.md", "cli.md", "settings.md", "metrics.md"])
def test_a_page_of_the_reference_is_that_of_the_code(page: str) -> None:
    """If this fails: python -m tests.support.reference."""
    path = reference.FOLDER / page

    assert path.read_text() == reference.pages()[path]


def test_the_table_of_settings_is_whole() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \|", (reference.FOLDER / "settings.md").read_text(), re.MULTILINE)

    assert sorted(rows) == sorted(NAMES)
