"""Promises of the documentation: a comment after each names the tests that hold it, and these tests exist."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from app.settings import ROOT
from tests.support import links

TEST = re.compile(r"^ *<!-- (tests/\S+\.py)::(test_\w+) -->$", re.MULTILINE)
# Sections in which each bullet, and each paragraph with a bold beginning, promises something. A section with neither
# promises something as a whole. Figures name their date, or their benchmark, instead of a test.
PROMISING = {
    "README.md": ("Why",),
    "SECURITY.md": ("Threat model",),
    "docs/how-to/api/edit-without-conflicts.md": ("Change only the version that you have seen",),
    "docs/how-to/api/errors-and-retries.md": ("Read an error", "Retry"),
    "docs/how-to/operate/set-up-the-object-store.md": ("Outages of the store", "One store for one catalogue"),
    "docs/how-to/operate/use-a-read-replica.md": ("Read replica", "Several hosts"),
    "docs/how-to/operate/use-pgbouncer.md": ("Behavior",),
    "docs/explanation/migrations.md": (
        "One migrator works at a time",
        "A migration and its record are one transaction",
        "Traffic does not pile up",
        "Files and history are checked first",
        "A rollback names its losses",
        "Backfills and phases",
        "Settings of the server change nothing",
        "Stock yoyo",
    ),
    "docs/how-to/dba/backfill.md": ("Guarantees",),
}


@cache
def names_in(path: Path) -> set[str]:
    if not path.exists():
        return set()
    return {
        node.name
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_each_test_that_a_comment_names_exists() -> None:
    named = [
        (page.name, path, test)
        for page in links.pages()
        for path, test in TEST.findall(page.read_text(encoding="utf-8"))
    ]

    assert len(named) > 40
    assert [each for each in named if each[2] not in names_in(ROOT / each[1])] == []


@pytest.mark.parametrize(("page", "heading"), [(page, each) for page, all in PROMISING.items() for each in all])
def test_each_promise_names_a_test(page: str, heading: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    bullets = re.split(r"^(?:- |(?=\*\*))", section, flags=re.MULTILINE)[1:] or [section]

    without = [each for each in bullets if not TEST.search(each) and "](docs/" not in each]
    assert without == []
