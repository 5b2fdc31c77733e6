"""Digests of migration files: comments and white space do not count, everything else does."""

from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from app.schema.digest import digest
from app.schema.history import Record, compare
from app.schema.statements import PLAIN, scanned_tokens, tokens
from app.settings import ROOT
from tests.support.properties import given, st

NAMES = st.text("abcxyzäß_", min_size=1, max_size=5)
TEXTS = st.text("ab'\"$;-/*:\\ é\n", max_size=8)
QUIET = st.text("ab ;'\"$-é", max_size=8)  # for comments and for bodies in dollar quotes
WORDS = st.one_of(
    st.sampled_from(["SELECT", "FROM", "create", ",", "(", ")", ";", "::", "<=", "->>", "[1]", "$1", "*", "+"]),
    NAMES,
    st.integers(0, 10**6).map(str),
    st.decimals(0, 1000, places=2).map(str),
    TEXTS.map(lambda text: '"' + (text or "x").replace('"', '""') + '"'),
    TEXTS.map(lambda text: "'" + text.replace("'", "''") + "'"),
    TEXTS.map(lambda text: "E'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"),
    QUIET.map(lambda text: "$body$" + text.replace("$", "") + " -- in the body\n$body$"),
)
GAPS = st.one_of(
    st.sampled_from([" ", "\n", "\t", "  \n\n ", "\r\n"]),
    QUIET.map(lambda text: f" -- {text}\n"),
    QUIET.map(lambda text: f" /* {text.replace('*', '').replace('/', '')} /* nested */ */ "),
)


STAYS = "s1:375031a302e19977098d0a515a419bfd87dbf735a609114c96ba2778b4fe484c"


# Pieces whose neighbors decide how PostgreSQL's scanner reads them.
PIECES = [
    *("a", "B_1", "select", "E", "e", "U&", "N", "x", "b", "'a'", "''", "'it''s'", "'", '"', "-", "--", "/*", "*/"),
    *("+", "*", "=", "<", ">", "<=", ">=", "<>", "!=", "||", "|", ":", "::", ":=", ".", "..", "1", "12", "1.5", "1e5"),
    *("1_0", ".5", "5.", "0x1f", "$", "$1", "$$", "$a$", '"q"', "(", ")", ",", ";", "[", "]", "%", "@", "~", "é", "=>"),
    *("->", "->>", "not", "null", "with", r"'x\y'", "&", "a$b", "1a", "?", "#", "`", "\\", " ", "\n", "\t", "\v", "\f"),
    *("\r", "-- c\n", "'a\n'", "\n\n"),
]


def current(text: str) -> str:
    return digest(text.encode()).current


@given(st.lists(WORDS, min_size=1, max_size=12), st.data())
def test_comments_and_white_space_do_not_count(words: list[str], data: st.DataObject) -> None:
    gaps = data.draw(st.lists(GAPS, min_size=len(words), max_size=len(words)))

    # The gap of two constants is a blank: after a line break the second would continue the first.
    separated = [
        " " if a.endswith("'") and b.startswith("'") else gap
        for gap, a, b in zip(gaps, words, [*words[1:], ""], strict=True)
    ]

    assert current("".join(f"{word}{gap}" for word, gap in zip(words, separated, strict=True))) == current(
        " ".join(words)
    )


@given(st.lists(WORDS, min_size=1, max_size=12), st.lists(WORDS, min_size=1, max_size=12))
def test_any_other_token_counts(words: list[str], others: list[str]) -> None:
    same = without_end(words) == without_end(others)
    assert (current(" ".join(words)) == current(" ".join(others))) == same


def without_end(words: list[str]) -> list[str]:
    return words if not words or words[-1] != ";" else without_end(words[:-1])


@given(st.lists(WORDS, min_size=1, max_size=12), st.lists(GAPS, max_size=2), st.integers(0, 2), st.data())
def test_the_semicolon_at_the_end_does_not_count_and_any_other_change_does(
    words: list[str], gaps: list[str], semicolons: int, data: st.DataObject
) -> None:
    text = " ".join(words)
    ended = text + "\n" + "".join(f"{';' * semicolons}{gap}" for gap in gaps or [""])
    position = data.draw(st.integers(0, len(words) - 1))
    change = data.draw(st.sampled_from(["added", "removed", "replaced", "swapped"]))
    others = list(words)
    if change == "added":
        others.insert(position, data.draw(WORDS))
    elif change == "removed":
        del others[position]
    elif change == "replaced":
        others[position] = data.draw(WORDS)
    else:
        others[position - 1], others[position] = others[position], others[position - 1]

    assert current(ended) == current(text)
    assert (current(" ".join(others)) == current(ended)) == (without_end(others) == without_end(words))


def test_only_a_semicolon_at_the_end_does_not_count() -> None:
    text = "SELECT 1;\nSELECT 2;\n"

    assert current(text) == current("SELECT 1;\nSELECT 2") == current("SELECT 1; SELECT 2 ; -- end\n;")
    assert current("SELECT 1 SELECT 2;") != current(text)
    assert current("SELECT 1;; SELECT 2;") != current(text)
    assert current("select 1;\nSELECT 2;\n") != current(text)
    assert current("SELECT 1, ';'") != current("SELECT 1,")
    assert current("SELECT ';'") != current("SELECT ''")
    assert current("DO $a$BEGIN NULL; END;$a$") != current("DO $a$BEGIN NULL; END$a$")
    assert current('SELECT 1 AS ";"') != current("SELECT 1 AS")


def test_the_digest_of_a_file_that_ends_with_a_semicolon_stays() -> None:
    """The ledgers of running databases have it."""
    assert digest(b"SELECT 1;\n").current == STAYS


@given(TEXTS, TEXTS)
def test_every_character_of_a_constant_counts(text: str, other: str) -> None:
    def statements(text: str) -> list[str]:
        plain = text.replace("'", "''")
        escaped = text.replace("\\", "\\\\").replace("'", "\\'")
        name = (text or "x").replace('"', '""')
        return [
            f"SELECT '{plain}'",
            f"SELECT E'{escaped}'",
            f"COMMENT ON TABLE a IS '{plain}'",
            f'SELECT "{name}"',
            f"DO $body$ BEGIN -- {text.replace('$', 'S')}\nEND $body$",  # comments inside a body are part of it
        ]

    if (text or "x") != (other or "x") and text.replace("$", "S") != other.replace("$", "S"):
        for one, another in zip(statements(text), statements(other), strict=True):
            assert current(one) != current(another)


@given(st.lists(st.text("ab' -", max_size=5), min_size=2, max_size=4), st.lists(GAPS, min_size=4, max_size=4))
def test_a_constant_of_several_parts_is_one_constant(parts: list[str], gaps: list[str]) -> None:
    quoted = ["'" + part.replace("'", "''") + "'" for part in parts]
    between = ["\n" + gap.replace("/*", "--").replace("*/", "\n") + "\n" for gap in gaps]

    spread = "".join(part + gap for part, gap in zip(quoted, between, strict=False))

    assert current(f"SELECT {spread}") == current("SELECT " + "\n".join(quoted))
    assert current(f"SELECT {spread}") != current("SELECT " + "\n".join([*quoted[:-1], "'x" + quoted[-1][1:]]))


def test_directives_count_and_their_place_does_not() -> None:
    text = "-- Title.\n--\n-- depends: 0001_create_a\n-- transactional: false\n\nSELECT 1;\n"

    assert current("-- transactional: false\n-- Another title.\n-- depends:  0001_create_a\nSELECT 1;") == current(text)
    assert current(text.replace("false", "true")) != current(text)
    assert current(text.replace("0001_create_a", "0001_create_b")) != current(text)
    assert current(text.replace("-- transactional: false\n", "")) != current(text)
    # Below the header yoyo ignores it.
    assert current("-- depends: 0001_create_a\nSELECT 1; -- transactional: false\n") != current(text)


@pytest.mark.parametrize("path", sorted((ROOT / "sql" / "migrations").glob("*.sql")), ids=lambda path: path.stem)
def test_a_comment_can_be_corrected_in_every_file(path: Path) -> None:
    text = path.read_text()

    assert current(text.replace("-- ", "-- Corrected: ", 1)) == current(text)
    assert current(text.replace("\n", "\r\n")) == current(text)


@pytest.mark.parametrize("content", [b"SELECT 'open", b"SELECT '\xe9'", b"SELECT /* open"])
def test_every_byte_of_a_file_that_cannot_be_read_counts(content: bytes) -> None:
    assert digest(content).current != digest(content + b" ").current


def test_a_digest_of_an_earlier_release_is_that_of_the_whole_file() -> None:
    content = b"-- A comment.\nSELECT 1;\n"
    former = sha256(content).hexdigest()

    assert digest(content).matches(former)
    assert digest(content).matches(digest(content).current)
    assert digest(content.replace(b"\n", b"\r\n")).matches(former)
    assert not digest(content.replace(b"comment", b"remark")).matches(former)
    assert digest(content.replace(b"comment", b"remark")).matches(digest(content).current)
    assert not digest(content.replace(b"1", b"2")).matches(digest(content).current)


@pytest.mark.parametrize("kind", ["current", "whole_file"])
def test_a_renamed_file_is_known_by_its_digest_of_either_kind(kind: str) -> None:
    file = digest(b"SELECT 1;")
    record = Record("0001_a", datetime.now(UTC), getattr(file, kind), "apply", "done", *(None,) * 6)

    [old, new] = compare({"0001_b": file}, [record])

    assert (old.state, old.problem) == ("missing", "0001_a is applied, but its file was renamed to 0001_b")
    assert (new.state, new.problem) == ("pending", "")


@given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
def test_plain_text_has_the_tokens_of_the_scanner(text: str) -> None:
    if PLAIN.fullmatch(text):
        assert tokens(text) == scanned_tokens(text)


def test_most_text_of_the_migrations_is_plain() -> None:
    """Otherwise the property above would say little about the files."""
    text = "INSERT INTO x.y (a, b) VALUES (1, 'it''s'), (2.5, NULL);\nUPDATE x SET a = a + 1, b = b::text WHERE a >= 3;"

    assert PLAIN.fullmatch(text)
    assert tokens(text) == scanned_tokens(text)
