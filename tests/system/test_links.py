"""Links of all Markdown pages: each leads to a file, and each anchor to a heading."""

import re
from pathlib import Path

import pytest

from app.settings import ROOT
from tests.support import links

PAGE = """# A page

## Two words: `code`, and more

## Twice

## Twice

```sh
# no heading
```
"""


def test_no_link_of_a_page_is_dead() -> None:
    found = links.pages()

    assert len(found) > 20
    assert [link for page in found for link in links.dead_links(page)] == []


def test_each_file_that_a_page_names_is_there() -> None:
    """CHANGELOG.md is left out, because files of earlier releases may be gone. So are files with a part in capitals."""
    pattern = re.compile(r"`((?:sql|app|tests|deploy|docs|benchmarks|requirements)/[\w/.-]*)`")
    named = [
        (page.name, name)
        for page in links.pages()
        if page.name != "CHANGELOG.md"
        for name in pattern.findall(page.read_text(encoding="utf-8"))
    ]

    assert len(named) > 50
    gone = [each for each in named if not re.search(r"[A-Z]{4}", each[1]) and not (ROOT / each[1]).exists()]
    assert [each for each in gone if each[1] != "sql/drift.ignore"] == []  # optional


@pytest.mark.parametrize(
    ("link", "dead"),
    [
        ("[a](#two-words-code-and-more)", False),
        ("[a](#twice-1)", False),
        ("[a](other.md#a-page)", False),
        ("[a\nb](other.md)", False),
        ("[`a`](https://example.org/x#y)", False),
        ("`[a](none.md)`", False),
        ("```\n[a](none.md)\n```", False),
        ("[a](#no-heading)", True),
        ("[a](#twice-2)", True),
        ("[a](none.md)", True),
        ("[a](other.md#none)", True),
        ("[a\nb](none.md)", True),
        ("![a](none.svg)", True),
        ("[![a](other.md)](none.md)", True),
        ("[a]: none.md", True),
        ('<img alt="a" src="other.md">', False),
        ('<img src="https://example.org/x.png">', False),
        ('`<img src="none.webp">`', False),
        ('<img alt="a" src="none.webp">', True),
        ('<picture>\n  <source media="(x)" srcset="none.webp">\n</picture>', True),
    ],
)
def test_a_dead_link_is_found(tmp_path: Path, link: str, dead: bool) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"{PAGE}\n{link}\n")
    (tmp_path / "other.md").write_text(PAGE)

    assert bool(links.dead_links(page)) == dead
