"""Words of a search never meet the terms of filters: `q=type` is a word, and `content_type` is a filter."""

import json

import httpx
import psycopg

from app.settings import ROOT
from tests.support.api import insert

SORTS = ("newest", "oldest", "largest", "name", "captured", "relevance")
# Searches as people type them, and the file names of the images that have the words.
WORDS = {
    "t": "1 2 4",
    "tag": "2",
    "typ": "4",
    "sunset t": "2",
    "sunset typ": "",
    '"type"': "",
    '"type:image/jpeg"': "",
    "=tag:sunset": "",
    "-sunset t": "1 4",
    "sunset or typ": "2 3 4",
}


async def test_words_find_words_only(client: httpx.AsyncClient, connection: psycopg.Connection) -> None:
    insert(connection, filename="1", content_type="image/png", title="Tall tower")
    insert(connection, filename="2", tags=["sunset", "tagged"])
    insert(connection, filename="3", tags=["Sunset"], content_type="image/png")
    insert(connection, filename="4", description="types of boats", tags=["x"])

    async def names(**query: str | int) -> str:
        found = (await client.get("/v1/images", params=query)).json()["images"]
        return " ".join(sorted(image["filename"] for image in found))

    for words, expected in WORDS.items():
        assert {sort: await names(q=words, sort=sort) for sort in SORTS} == dict.fromkeys(SORTS, expected), words
        assert await names(q=words, content_type="image/png") == " ".join(sorted({"1", "3"} & {*expected.split()}))
        counted = (await client.get("/v1/images", params={"q": words, "total": "exact", "limit": 1})).json()
        assert counted["total"]["images"] == len(expected.split()), words
        exported = (await client.get("/v1/images/export", params={"q": words})).text.splitlines()
        assert " ".join(sorted(json.loads(line)["filename"] for line in exported)) == expected


FILES = [
    path for path in sorted((ROOT / "sql" / "migrations").glob("008[1-5]_*.sql")) if ".rollback" not in path.suffixes
]
STEPS = [*(path.with_suffix(".rollback.sql") for path in reversed(FILES)), *FILES]
WRONG = """
    SELECT filename FROM images LEFT JOIN image_words ON image_id = id
    WHERE words IS DISTINCT FROM images_word_document(title, description, filename, tags, content_type)
"""
FORMS = """
    SELECT DISTINCT split_part(word, ':', 1)
    FROM ts_stat('SELECT words FROM image_words')
    WHERE word ~ 'type:'
"""


def forms(connection: psycopg.Connection) -> set[str]:
    """Return the forms of the term of the media type that are stored."""
    return {form for (form,) in connection.execute(FORMS)}


def test_both_forms_of_the_terms_are_found_between_the_migrations(connection: psycopg.Connection) -> None:
    """Images of before each step, and those that are stored, edited and deleted after it."""
    for number, step in enumerate([None, *STEPS]):
        if step:
            connection.execute(step.read_bytes())
        insert(connection, filename=f"{number}.jpg", title="old boat", tags=["it's a \\ 'tag'", "b"])
        edited = f"{number // 2}.jpg"
        connection.execute("UPDATE images SET title = 'boat', tags = tags || '{c}' WHERE filename = %s", [edited])
        for terms, words in ((["tag:b"], None), (["type:image/jpeg", "tag:it's a \\ 'tag'"], "boat"), ([], "boat")):
            row = connection.execute(
                """
                SELECT count(*)
                FROM image_words
                WHERE words @@ images_word_query(%(terms)s, %(words)s, 'whole')
                    AND words @@ images_word_query(%(terms)s, %(words)s, 'rest')
                """,
                {"terms": terms, "words": words},
            ).fetchone()
            assert row == (number + 1,), (step, terms, words)
        assert forms(connection) <= ({"=type"} if number in {0, len(STEPS)} else {"=type", "type"}), step
        if number == len(FILES):
            assert forms(connection) == {"type"}
            assert connection.execute(WRONG).fetchall() == []
    assert connection.execute(WRONG).fetchall() == []
