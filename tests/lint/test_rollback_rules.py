"""Rules about rollbacks: what they forget, and what they lose although they say that nothing is lost."""

from pathlib import Path

import pytest

from tests.lint.test_check import after_shipped, of_case, write

TABLE = "CREATE TABLE shelves (id bigint PRIMARY KEY, name text);"
FUNCTION = "CREATE FUNCTION shelf() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT 1';"
VIEW = "CREATE VIEW names AS SELECT name FROM object_stores;"
STORED_VIEW = "CREATE MATERIALIZED VIEW names AS SELECT name FROM object_stores;"
TRIGGER_FUNCTION = "CREATE FUNCTION shelve() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
TRIGGER = "CREATE TRIGGER shelves_shelve BEFORE INSERT ON shelves FOR EACH ROW EXECUTE FUNCTION shelve();"


def found(folder: Path, up: str, down: str, loses: str = "nothing (a case)") -> list[str]:
    """Return the rules that the rollback of a migration breaks."""
    sql = after_shipped(folder)
    write(sql, "0901_case", up, rollback=down)
    path = sql / "migrations" / "0901_case.rollback.sql"
    path.write_text(path.read_text().replace("nothing (a case)", loses))
    return [each.rule for each in of_case(sql) if each.path == path]


@pytest.mark.parametrize(
    ("up", "down"),
    [
        (TABLE + FUNCTION, "DROP TABLE shelves;"),
        (TABLE + FUNCTION, "DROP FUNCTION shelf();"),
        (TABLE + VIEW, "DROP TABLE shelves;"),
        (TABLE + STORED_VIEW, "DROP TABLE shelves;"),
        (TABLE + "CREATE TYPE mood AS ENUM ('good');", "DROP TABLE shelves;"),
        (TABLE + "CREATE DOMAIN short AS text;", "DROP TABLE shelves;"),
        (TABLE + "CREATE SEQUENCE shelf_numbers;", "DROP TABLE shelves;"),
        (TABLE + "CREATE SCHEMA attic;", "DROP TABLE shelves;"),
        (TABLE + "CREATE STATISTICS shelf_stx ON width, height FROM images;", "DROP TABLE shelves;"),
        (TABLE + "CREATE EXTENSION pg_trgm;", "DROP TABLE shelves;"),
        (TABLE + "CREATE POLICY every ON tokens USING (true);", "DROP TABLE shelves;"),
        ("ALTER TABLE tokens ADD COLUMN a text, ADD COLUMN b text;", "ALTER TABLE tokens DROP COLUMN b;"),
        ("ALTER TABLE tokens ADD COLUMN a text;", "SELECT 1;"),
        ("ALTER TABLE tokens ADD CONSTRAINT two CHECK (note <> '') NOT VALID;", "SELECT 1;"),
        ("ALTER TABLE tokens RENAME CONSTRAINT tokens_pkey TO tokens_key;", "SELECT 1;"),
    ],
)
def test_a_rollback_after_which_the_migration_fails(tmp_path: Path, up: str, down: str) -> None:
    assert "rollback-incomplete" in found(tmp_path, up, down)


@pytest.mark.parametrize(
    ("up", "down"),
    [
        (TABLE + FUNCTION, "DROP FUNCTION shelf(); DROP TABLE shelves;"),
        (TABLE + FUNCTION.replace("CREATE", "CREATE OR REPLACE"), "DROP TABLE shelves;"),
        (TABLE + "CREATE INDEX shelves_name_idx ON shelves (name);", "DROP TABLE shelves;"),
        (TABLE + TRIGGER_FUNCTION + TRIGGER, "DROP TABLE shelves; DROP FUNCTION shelve();"),
        (
            "CREATE TABLE days (day date NOT NULL) PARTITION BY RANGE (day);"
            "CREATE TABLE days_2027 PARTITION OF days FOR VALUES FROM ('2027-01-01') TO ('2028-01-01');",
            "DROP TABLE days;",
        ),
        ("CREATE SCHEMA IF NOT EXISTS attic;", "SELECT 1;"),
        (TABLE + VIEW, "DROP VIEW names; DROP TABLE shelves;"),
        (TABLE + "CREATE STATISTICS shelf_stx ON id, name FROM shelves;", "DROP TABLE shelves;"),
        (TABLE + "CREATE SEQUENCE shelf_numbers OWNED BY shelves.id;", "DROP TABLE shelves;"),
        ("CREATE STATISTICS stx ON width, height FROM images;", "DROP STATISTICS stx;"),
        ("CREATE TYPE mood AS ENUM ('good'); DROP TYPE mood;", "SELECT 1;"),
        ("DO $$ BEGIN IF to_regclass('a') IS NULL THEN CREATE TABLE a (id bigint); END IF; END $$;", "SELECT 1;"),
        ("SELECT 1;", "SELECT 1;"),
    ],
)
def test_a_rollback_that_undoes_all(tmp_path: Path, up: str, down: str) -> None:
    assert found(tmp_path, up, down) == []


def test_a_rollback_drops_a_trigger_before_its_function(tmp_path: Path) -> None:
    up = TABLE + TRIGGER_FUNCTION + TRIGGER

    assert found(tmp_path, up, "DROP FUNCTION shelve(); DROP TABLE shelves;") == ["rejected"]


@pytest.mark.parametrize(
    ("up", "down"),
    [
        ("ALTER TABLE tokens ADD COLUMN owner text;", "ALTER TABLE tokens DROP COLUMN owner;"),
        ("ALTER TABLE tokens ADD COLUMN n bigint DEFAULT 1;", "ALTER TABLE tokens DROP COLUMN IF EXISTS n;"),
        (TABLE, "DROP TABLE shelves;"),
        (TABLE, "DROP TABLE IF EXISTS shelves CASCADE;"),
        ("INSERT INTO object_stores (name) VALUES ('a');", "DELETE FROM object_stores WHERE name = 'a';"),
        (TABLE, "TRUNCATE shelves; DROP TABLE shelves;"),
    ],
)
def test_nothing_is_said_to_be_lost(tmp_path: Path, up: str, down: str) -> None:
    assert "rollback-loses" in found(tmp_path, up, down, "nothing")


@pytest.mark.parametrize(
    ("up", "down", "loses"),
    [
        (TABLE, "DROP TABLE shelves;", "nothing (each row follows from images)"),
        (TABLE, "DROP TABLE shelves;", "the shelves\n-- rows to lose: SELECT count(*) FROM shelves"),
        (VIEW, "DROP VIEW names;", "nothing"),
        (
            STORED_VIEW,
            "DROP MATERIALIZED VIEW names;",
            "nothing",
        ),
        ("CREATE INDEX CONCURRENTLY a ON tokens (note);", "DROP INDEX CONCURRENTLY IF EXISTS a;", "nothing"),
        (FUNCTION, "DROP FUNCTION shelf();", "nothing"),
    ],
)
def test_the_loss_is_named_or_there_is_none(tmp_path: Path, up: str, down: str, loses: str) -> None:
    assert "rollback-loses" not in found(tmp_path, up, down, loses)


def test_a_function_needs_no_column_that_is_newer(tmp_path: Path) -> None:
    up = "ALTER TABLE tokens ADD COLUMN token uuid;"  # the name of a parameter of images_find_token()

    assert found(tmp_path, up, "ALTER TABLE tokens DROP COLUMN token;") == []


@pytest.mark.parametrize(
    ("up", "down", "is_found"),
    [
        ("UPDATE tokens SET note = note || ' (old)' WHERE note IS NOT NULL;", "SELECT 1;", True),
        ("UPDATE tokens SET requests_per_second = requests_per_second * 2;", "SELECT 1;", True),
        ("UPDATE tokens SET note = concat('old ', note);", "SELECT 1;", True),
        ("DO $$ BEGIN UPDATE tokens SET note = 'old ' || note; END $$;", "SELECT 1;", True),
        ("UPDATE tokens SET note = note || ' (old)' WHERE note NOT LIKE '% (old)';", "SELECT 1;", False),
        ("UPDATE tokens SET note = note || '!';", "UPDATE tokens SET note = left(note, -1);", False),
        ("UPDATE tokens SET note = btrim(note);", "SELECT 1;", False),
        ("UPDATE tokens SET note = name || '!';", "SELECT 1;", False),
        (
            "ALTER TABLE tokens ADD COLUMN n bigint DEFAULT 1; UPDATE tokens SET n = n + 1;",
            "ALTER TABLE tokens DROP COLUMN n;",
            False,
        ),
    ],
)
def test_a_second_apply_changes_the_same_rows_again(tmp_path: Path, up: str, down: str, is_found: bool) -> None:
    assert ("rollback-incomplete" in found(tmp_path, up, down)) == is_found
