"""Plain English in the project's own text: no file breaks a countable rule of the house style."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import yaml

from tests.support import language, prose


def test_all_files_keep_the_rules() -> None:
    found = [str(each) for path in language.covered() for each in language.check_file(path)]
    assert not found, "\n" + "\n".join(found)


async def test_the_openapi_document_keeps_the_rules(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    found = language.check_text("openapi.json", texts_of(document))
    assert not found, "\n" + "\n".join(map(str, found))


@pytest.mark.parametrize(
    ("path", "read"), [("deploy/alerts.yaml", yaml.safe_load), ("deploy/grafana-dashboard.json", json.loads)]
)
def test_alerts_and_the_dashboard_keep_the_rules(path: str, read: Callable[[str], object]) -> None:
    texts = texts_of(read(Path(path).read_text(encoding="utf-8")))

    assert len(texts) > 15
    found = language.check_text(path, texts)
    assert not found, "\n" + "\n".join(map(str, found))


def test_the_documentation_is_plain() -> None:
    """Guides address the reader. The counts are those of procrastinate and uv, for 1,000 words."""
    pages = [path for path in language.covered() if re.match(r"docs/.*\.md$|(sql/)?README\.md$", path)]
    guides = [path for path in pages if re.match(r"docs/(how-to|tutorials)/|README", path)]

    assert len(guides) > 20
    found = language.counts(pages)
    assert found["semicolons"] < 1
    assert found["clauses with who, what or where as a noun"] < 0.3
    assert found["words"] < 15
    assert found["you"] > 10
    assert language.counts(guides)["you"] > 10


def texts_of(document: object) -> list[str]:
    """Return the descriptions and summaries of an OpenAPI document."""
    if isinstance(document, list):
        return [text for each in document for text in texts_of(each)]
    if not isinstance(document, dict):
        return []
    own = [value for key, value in document.items() if key in {"description", "summary"} and isinstance(value, str)]
    return own + texts_of(list(document.values()))


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("subject", "Who finds none waits in turn."),
        ("subject", "What is not known is rejected."),
        ("subject", "The pool closes a connection; whoever holds it gets an error."),
        ("subject", "The lines are those of what the tests throw."),
        ("subject", "It is slow, and nobody waits for it."),
        ("where-for-if", "Where the store is away, the service returns 503."),
        ("where-for-if", "Return None where there is no index."),
        ("idiom", "The row is for loopback alone."),
        ("idiom", "The index is built anew."),
        ("idiom", "The service refuses the token."),
        ("idiom", "The token is none that is in force."),
        ("idiom", "PORT is 8000 unless told otherwise."),
        ("idiom", "The replica answers while the primary is away."),
        ("idiom", "A request is answered 503, and holds up the others."),
        ("semicolon", "The pool is full; the caller waits."),
        ("31-words", " ".join(["word"] * 31)),
    ],
)
def test_a_comment_that_breaks_a_rule_is_found(rule: str, text: str) -> None:
    source = f"x = 1\n# {text}\ny = 2\n"
    found = [finding for each in prose.passages("app/x.py", source) for finding in language.check(each)]
    assert [(each.line, each.rule) for each in found if each.rule == rule] == [(2, rule)], found


@pytest.mark.parametrize(
    "text",
    [
        "If no connection is free, the caller waits in a queue.",
        "Print who holds the lock, and what to do.",
        "PostgreSQL says `connection refused` or: connection refused.",
        "The folder where the files are is `.data`.",
        "Where is the log? Who reads it?",
        "The statement has a WHERE, and `nobody` is a name.",
        "Exit codes: 0 done; 1 action needed; 2 usage.",
        "The two halves have " + " ".join(["word"] * 20) + ". Each " + " ".join(["word"] * 20) + ".",
    ],
)
def test_plain_text_has_no_finding(text: str) -> None:
    found = [finding for each in prose.passages("app/x.py", f"# {text}\n") for finding in language.check(each)]
    assert not found


@pytest.mark.parametrize(
    ("path", "source", "found"),
    [
        ("app/x.py", 'def f():\n    """The rows."""\n', [(2, "docstring-verb")]),
        ("app/x.py", 'def f():\n    """Returns the rows."""\n', [(2, "docstring-verb")]),
        (
            "app/x.py",
            'def f():\n    """Return the rows.\n\n    None where it is empty.\n    """\n',
            [(4, "where-for-if")],
        ),
        ("app/x.py", 'class A:\n    """Rows: a list."""\n', []),
        ("tests/x.py", 'def test_x():\n    """The rows come back."""\n', []),
        ("app/x.py", 'raise E(f"{name} is refused by the service")\n', [(1, "idiom")]),
        ("app/x.py", "PATIENCE = 5  # seconds\n", [(1, "name")]),
        ("app/x.py", "TIMEOUT = 5\n", [(1, "unit")]),
        ("app/x.py", "TIMEOUT_SECONDS = 5\n", []),
        ("sql/x.sql", "-- x: reads.\n-- Who waits is shown.\nSELECT 1 -- alone\n", [(2, "subject"), (3, "idiom")]),
        (
            "app/x.js",
            "/** What is shown. */\nlet x = 'Nobody is here now'; // anew\n",
            [(1, "subject"), (2, "idiom"), (2, "subject")],
        ),
        ("x.yaml", "# Built anew.\na: 1\n", [(1, "idiom")]),
        ("docs/x.md", "# Title\n\nBuilt anew.\n\n```\nanew\n```\n\n| a | alone |\n", [(3, "idiom"), (9, "idiom")]),
        ("x.html", "<p>Built anew</p>", [(1, "idiom")]),
    ],
)
def test_each_kind_of_file_is_read(path: str, source: str, found: list[tuple[int, str]]) -> None:
    passages = prose.passages(path, source)
    assert sorted((each.line, each.rule) for passage in passages for each in language.check(passage)) == found
