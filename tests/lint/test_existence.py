"""The rule `rejected`, about objects that exist or are needed, compared with PostgreSQL: each is right about a file."""

import psycopg
import pytest

from app.lint import parser
from app.lint.catalog import Catalog
from app.lint.migration_rules import migration_faults
from app.lint.state import MigrationState

VIEWS = """CREATE TABLE notes (id bigint PRIMARY KEY, name text, gone boolean);
CREATE TABLE books (id bigint, name text, note bigint REFERENCES notes (id));
CREATE VIEW names AS SELECT id, name FROM notes;
CREATE MATERIALIZED VIEW many AS SELECT * FROM names;
CREATE UNIQUE INDEX many_id_idx ON many (id);
"""
SAME_NAMES = """CREATE TABLE notes (id bigint PRIMARY KEY, name text);
CREATE TABLE books (id bigint, name text, note bigint REFERENCES notes (id));
CREATE VIEW counted AS SELECT books.name, count(*) AS number FROM books CROSS JOIN notes GROUP BY 1;
CREATE VIEW noted AS SELECT name FROM books WHERE note IN (SELECT id FROM notes);
CREATE VIEW all_books AS SELECT books.* FROM books JOIN notes ON notes.id = note;
"""
TRIGGER = """CREATE TABLE notes (id bigint, name text);
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER touched BEFORE UPDATE ON notes FOR EACH ROW EXECUTE FUNCTION touch();
"""
KIND = """CREATE TYPE kind AS ENUM ('a');
CREATE DOMAIN label AS text;
CREATE SCHEMA aside;
CREATE TABLE notes (id bigint, kind kind, label label);
"""
KEYS = """CREATE TABLE notes (id bigint, name text, CONSTRAINT notes_name_key UNIQUE (name));
CREATE UNIQUE INDEX notes_id_idx ON notes (id);
"""
PARTS = """CREATE TABLE parts (day date) PARTITION BY LIST (day);
CREATE FUNCTION add_part(day date) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TABLE %I (LIKE parts)', 'part_' || to_char(day, 'YYYYMMDD'));
    EXECUTE format('ALTER TABLE %I SET (fillfactor = 90)', 'part_' || to_char(day, 'YYYYMMDD'));
    EXECUTE format(
        'ALTER TABLE parts ATTACH PARTITION %I FOR VALUES IN (%L)', 'part_' || to_char(day, 'YYYYMMDD'), day
    );
END
$$;
SELECT add_part('2026-01-01');
"""
ACCEPTED = {
    "a type under another name": KIND + "ALTER TYPE kind RENAME TO former; CREATE TYPE kind AS ENUM ('b');",
    "a column of a type under another name": KIND + "ALTER TYPE kind RENAME TO former; ALTER TABLE notes DROP kind;"
    "DROP TYPE former; CREATE TYPE former AS ENUM ('b'); CREATE TYPE kind AS ENUM ('b');",
    "a type that was dropped": KIND + "ALTER TABLE notes DROP kind; DROP TYPE kind; CREATE TYPE kind AS ENUM ('b');",
    "a domain that was dropped": KIND + "DROP DOMAIN label CASCADE; CREATE DOMAIN label AS bigint;",
    "a domain under another name": KIND + "ALTER DOMAIN label RENAME TO former; CREATE DOMAIN label AS bigint;",
    "a type in another schema": KIND + "ALTER TYPE kind SET SCHEMA aside; CREATE TYPE kind AS ENUM ('b');",
    "views that CASCADE drops": VIEWS + "DROP VIEW names CASCADE; CREATE MATERIALIZED VIEW many AS SELECT 1 AS id;"
    "CREATE UNIQUE INDEX many_id_idx ON many (id);",
    "a foreign key that CASCADE drops": VIEWS + "DROP TABLE notes CASCADE; CREATE TABLE notes (id bigint);"
    "DROP TABLE notes;",
    "a column with the name of another one": SAME_NAMES + "ALTER TABLE notes DROP COLUMN name;",
    "a trigger that CASCADE drops": TRIGGER + "DROP FUNCTION touch CASCADE;" + TRIGGER.partition("\n")[2],
    "a constraint under the name of its index": KEYS + "ALTER INDEX notes_name_key RENAME TO notes_names;"
    "ALTER TABLE notes DROP CONSTRAINT notes_names;",
    "a constraint with the name of an index": KEYS + "ALTER TABLE notes ADD UNIQUE USING INDEX notes_id_idx;"
    "ALTER TABLE notes DROP CONSTRAINT notes_id_idx;",
    "a constraint that its column takes along": KEYS + "ALTER TABLE notes DROP COLUMN name, "
    "ADD CONSTRAINT notes_name_key UNIQUE (id);",
    "tables with names that are not known": PARTS + "SELECT add_part('2026-01-02');",
    "another primary key by an index": "CREATE TABLE t (id bigint PRIMARY KEY, n bigint NOT NULL);"
    "CREATE UNIQUE INDEX t_n ON t (n); ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY USING INDEX t_n;",
    "SET NOT NULL before ADD COLUMN": KEYS + "ALTER TABLE notes ALTER new SET NOT NULL, ADD new text DEFAULT '';",
    "VALIDATE beside ADD": KEYS + "ALTER TABLE notes VALIDATE CONSTRAINT c, ADD CONSTRAINT c CHECK (id > 0) NOT VALID;",
}
REJECTED = {
    "a type that exists": KIND + "CREATE TYPE kind AS ENUM ('b');",
    "a type that got the name": KIND + "ALTER TYPE kind RENAME TO former; CREATE TYPE former AS ENUM ('b');",
    "a type of a column": KIND + "ALTER TYPE kind RENAME TO former; DROP TYPE former;",
    "a view that stays": VIEWS + "DROP MATERIALIZED VIEW many CASCADE; ALTER TABLE notes DROP COLUMN name;",
    "a column that a view needs": VIEWS + "ALTER TABLE notes DROP COLUMN name;",
    "a trigger of another function": TRIGGER
    + TRIGGER.rpartition("CREATE TRIGGER")[1]
    + TRIGGER.rpartition("CREATE TRIGGER")[2],
    "the former name of a constraint": KEYS + "ALTER INDEX notes_name_key RENAME TO notes_names;"
    "ALTER TABLE notes DROP CONSTRAINT notes_name_key;",
    "a constraint that exists": KEYS + "ALTER TABLE notes ADD CONSTRAINT notes_name_key UNIQUE (id);",
    "a second primary key": "CREATE TABLE t (id bigint PRIMARY KEY, n bigint); ALTER TABLE t ADD PRIMARY KEY (n);",
    "a second primary key by an index": "CREATE TABLE t (id bigint PRIMARY KEY, n bigint NOT NULL);"
    "CREATE UNIQUE INDEX t_n ON t (n); ALTER TABLE t ADD PRIMARY KEY USING INDEX t_n;",
    "a second primary key at a column": "CREATE TABLE t (id bigint PRIMARY KEY);"
    "ALTER TABLE t ADD n bigint PRIMARY KEY;",
    "an index of a constraint": KEYS + "ALTER TABLE notes ADD CONSTRAINT c UNIQUE USING INDEX notes_name_key;",
}


@pytest.mark.parametrize("name", [*ACCEPTED, *REJECTED])
def test_a_file_is_rejected_if_postgresql_rejects_it(admin: psycopg.Connection, name: str) -> None:
    text = (ACCEPTED | REJECTED)[name]
    state = MigrationState("0901_case.sql", Catalog(), [])

    faults = [fault for fault in migration_faults(state, parser.statements(text)) if fault.rule == "rejected"]

    assert is_rejected(admin, text) == bool(faults) == (name in REJECTED), faults


def is_rejected(admin: psycopg.Connection, text: str) -> bool:
    """Run a file in a schema of its own, and roll it back."""
    with admin.transaction(force_rollback=True):
        admin.execute("CREATE SCHEMA trial; SET LOCAL search_path = trial")
        try:
            with admin.transaction():
                admin.execute(text)
        except psycopg.Error:
            return True
    return False
