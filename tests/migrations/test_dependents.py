"""Dependents: objects of a former service that PostgreSQL protects from a change of type, and those that do no harm."""

from pathlib import Path

import psycopg
import pytest
from psycopg.sql import SQL
from yoyo import read_migrations

from app.errors import CommandError
from app.migrations.dependents import reject_prevented
from tests.conftest import as_role, backend_on, yoyo_on
from tests.migrations.test_adoption import contents
from tests.support.legacy import CREATE_ALL, ROWS

# The object, the words that name it in the error, and how to drop it.
REJECTED = {
    "a view": ("CREATE VIEW v AS SELECT title FROM images", "view v", "DROP VIEW v"),
    "a view over all columns": ("CREATE VIEW v AS SELECT * FROM images", "view v", "DROP VIEW v"),
    "a view of a view": (
        "CREATE VIEW v AS SELECT title FROM images; CREATE VIEW w AS SELECT * FROM v",
        "view v",
        "DROP VIEW v CASCADE",
    ),
    "a quoted view elsewhere": (
        'CREATE SCHEMA "Odd"; CREATE VIEW "Odd"."A view" AS SELECT filename FROM images',
        'view "Odd"."A view"',
        'DROP SCHEMA "Odd" CASCADE',
    ),
    "a materialized view": (
        "CREATE MATERIALIZED VIEW m AS SELECT sha256 FROM images",
        "materialized view m",
        "DROP MATERIALIZED VIEW m",
    ),
    "a BEGIN ATOMIC function": (
        "CREATE FUNCTION f() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(title) FROM images; END",
        "function f()",
        "DROP FUNCTION f",
    ),
    "the filter of a publication": (
        "CREATE PUBLICATION p FOR TABLE images WHERE (storage_key <> '')",
        "publication p, by its WHERE or its columns",
        "DROP PUBLICATION p",
    ),
    "the columns of a publication": (
        "CREATE PUBLICATION p FOR TABLE images (id, title)",
        "publication p, by its WHERE or its columns",
        "DROP PUBLICATION p",
    ),
    "a rule of another table": (
        "CREATE TABLE t (a text); CREATE RULE r AS ON INSERT TO t DO ALSO UPDATE images SET title = NEW.a",
        "rule r on t",
        "DROP TABLE t",
    ),
    "a parent": (
        "CREATE TABLE base (title varchar(200)); ALTER TABLE images INHERIT base",
        "parent table base",
        "ALTER TABLE images NO INHERIT base; DROP TABLE base",
    ),
    "a partitioned parent": (
        "CREATE TABLE whole (LIKE images) PARTITION BY LIST (title); ALTER TABLE whole ATTACH PARTITION images DEFAULT",
        "parent table whole",
        "ALTER TABLE whole DETACH PARTITION images; DROP TABLE whole",
    ),
    "the type of the table": (
        "CREATE TYPE t AS (id uuid, filename varchar(255), content_type varchar(100), byte_size bigint, width integer, "
        "height integer, sha256 varchar(64), storage_key varchar(512), title varchar(200), description text, "
        "tags text[], attributes jsonb, created_at timestamptz, updated_at timestamptz); ALTER TABLE images OF t",
        "type t, of which the table is",
        "ALTER TABLE images NOT OF; DROP TYPE t",
    ),
    "a column with the row of the table": ("CREATE TABLE t (a images)", "column t.a", "DROP TABLE t"),
    "a column with rows of the table": ("CREATE TABLE t (a images[])", "column t.a", "DROP TABLE t"),
}

# Objects that PostgreSQL changes with the column, or that do not depend on it.
HARMLESS = {
    "grants": "GRANT SELECT, UPDATE (title) ON images TO PUBLIC",
    "a comment": "COMMENT ON COLUMN images.title IS 'of the former service'",
    "statistics": "CREATE STATISTICS s ON title, filename FROM images",
    "a target of statistics": "ALTER TABLE images ALTER COLUMN title SET STATISTICS 500",
    "a storage": "ALTER TABLE images ALTER COLUMN title SET STORAGE EXTERNAL",
    "the replica identity": "ALTER TABLE images REPLICA IDENTITY FULL",
    "storage parameters": "ALTER TABLE images SET (autovacuum_vacuum_scale_factor = 0.01)",
    "a publication": "CREATE PUBLICATION p FOR TABLE images",
    "a function with text": "CREATE FUNCTION f() RETURNS bigint LANGUAGE sql AS 'SELECT count(title) FROM images'",
    "a view over other columns": "CREATE VIEW v AS SELECT id, width FROM images",
    "a child": "CREATE TABLE child (more text) INHERITS (images)",
    "a foreign key to it": "CREATE TABLE t (a uuid REFERENCES images)",
    "a tablespace": "SET allow_in_place_tablespaces = on; CREATE TABLESPACE aside LOCATION ''",
}
ERROR = "nothing was done, because PostgreSQL would reject a change of type:"
ALTER = "ALTER TABLE images " + ", ".join(
    f"ALTER COLUMN {column} TYPE text" for column in ("filename", "content_type", "sha256", "storage_key", "title")
)


def test_each_dependent_is_named_before_anything_is_applied(empty_database: str) -> None:
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute(CREATE_ALL.encode())
        for case, (made, named, dropped) in REJECTED.items():
            connection.execute(made.encode())
            with pytest.raises(psycopg.Error, match="cannot alter"):  # the reason for the check
                connection.execute(ALTER.encode())
            before = contents(connection)

            done = yoyo_on(empty_database, "apply")

            assert done.returncode == 1, (case, done.stderr)
            assert done.stderr.startswith(
                "error: nothing was done, because PostgreSQL would reject a change of type:\n"
            )
            assert f"\n  {named}: 0003_turn_images_varchars_into_text changes the type of " in done.stderr, case
            assert done.stderr.endswith("hint: drop these objects, run the command again, and create them again\n")
            assert contents(connection) == before, case
            assert connection.execute("SELECT count(*) FROM _yoyo_migration").fetchone() == (0,), case
            connection.execute(dropped.encode())

        assert yoyo_on(empty_database, "apply", "-r", "0004").returncode == 0


def test_several_dependents_are_one_message(empty_database: str) -> None:
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute(CREATE_ALL.encode())
        connection.execute("CREATE VIEW v AS SELECT title FROM images; CREATE VIEW w AS SELECT sha256 FROM images")

    done = yoyo_on(empty_database, "apply")

    assert "\n  view v: " in done.stderr
    assert "\n  view w: " in done.stderr


def test_a_drop_of_what_is_in_use_is_rejected_before_anything_is_done(empty_database: str, tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    folder.mkdir()
    for number, table in enumerate(("parents", "children"), 1):
        depends = "-- depends: 0001_create_parents\n" if number > 1 else ""
        up = f"-- A table.\n{depends}\nCREATE TABLE {table} (id bigint PRIMARY KEY, a text);\n"
        (folder / f"000{number}_create_{table}.sql").write_text(up)
        down = f"-- loses: nothing\n\nDROP TABLE {table};\n"
        (folder / f"000{number}_create_{table}.rollback.sql").write_text(down)
    objects = {
        "view v": ("CREATE VIEW v AS SELECT a FROM parents", "DROP VIEW v"),
        "materialized view v": ("CREATE MATERIALIZED VIEW v AS SELECT a FROM parents", "DROP MATERIALIZED VIEW v"),
        "constraint c_id_fkey on table c": ("CREATE TABLE c (id bigint REFERENCES parents)", "DROP TABLE c"),
    }
    with psycopg.connect(empty_database, autocommit=True) as connection, backend_on(empty_database) as backend:
        migrations = read_migrations(str(folder))
        backend.apply_migrations(backend.to_apply(migrations))
        for object, (create, remove) in objects.items():
            connection.execute(create.encode())

            with pytest.raises(
                CommandError, match="nothing was done, because PostgreSQL would reject a DROP"
            ) as failed:
                backend.rollback_migrations(backend.to_rollback(migrations))

            assert f"\n  {object}: 0001_create_parents.rollback.sql:3 drops parents" in str(failed.value)
            assert connection.execute("SELECT count(*) FROM _yoyo_migration").fetchone() == (2,)
            connection.execute(remove.encode())
        connection.execute("CREATE VIEW v AS SELECT parents.a FROM parents JOIN children USING (id)")
        down = "-- loses: nothing\n\nDROP VIEW v;\nDROP TABLE children;\n"
        (folder / "0002_create_children.rollback.sql").write_text(down)

        backend.rollback_migrations(backend.to_rollback(read_migrations(str(folder))))

        assert connection.execute("SELECT count(*) FROM _yoyo_migration").fetchone() == (0,)


TABLES = """
CREATE TABLE a (id int PRIMARY KEY, n int, m int, gen int GENERATED ALWAYS AS (n + 1) STORED);
CREATE TABLE b (id int, a_id int CONSTRAINT b_a_fkey REFERENCES a); CREATE TABLE c (old b, x int);
CREATE VIEW v AS SELECT n, m FROM a; CREATE VIEW w AS SELECT m FROM v;
CREATE TABLE parent (x int); CREATE TABLE child () INHERITS (parent); CREATE PUBLICATION p FOR TABLE b (id);
"""
# Statements that PostgreSQL runs, because an earlier one took away what would prevent a later one.
POSSIBLE = (
    "ALTER TABLE b DROP COLUMN a_id; DROP VIEW w, v; DROP TABLE a;",
    "DROP TABLE c; DROP VIEW v CASCADE; DROP TABLE b; DROP TABLE a;",
    "ALTER VIEW w RENAME TO x; DROP VIEW x; DROP VIEW v;",
    "ALTER VIEW v RENAME TO w_; CREATE VIEW v AS SELECT 1 AS one; DROP VIEW v;",
    "ALTER TABLE a RENAME TO a_; CREATE TABLE a (id int); DROP TABLE a;",
    "ALTER TABLE a RENAME m TO m_; ALTER TABLE a ADD m int; ALTER TABLE a DROP m;",
    "ALTER TABLE child NO INHERIT parent; DROP TABLE parent;",
    "CREATE SCHEMA aside; ALTER TABLE a SET SCHEMA aside; CREATE TABLE a (); DROP TABLE a;",
    "CREATE SCHEMA aside; ALTER VIEW w SET SCHEMA aside; DROP VIEW aside.w; DROP VIEW v;",
    "DO $$ BEGIN DROP VIEW w; DROP VIEW v; END $$; ALTER TABLE a ALTER m TYPE bigint;",
    "DROP VIEW v CASCADE; ALTER TABLE a ALTER m TYPE bigint;",
    "DROP VIEW w; DROP VIEW v; ALTER TABLE a DROP gen, ALTER n TYPE bigint;",
    "DROP VIEW w; DROP VIEW v; ALTER TABLE a DROP gen; ALTER TABLE a ALTER n TYPE bigint;",
    "ALTER TABLE a RENAME m TO m_; ALTER TABLE a ADD m int; ALTER TABLE a ALTER m TYPE bigint;",
    "ALTER TABLE a RENAME TO a_; CREATE TABLE a (m int); ALTER TABLE a ALTER m TYPE bigint;",
    "ALTER VIEW w RENAME TO x; DROP VIEW x; ALTER VIEW v RENAME TO y; DROP VIEW y; ALTER TABLE a ALTER m TYPE bigint;",
    "ALTER TABLE c DROP old; ALTER PUBLICATION p DROP TABLE b; ALTER TABLE b ALTER id TYPE bigint;",
    "ALTER TABLE child NO INHERIT parent; ALTER TABLE child ALTER x TYPE bigint;",
)
# Statements that it rejects, with the object that prevents them.
IMPOSSIBLE = {
    "ALTER TABLE b DROP COLUMN id; DROP VIEW w; DROP TABLE a;": "view v",
    "ALTER TABLE b ADD z int; DROP VIEW w, v; DROP TABLE a;": "constraint b_a_fkey on table b",
    "ALTER VIEW w RENAME TO x; ALTER TABLE a DROP m;": "view v",
    "ALTER TABLE c RENAME TO d; ALTER TABLE a ALTER m TYPE bigint;": "view v",
    "ALTER TABLE a DROP gen; ALTER TABLE a ALTER n TYPE bigint;": "view v",
}


def test_statements_are_compared_with_what_postgresql_does(empty_database: str, tmp_path: Path) -> None:
    file = tmp_path / "0001_change_all.sql"
    with psycopg.connect(empty_database) as connection:
        connection.execute(TABLES.encode())
        connection.commit()
        for sql in POSSIBLE:
            file.write_text(f"-- irreversible: a test\n\n{sql}\n")

            reject_prevented(connection, [file])

            connection.execute(sql.encode())
            connection.rollback()
        for sql, object in IMPOSSIBLE.items():
            file.write_text(f"-- irreversible: a test\n\n{sql}\n")
            with pytest.raises(CommandError, match=f"\n  {object}: "):
                reject_prevented(connection, [file])
            with pytest.raises(psycopg.Error):
                connection.execute(sql.encode())
            connection.rollback()


def test_what_does_no_harm_is_adopted(empty_database: str) -> None:
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute(CREATE_ALL.encode())
        connection.execute(ROWS.encode())
        for made in HARMLESS.values():
            for each in made.split("; "):
                connection.execute(each.encode())
        connection.execute("ALTER TABLE images SET TABLESPACE aside")
        _, rows = contents(connection)

        done = yoyo_on(empty_database, "apply")

        assert done.returncode == 0, done.stderr
        assert contents(connection)[1] == rows
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("DROP PUBLICATION p")
        connection.execute("DROP TABLESPACE aside")


SCHEMAS = {
    "another schema comes first": ("app", "app,public", "the search_path leads to schema app, but schema public has"),
    "a schema has the name of the role": (
        "postgres",
        '"$user",public',
        "leads to schema postgres, but schema public has",
    ),
}


@pytest.mark.parametrize("case", SCHEMAS)
def test_an_installation_is_never_split_over_two_schemas(empty_database: str, case: str) -> None:
    schema, path, said = SCHEMAS[case]
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute(CREATE_ALL.encode())
        connection.execute(SQL(f"CREATE SCHEMA {schema}; SET search_path = {path}"))
        [(name,)] = connection.execute("SELECT current_database()")
        connection.execute(SQL(f"ALTER DATABASE {name} SET search_path = {path}"))

        done = yoyo_on(empty_database, "apply")

        assert done.returncode != 0
        assert said in done.stderr
        assert "the table images" in done.stderr
        assert connection.execute("SELECT to_regclass('_yoyo_migration')").fetchone() == (None,)

    alone = yoyo_on(as_role(f"{empty_database}&options=-csearch_path%3Dpublic", "postgres"), "apply", "-r", "0001")
    assert alone.returncode == 0, alone.stderr
