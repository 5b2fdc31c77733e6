"""Splitters of yoyo: sqlparse, as stock yoyo has it, and PostgreSQL's parser, which this project lets it use."""

from importlib.util import find_spec, module_from_spec
from pathlib import Path

import pytest

from app.migrations import splitting

SPEC = find_spec("yoyo.migrations")
assert SPEC is not None
assert SPEC.loader is not None
STOCK = module_from_spec(SPEC)  # a second copy, which app/migrations/splitting.py has not changed
SPEC.loader.exec_module(STOCK)
SPLITTERS = {"stock yoyo": STOCK.read_sql_migration, "this project": splitting.read_sql_migration}

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
@pytest.mark.parametrize("splitter", SPLITTERS)
def test_these_stay_whole(tmp_path: Path, splitter: str, case: str, ending: str) -> None:
    path = tmp_path / "0001_split.sql"
    text = f"-- depends: 0000_before\nSELECT 0;\n\n{WHOLE[case]}\n\nSELECT 9;\n"
    path.write_bytes(text.replace("\n", ending).encode())

    directives, _, statements = SPLITTERS[splitter](str(path))

    assert directives == {"depends": "0000_before"}
    expected = ["SELECT 0;", WHOLE[case], "SELECT 9;"]
    assert [f"{statement.strip().removesuffix(';')};" for statement in statements] == expected


def test_only_sqlparse_cuts_nested_block_comments_wrongly(tmp_path: Path) -> None:
    path = tmp_path / "0001_split.sql"
    path.write_text("SELECT /* one /* two */ three; */ 1;\n")

    assert {name: len(split(str(path))[2]) for name, split in SPLITTERS.items()} == {"stock yoyo": 2, "this project": 1}
