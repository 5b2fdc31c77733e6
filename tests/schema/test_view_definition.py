"""Definitions of a view by different versions of PostgreSQL."""

import pytest

from app.schema.drift import compare
from app.schema.view_definition import is_same

SINCE_16 = "SELECT id, upper(name) AS name FROM animals WHERE (id > 3) ORDER BY id;"
BEFORE_16 = "SELECT animals.id, upper(animals.name) AS name FROM animals WHERE (animals.id > 3) ORDER BY animals.id;"
INNER = "SELECT id, ( SELECT count(*) AS count FROM b WHERE (b.a = animals.id)) AS n FROM animals;"


def view(query: str) -> str:
    return f"kind v, persistence p,  {query}"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (SINCE_16, BEFORE_16),
        (INNER, INNER.replace(" id,", " animals.id,", 1)),
        ("WITH c AS (SELECT 1 AS id) SELECT id FROM c;", "WITH c AS (SELECT 1 AS id) SELECT c.id FROM c;"),
        ("SELECT n FROM generate_series(1, 2) n(n);", "SELECT n.n FROM generate_series(1, 2) n(n);"),
        ('SELECT "Id" FROM "A b" x;', 'SELECT x."Id" FROM "A b" x;'),
        ("SELECT id FROM ( SELECT a.id FROM a) x;", "SELECT x.id FROM ( SELECT a.id FROM a) x;"),
        (
            "SELECT id FROM a WHERE (id IN ( SELECT p.id FROM p));",
            "SELECT a.id FROM a WHERE (a.id IN ( SELECT p.id FROM p));",
        ),
    ],
    ids=["one table", "subquery", "WITH", "function", "alias", "derived table", "IN"],
)
def test_the_table_before_its_columns_is_no_difference(one: str, other: str) -> None:
    one, other = view(one), view(other)

    assert is_same(one, other)
    assert is_same(other, one)
    assert compare({"table v": one}, {"table v": other}).every == []


@pytest.mark.parametrize(
    "other",
    [
        view(BEFORE_16.replace("> 3", "> 4")),
        view(BEFORE_16.replace("animals.name", "animals.id")),
        view(BEFORE_16).replace("kind v", "kind m"),
        view(BEFORE_16.replace("ORDER BY animals.id", "ORDER BY animals.id DESC")),
        view(BEFORE_16.replace("FROM animals", "FROM plants")),
        view("SELECT a.id FROM (animals a JOIN b USING (id));"),
        view("SELECT ("),
        view("VALUES (1);"),
        "kind r, persistence p",
    ],
)
def test_another_definition_is_one(other: str) -> None:
    assert not is_same(view(SINCE_16), other)
    assert compare({"table v": view(SINCE_16)}, {"table v": other}).every
