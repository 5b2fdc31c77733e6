"""Replacements: statements that PostgreSQL would reject are found before, and no others. PostgreSQL is the judge."""

from pathlib import Path

import psycopg
import pytest

from app.errors import CommandError
from app.migrations.dependents import reject_prevented

OBJECTS = """
CREATE TABLE a (id int PRIMARY KEY, n int, m text); CREATE TABLE b (id int, a_id int REFERENCES a);
CREATE VIEW v AS SELECT id, n FROM a; CREATE MATERIALIZED VIEW mat AS SELECT n FROM a; CREATE SEQUENCE s;
CREATE INDEX a_n ON a (n); CREATE STATISTICS st ON n, m FROM a; CREATE TABLE taken (n int);
CREATE FUNCTION f(x text, y int DEFAULT 1) RETURNS text LANGUAGE sql AS 'SELECT x';
CREATE FUNCTION many(int) RETURNS SETOF int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION pair(OUT x int, OUT y int) LANGUAGE sql AS 'SELECT 1, 2'; CREATE PROCEDURE p(x int) LANGUAGE sql AS '';
CREATE COLLATION c (provider = libc, locale = 'C'); ALTER TABLE a ADD COLUMN words text COLLATE c;
CREATE COLLATION unused (provider = libc, locale = 'C');
CREATE TEXT SEARCH CONFIGURATION t (COPY = simple); CREATE INDEX a_words ON a USING gin (to_tsvector('t', m));
CREATE TEXT SEARCH CONFIGURATION t_unused (COPY = simple);
CREATE TABLE whole (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE piece PARTITION OF whole DEFAULT;
CREATE TABLE target (id int PRIMARY KEY); ALTER TABLE piece ADD FOREIGN KEY (id) REFERENCES target;
CREATE TABLE mother (x int, y int); CREATE TABLE child (z int) INHERITS (mother);
CREATE TABLE dated (d date, n int) PARTITION BY RANGE (d);
"""
STATEMENTS = """
DROP VIEW a
DROP TABLE v
DROP VIEW mat
DROP VIEW IF EXISTS mat
DROP MATERIALIZED VIEW mat
DROP TABLE s
DROP SEQUENCE s
DROP TABLE a_n
DROP INDEX a_n
DROP VIEW IF EXISTS none
DROP VIEW v; CREATE TABLE v (); DROP TABLE v
CREATE TEMP TABLE v (n int); DROP TABLE v
CREATE TEMP TABLE v AS SELECT 1 AS n; DROP TABLE v
SELECT 1 AS n INTO TEMP v; DROP TABLE v
ALTER VIEW v RENAME TO w; CREATE TABLE v (); DROP TABLE v
CREATE OR REPLACE VIEW a AS SELECT 1
CREATE OR REPLACE VIEW mat AS SELECT 1
CREATE OR REPLACE VIEW v AS SELECT id FROM a
CREATE OR REPLACE VIEW v AS SELECT id, n FROM a
CREATE OR REPLACE VIEW v AS SELECT id, n, m FROM a
CREATE OR REPLACE VIEW v AS SELECT n, id FROM a
CREATE OR REPLACE VIEW v AS SELECT id, n + 1 AS n FROM a
CREATE OR REPLACE VIEW v AS SELECT id, n AS k FROM a
CREATE OR REPLACE VIEW v (id, n) AS SELECT n, id FROM a
CREATE OR REPLACE VIEW v (id, k) AS SELECT id, n FROM a
CREATE OR REPLACE VIEW v AS SELECT id, n FROM a UNION SELECT 1, 2
CREATE OR REPLACE VIEW v AS SELECT a.id, a.n FROM a JOIN b USING (id)
CREATE OR REPLACE VIEW w AS SELECT 1
CREATE OR REPLACE TEMP VIEW v AS SELECT 1 AS other
DROP VIEW v; CREATE OR REPLACE VIEW v AS SELECT n FROM a
ALTER VIEW v RENAME COLUMN n TO k; CREATE OR REPLACE VIEW v AS SELECT id, n AS k FROM a
CREATE OR REPLACE FUNCTION f(x text, y int DEFAULT 2) RETURNS text LANGUAGE sql AS 'SELECT x'
CREATE OR REPLACE FUNCTION f(x text, y int) RETURNS text LANGUAGE sql AS 'SELECT x'
CREATE OR REPLACE FUNCTION f(z text, y int DEFAULT 1) RETURNS text LANGUAGE sql AS 'SELECT z'
CREATE OR REPLACE FUNCTION f(text, y int DEFAULT 1) RETURNS text LANGUAGE sql AS 'SELECT $1'
CREATE OR REPLACE FUNCTION f(x text, y int DEFAULT 1) RETURNS varchar LANGUAGE sql AS 'SELECT x'
CREATE OR REPLACE FUNCTION f(x text, y int DEFAULT 1) RETURNS SETOF text LANGUAGE sql AS 'SELECT x'
CREATE OR REPLACE FUNCTION f(x text, y int DEFAULT 1) RETURNS text[] LANGUAGE sql AS 'SELECT ARRAY[x]'
CREATE OR REPLACE FUNCTION f(x text) RETURNS int LANGUAGE sql AS 'SELECT 1'
DROP FUNCTION f; CREATE OR REPLACE FUNCTION f(z text, y int) RETURNS int LANGUAGE sql AS 'SELECT 1'
CREATE OR REPLACE FUNCTION many(x int) RETURNS SETOF integer LANGUAGE sql AS 'SELECT 2'
CREATE OR REPLACE FUNCTION many(x int) RETURNS integer LANGUAGE sql AS 'SELECT 2'
CREATE OR REPLACE FUNCTION pair(OUT x int, OUT y int) LANGUAGE sql AS 'SELECT 3, 4'
CREATE OR REPLACE PROCEDURE p(x int) LANGUAGE sql AS ''
CREATE OR REPLACE PROCEDURE p(z int) LANGUAGE sql AS ''
CREATE OR REPLACE FUNCTION p(x int) RETURNS int LANGUAGE sql AS 'SELECT 1'
CREATE TYPE new AS (n int); CREATE FUNCTION f(x new) RETURNS int LANGUAGE sql AS 'SELECT 1'
CREATE TYPE new AS (n int); CREATE OR REPLACE FUNCTION f(x new) RETURNS int RETURN 1; DROP FUNCTION f(new)
CREATE FUNCTION f(x a.n%TYPE) RETURNS int LANGUAGE sql AS 'SELECT 1'
CREATE OR REPLACE FUNCTION g(x a.n%TYPE) RETURNS int LANGUAGE sql AS 'SELECT 1'
TRUNCATE a
TRUNCATE b
TRUNCATE a, b
TRUNCATE a CASCADE
ALTER TABLE b DROP CONSTRAINT b_a_id_fkey; TRUNCATE a
ALTER TABLE b DROP COLUMN a_id; TRUNCATE a
DROP TABLE b; TRUNCATE a
TRUNCATE target
TRUNCATE target, whole
ALTER TABLE child DROP COLUMN x
ALTER TABLE child DROP COLUMN z
ALTER TABLE mother DROP COLUMN x
ALTER TABLE mother DROP COLUMN x; ALTER TABLE mother DROP COLUMN y
ALTER TABLE child NO INHERIT mother; ALTER TABLE child DROP COLUMN x
ALTER TABLE dated ALTER COLUMN d TYPE timestamp
ALTER TABLE dated ALTER COLUMN n TYPE bigint
DROP TABLE dated; CREATE TABLE dated (d date); ALTER TABLE dated ALTER COLUMN d TYPE timestamp
DROP COLLATION c
DROP COLLATION unused
ALTER TABLE a DROP COLUMN words; DROP COLLATION c
DROP TEXT SEARCH CONFIGURATION t
DROP TEXT SEARCH CONFIGURATION t_unused
DROP INDEX a_words; DROP TEXT SEARCH CONFIGURATION t
CREATE VIEW w AS SELECT id FROM taken AS x (id); DROP TABLE taken
CREATE VIEW w AS SELECT n FROM taken; ALTER TABLE taken DROP COLUMN n
CREATE VIEW w AS SELECT * FROM taken; ALTER TABLE taken DROP COLUMN n
CREATE VIEW w AS SELECT 1 AS n FROM taken ORDER BY n; ALTER TABLE taken DROP COLUMN n
CREATE VIEW w AS SELECT x.n FROM generate_series(1, 2) AS x (n), taken; ALTER TABLE taken DROP COLUMN n
CREATE VIEW w AS SELECT count(*) FROM taken; ALTER TABLE taken DROP COLUMN n
CREATE VIEW w AS SELECT n FROM taken; DROP VIEW w; DROP TABLE taken
CREATE VIEW w AS SELECT n FROM taken; DROP TABLE taken CASCADE
CREATE VIEW w AS SELECT n FROM taken; CREATE OR REPLACE VIEW w AS SELECT id AS n FROM b; DROP TABLE taken
CREATE VIEW w AS SELECT n FROM taken; ALTER VIEW w RENAME TO x; DROP VIEW x; DROP TABLE taken
CREATE VIEW w AS WITH taken AS (SELECT 1 AS n) SELECT n FROM taken; DROP TABLE taken
CREATE MATERIALIZED VIEW w AS SELECT n FROM taken; DROP TABLE taken
CREATE TEMP TABLE taken (k int); CREATE VIEW w AS SELECT n FROM public.taken; DROP TABLE taken
CREATE VIEW w AS SELECT n FROM taken; DO 'BEGIN DROP VIEW w; END'; DROP TABLE taken
CREATE TABLE more (n int REFERENCES target); DROP TABLE piece; DROP TABLE target
CREATE TABLE more (n int REFERENCES target); DROP TABLE piece; DROP TABLE more; DROP TABLE target
CREATE TABLE more (n int REFERENCES target); DROP TABLE piece; DROP TABLE target, more
CREATE TABLE more (n int REFERENCES target); DROP TABLE piece; ALTER TABLE more DROP COLUMN n; DROP TABLE target
CREATE TABLE m (n int REFERENCES target); DROP TABLE piece; ALTER TABLE m DROP CONSTRAINT m_n_fkey; DROP TABLE target
CREATE TABLE more (n int PRIMARY KEY, up int REFERENCES more); DROP TABLE more
CREATE TABLE more () INHERITS (taken); DROP TABLE taken
CREATE TABLE more () INHERITS (taken); ALTER TABLE more NO INHERIT taken; DROP TABLE taken
CREATE TABLE more (n int, CONSTRAINT taken PRIMARY KEY (n))
CREATE TABLE more (n int CONSTRAINT taken UNIQUE)
CREATE TABLE more (n int CONSTRAINT taken CHECK (n > 0))
CREATE TABLE more (n int CONSTRAINT a_pkey PRIMARY KEY)
ALTER TABLE a RENAME CONSTRAINT a_pkey TO a_key; CREATE TABLE more (n int CONSTRAINT a_pkey PRIMARY KEY)
DROP TABLE b; DROP VIEW v; DROP MATERIALIZED VIEW mat; DROP TABLE a; CREATE TABLE a (n int CONSTRAINT a_pkey UNIQUE)
ALTER TABLE b ADD COLUMN k int CONSTRAINT taken UNIQUE
ALTER TABLE b ADD CONSTRAINT taken UNIQUE (id)
CREATE STATISTICS st ON id, n FROM a
CREATE STATISTICS IF NOT EXISTS st ON id, n FROM a
CREATE STATISTICS a ON id, n FROM a
DROP STATISTICS st; CREATE STATISTICS st ON id, n FROM a
ALTER TABLE a DROP COLUMN m; CREATE STATISTICS st ON id, n FROM a
"""


def test_it_says_what_postgresql_says(empty_database: str, tmp_path: Path) -> None:
    file = tmp_path / "0002_change_objects.sql"
    differences = []
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute(OBJECTS.encode())
        for sql in filter(None, STATEMENTS.splitlines()):
            file.write_text(f"{sql};\n")
            reason = ""
            try:
                reject_prevented(connection, [file])
            except CommandError as error:
                reason = str(error)
            rejection = ""
            try:
                with connection.transaction(force_rollback=True):
                    connection.execute(sql.encode())
            except psycopg.Error as error:
                rejection = str(error)
            if bool(reason) != bool(rejection):
                differences.append((sql, reason, rejection))

    assert differences == []


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("DROP VIEW b", "table b is not a view"),
        (
            "TRUNCATE a",
            "constraint b_a_id_fkey on table b refers to a table that it empties: empty both, or add CASCADE",
        ),
        (
            "CREATE OR REPLACE VIEW v AS SELECT id FROM a",
            "view v has the columns id, n, which OR REPLACE has to keep: first drop it",
        ),
        (
            "CREATE OR REPLACE FUNCTION many(x int) RETURNS int LANGUAGE sql AS 'SELECT 2'",
            "function many(integer) has another result now (SETOF integer): first drop it",
        ),
    ],
)
def test_the_reason_says_what_to_do(sql: str, reason: str, empty_database: str, tmp_path: Path) -> None:
    file = tmp_path / "0002_change_objects.sql"
    file.write_text(f"{sql};\n")
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute(OBJECTS.encode())
        with pytest.raises(CommandError, match="PostgreSQL would reject a statement") as failed:
            reject_prevented(connection, [file])

    assert f"\n  0002_change_objects.sql:1: {reason}" in str(failed.value)
