"""yoyo's splitter, sqlparse: the constructs that it splits correctly, and one that it does not."""

from pathlib import Path

import pytest
from yoyo.migrations import read_sql_migration

FUNCTION = (
    "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN a; IF b THEN c; END IF; RETURN NEW; END $$;"
)

WHOLE = {
    "a dollar quote": "SELECT $$ one; two; $$;",
    "a tagged dollar quote": "SELECT $a$ one; $$ two; $a$;",
    "a DO block": "DO $$ BEGIN PERFORM 1; PERFORM 2; END $$;",
    "a trigger function": "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN a; RETURN NEW; END $$;",
    "BEGIN ATOMIC": "CREATE FUNCTION f() RETURNS integer LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END;",
    "RETURN": "CREATE FUNCTION f() RETURNS integer LANGUAGE sql RETURN CASE WHEN true THEN 1 ELSE 2 END;",
    "a semicolon in a string": "SELECT 'one; ''two;';",
    "a semicolon in a name": 'SELECT 1 AS "one; two";',
    "a semicolon in a comment": "SELECT 1 -- one; two\n+ 1;",
    "a comment between the parts of a string": "COMMENT ON TABLE t IS\n    'one; '\n    'two';",
    "a semicolon in a block comment": "SELECT /* one; two */ 1;",
}


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("case", WHOLE)
def test_these_stay_whole(tmp_path: Path, case: str, ending: str) -> None:
    path = tmp_path / "0001_split.sql"
    text = f"-- depends: 0000_before\nSELECT 0;\n\n{WHOLE[case]}\n\nSELECT 9;\n"
    path.write_bytes(text.replace("\n", ending).encode())

    directives, _, statements = read_sql_migration(str(path))

    assert directives == {"depends": "0000_before"}
    assert [statement.strip() for statement in statements] == ["SELECT 0;", WHOLE[case], "SELECT 9;"]


def test_nested_block_comments_are_cut_wrongly(tmp_path: Path) -> None:
    path = tmp_path / "0001_split.sql"
    path.write_text("SELECT /* one /* two */ three; */ 1;\n")

    assert len(read_sql_migration(str(path))[2]) == 2
