"""Equal tags: in any case, in any Unicode form, with blanks around them, shown as they were first written."""

# ruff: noqa: RUF001  # letters of many scripts

import json
import unicodedata
from typing import Any

import httpx
import psycopg
import pytest
from yoyo import read_migrations

from app.catalogue import tag_keys
from tests.conftest import backend_on, yoyo_on
from tests.schema.test_migrations import CONTRACTS, MERGE
from tests.support.api import faults, insert, upload
from tests.support.pictures import picture
from tests.support.properties import few, given, settings, st

PATCH = {"Content-Type": "application/merge-patch+json"}
JPEG = {"Content-Type": "image/jpeg"}
# Each row has tags that are equal. Tags of different rows are different.
EQUAL = [
    ["Beach", "beach", "BEACH", " beach\t", "bea\u200bch", "\ufeffBeach", "Ｂｅａｃｈ"],
    ["Café", "café", "CAFÉ", unicodedata.normalize("NFD", "Café")],
    ["cafe", "Cafe"],
    ["Istanbul", "ISTANBUL"],
    ["ıstanbul", "ıSTANBUL"],
    ["İstanbul", "i̇stanbul"],
    ["Straße", "STRASSE", "STRAẞE", "strasse"],
    ["Ελλάς", "ΕΛΛΆΣ", "ελλάσ"],
    ["ﬁnal", "final", "FINAL"],
    ["Ǆungla", "ǆungla", "DŽungla"],
    ["Москва", "МОСКВА"],
    ["❤️", "❤"],
    ["👍🏽"],
    ["👍"],
    ["🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"],
    ["🏴"],
    ["東京"],
    ["new york", "New\u00a0York"],
    ["newyork"],
    ["Ꭰ", "ꭰ"],
    ["Ა", "ა"],
    ["𐐀", "𐐨"],
]
SPACES = {"Cc", "Cf", "Zs", "Zl", "Zp"}
LETTERS = st.characters(exclude_characters="\0", exclude_categories=["Cs", "Cn"])
ODD = st.sampled_from("ıİiIßẞςσΣﬁéÉ\u0301\u0307\u0345ͅᾳ\u200b\u200d\ufe0f\u00a0 \tK㎏ﷺ🏽👍Ǆǅ")
TEXTS = st.text(st.one_of(LETTERS, ODD), min_size=1, max_size=30)


def test_the_database_and_the_service_agree_on_each_letter(connection: psycopg.Connection) -> None:
    """Each letter that has a case, or another form, and all invisible characters."""
    odd = [
        letter
        for letter in map(chr, [*range(1, 0xD800), *range(0xE000, 0x20000), *range(0xE0000, 0xE0200)])
        if letter.casefold() != letter or letter.upper() != letter or unicodedata.category(letter) in SPACES
    ]
    rows = connection.execute(
        "SELECT images_tag_key(odd), images_merge_tags('{}', ARRAY[odd]) FROM unnest(%s::text[]) AS odd", [odd]
    ).fetchall()

    assert [key for key, _ in rows] == list(map(tag_keys.key, odd))
    assert [merged for _, merged in rows] == [[tag_keys.clean(tag)] if tag_keys.key(tag) else [] for tag in odd]


def test_the_database_and_the_service_agree_on_each_text(connection: psycopg.Connection) -> None:
    @settings(max_examples=few(200))
    @given(st.lists(st.one_of(TEXTS, st.sampled_from([tag for row in EQUAL for tag in row])), max_size=5))
    def check(tags: list[str]) -> None:
        [row] = connection.execute(
            "SELECT images_merge_tags('{}', %s), ARRAY(SELECT images_tag_key(tag) FROM unnest(%s::text[]) AS tag)",
            [tags, tags],
        ).fetchall()
        merged, keys = row
        seen = [tag for tag in tags if tag_keys.key(tag)]
        assert keys == list(map(tag_keys.key, tags))
        assert merged == tag_keys.distinct(map(tag_keys.clean, seen))

    check()


@given(TEXTS)
def test_a_clean_tag_stays_clean_and_keeps_its_key(tag: str) -> None:
    cleaned, key = tag_keys.clean(tag), tag_keys.key(tag)

    assert tag_keys.clean(cleaned) == cleaned
    assert tag_keys.key(cleaned) == key
    assert tag_keys.key(key) == key
    assert tag_keys.key(unicodedata.normalize("NFD", tag)) == key


def test_equal_tags_have_one_key() -> None:
    keys = [{tag_keys.key(tag) for tag in row} for row in EQUAL]

    assert [len(found) for found in keys] == [1] * len(EQUAL)
    assert len(set.union(*keys)) == len(EQUAL)


async def test_images_are_found_by_any_spelling(client: httpx.AsyncClient, connection: psycopg.Connection) -> None:
    ids = [[insert(connection, tags=[tag]) for tag in row] for row in EQUAL]

    listed = (await client.get("/v1/tags", params={"limit": 200})).json()["tags"]
    assert [(tag["tag"], tag["images"]) for tag in listed] == sorted(
        ((row[0], len(row)) for row in EQUAL), key=lambda tag: tag_keys.key(tag[0])
    )
    assert (await client.get("/v1/stats")).json()["tags"] == len(EQUAL)
    for row, expected in zip(EQUAL, ids, strict=True):
        for tag in row:
            found = (await client.get("/v1/images", params={"tag": tag, "total": "exact"})).json()
            assert {image["id"] for image in found["images"]} == set(expected), tag
            assert found["total"]["images"] == len(expected)
    exported = (await client.get("/v1/images/export", params={"tag": "STRASSE"})).text.splitlines()
    assert {json.loads(line)["id"] for line in exported} == set(ids[6])
    for prefix in ("BEA", "bea", "ｂｅ"):
        assert [tag["tag"] for tag in (await client.get("/v1/tags", params={"prefix": prefix})).json()["tags"]] == [
            "Beach"
        ]


async def test_each_way_in_cleans_the_tags(client: httpx.AsyncClient, connection: psycopg.Connection) -> None:
    given_tags, kept = [" Boat ", "boat", "BOAT", "Cafe\u0301", "CAFÉ", "sea"], ["Boat", "Café", "sea"]

    form = await upload(client, picture(seed=1), tags=given_tags)
    raw = await client.post("/v1/images", params={"tag": given_tags}, content=picture(seed=2), headers=JPEG)
    record = form | {"id": None, "sha256": "ab" * 32, "tags": given_tags}
    await client.post("/v1/images/import", content=json.dumps(record), headers={"Content-Type": "application/x-ndjson"})

    assert form["tags"] == raw.json()["tags"] == kept
    [row] = connection.execute("SELECT tags FROM images WHERE images_sha256_text(content_sha256) = %s", ["ab" * 32])
    assert row[0] == kept


async def test_a_change_keeps_a_tag_as_it_was_first_written(client: httpx.AsyncClient) -> None:
    image = await upload(client, tags=["beach", "Sea"])

    async def change(*tags: str) -> Any:
        response = await client.patch(f"/v1/images/{image['id']}", json={"tags": tags}, headers=PATCH)
        assert response.status_code == 200, response.text
        return response.json()["tags"]

    assert await change("beach", "Sea", "BEACH") == ["beach", "Sea"]
    assert await change("SEA", "Beach", "Sun") == ["Sea", "beach", "Sun"]
    assert await change("Sun") == ["Sun"]
    assert await change("Beach", "sun") == ["Beach", "Sun"]


@pytest.mark.parametrize("tag", [" ", "\u200b", "\ufeff \u00ad", "\u3000", "\ufe0f"])
async def test_a_tag_that_cannot_be_seen_is_wrong(client: httpx.AsyncClient, tag: str) -> None:
    assert faults(await client.get("/v1/images", params={"tag": tag})) == ["tag"]


async def test_the_length_counts_after_the_blanks_are_gone(client: httpx.AsyncClient) -> None:
    tag = unicodedata.normalize("NFD", "é" * 100)

    assert (await upload(client, tags=[f"  {tag} "]))["tags"] == ["é" * 100]
    assert faults(await client.get("/v1/images", params={"tag": "e" * 101})) == ["tag"]


def test_each_release_finds_its_terms(database: str) -> None:
    """Between the phases expand and contract, an image is listed under both spellings."""

    def terms(connection: psycopg.Connection) -> list[tuple[str, int]]:
        found = connection.execute("SELECT substr(term, 5), count(*) FROM image_terms GROUP BY 1 ORDER BY 1")
        return [(term, number) for term, number in found if "/" not in term]

    written = ["Beach", "beach", " Sea", "Cafe\u0301", "", None]
    with psycopg.connect(database, autocommit=True) as connection:
        assert yoyo_on(database, "rollback", "-r", "0071_vacuum_image_terms").returncode == 0
        first = insert(connection, tags=written)
        before = terms(connection)

        assert yoyo_on(database, "apply", "-r", "0073_fill_image_terms").returncode == 0
        insert(connection, tags=["Beach"])
        both = [(" Sea", 1), ("", 1), ("Beach", 2), ("Cafe\u0301", 1), ("beach", 2), ("café", 1), ("sea", 1)]
        assert sorted(terms(connection)) == sorted(both)

        assert yoyo_on(database, "rollback", "-r", "0071_vacuum_image_terms").returncode == 0
        connection.execute("DELETE FROM images WHERE id <> %s", [first])
        assert terms(connection) == before

        with backend_on(database) as backend:
            backend.released = frozenset(CONTRACTS)
            backend.apply_migrations(backend.to_apply(read_migrations("sql/migrations")))
        assert terms(connection) == [("beach", 1), ("café", 1), ("sea", 1)]
        assert connection.execute("SELECT tags FROM images").fetchall() == [(["Beach", "Sea", "Café"],)]


def test_a_rollback_under_traffic_leaves_no_term_of_a_key(database: str) -> None:
    """Between the rollbacks of 0072 and 0071, edits and removals know only the tags as they are written."""
    with psycopg.connect(database, autocommit=True) as connection:
        for tags in (["Fog"], ["Rain"], ["Sun", "sun"], ["Sea"]):
            insert(connection, title=tags[0], tags=tags)
        assert yoyo_on(database, "rollback", "-r", "0072_replace_images_terms").returncode == 0
        connection.execute("UPDATE images SET tags = '{}' WHERE title = 'Fog'")
        connection.execute("UPDATE images SET tags = '{sun}' WHERE title = 'Sun'")
        connection.execute("DELETE FROM images WHERE title = 'Rain'")

        assert yoyo_on(database, "rollback", "-r", "0071_vacuum_image_terms").returncode == 0

        found = connection.execute("SELECT term FROM image_terms WHERE term LIKE 'tag:%' ORDER BY term").fetchall()
        assert found == [("tag:Sea",), ("tag:sun",)]
        wrong = """
            SELECT title FROM images LEFT JOIN image_words ON image_id = id
            WHERE words IS DISTINCT FROM images_word_document(title, description, filename, tags, content_type)
        """
        assert connection.execute(wrong).fetchall() == []


def test_a_rollback_restores_the_tags_of_an_image_that_was_edited_otherwise(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        assert yoyo_on(database, "rollback", "-r", MERGE).returncode == 0
        for title in ("kept", "renamed", "tagged"):
            insert(connection, title=title, tags=["Beach", "beach", " Sea"])
        [(before,)] = connection.execute("SELECT updated_at FROM images WHERE title = 'kept'").fetchall()
        with backend_on(database) as backend:
            backend.released = frozenset(CONTRACTS)
            backend.apply_migrations(backend.to_apply(read_migrations("sql/migrations")))
        connection.execute("UPDATE images SET title = 'other', updated_at = now() WHERE title = 'renamed'")
        connection.execute("UPDATE images SET tags = '{Sea}', updated_at = now() WHERE title = 'tagged'")

        assert yoyo_on(database, "rollback", "-r", MERGE).returncode == 0

        assert connection.execute("SELECT title, tags FROM images ORDER BY title").fetchall() == [
            ("kept", ["Beach", "beach", " Sea"]),
            ("other", ["Beach", "beach", " Sea"]),
            ("tagged", ["Sea"]),
        ]
        assert connection.execute("SELECT updated_at FROM images WHERE title = 'kept'").fetchone() == (before,)
