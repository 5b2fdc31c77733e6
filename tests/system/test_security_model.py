"""The tables of docs/explanation/security-model.md: each requirement has an answer, and each test and file exists."""

import ast
import re
from functools import cache
from pathlib import Path

from app.settings import ROOT

DOCUMENT = (ROOT / "docs" / "explanation" / "security-model.md").read_text()
# The requirements of OWASP ASVS 5.0.0 of the levels 1 and 2: the last number of each section.
SECTIONS = {
    "V1.1": 2,
    "V1.2": 9,
    "V1.3": 11,
    "V1.4": 3,
    "V1.5": 2,
    "V2.1": 3,
    "V2.2": 3,
    "V2.3": 4,
    "V2.4": 1,
    "V3.2": 2,
    "V3.3": 4,
    "V3.4": 6,
    "V3.5": 5,
    "V3.7": 2,
    "V4.1": 3,
    "V4.2": 1,
    "V4.3": 2,
    "V4.4": 4,
    "V5.1": 1,
    "V5.2": 3,
    "V5.3": 2,
    "V5.4": 3,
    "V8.1": 2,
    "V8.2": 3,
    "V8.3": 1,
    "V8.4": 1,
    "V9.1": 3,
    "V9.2": 4,
    "V12.1": 3,
    "V12.2": 2,
    "V12.3": 4,
    "V13.1": 1,
    "V13.2": 5,
    "V13.3": 2,
    "V13.4": 5,
    "V14.1": 2,
    "V14.2": 4,
    "V14.3": 3,
    "V15.1": 3,
    "V15.2": 3,
    "V15.3": 7,
    "V16.1": 1,
    "V16.2": 5,
    "V16.3": 4,
    "V16.4": 3,
    "V16.5": 3,
}
REQUIREMENTS = [f"{section}.{number}" for section, last in SECTIONS.items() for number in range(1, last + 1)]
RISKS = [f"API{number}:2023" for number in range(1, 11)]
ROWS = {row[1]: row[3] for row in re.finditer(r"^\| (V\d\S*|API\d\S*) \| (.+?) \| (.+) \|$", DOCUMENT, re.MULTILINE)}
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
FILE = re.compile(r"`((?:app|deploy|docs|sql|tests)/[\w./-]+|\.?\w+\.(?:md|toml)|\.dockerignore)`")


@cache
def names_in(path: str) -> set[str]:
    """Return the names of the tests in a file, as pytest finds them."""
    module = ast.parse(Path(ROOT, path).read_text())
    return {node.name for node in module.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_each_requirement_has_a_row() -> None:
    assert list(ROWS) == REQUIREMENTS + RISKS
    assert len(REQUIREMENTS) == 150


def test_each_row_has_an_answer_and_a_pass_has_evidence() -> None:
    for name, row in ROWS.items():
        answer, _, text = row.partition(": ")

        assert answer in {"pass", "operator", "does not apply", "open"}, name
        assert answer != "pass" or TEST.search(text) or FILE.search(text), name
        assert len(text) > 10, name


def test_each_test_that_is_named_exists() -> None:
    named = TEST.findall(DOCUMENT)

    assert [(path, test) for path, test in named if not Path(ROOT, path).exists() or test not in names_in(path)] == []
    assert DOCUMENT.count("::test_") == len(named) > 100


def test_each_file_and_heading_that_is_named_exists() -> None:
    headings = {re.sub(r"\W+", "-", line).lower() for line in re.findall(r"^#+ (.+)$", DOCUMENT, re.MULTILINE)}

    assert [name for name in FILE.findall(DOCUMENT) if not Path(ROOT, name).exists()] == []
    assert set(re.findall(r"\]\(#([\w-]+)\)", DOCUMENT)) <= headings
