"""Rights: a migration on the objects of another role is rejected before anything is done, and by a plan."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr
from yoyo import read_migrations

from app.errors import CommandError
from app.migrations.connection import OWNER_HINT
from app.migrations.rights import hint_for_lacking, lacking_rights
from app.plan.plan import make_plan
from app.plan.verdict import verdict_of
from app.settings import Settings
from tests.conftest import as_role, backend_on

# The owner has made the first ones for itself, and lets the migrator use some of them.
OBJECTS = """
    CREATE SCHEMA closed;
    CREATE TABLE closed.rows (n int);
    CREATE TABLE theirs (n int, m int);
    CREATE INDEX theirs_idx ON theirs (n);
    CREATE TABLE readable (n int);
    GRANT SELECT, INSERT (n) ON readable TO mover;
    CREATE VIEW their_view AS SELECT 1 AS n;
    CREATE SEQUENCE their_sequence;
    CREATE FUNCTION their_function(n int) RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE TYPE their_type AS ENUM ('a');
    CREATE DOMAIN their_domain AS int;
    CREATE TABLE keyed (n int PRIMARY KEY);
    CREATE SEQUENCE usable; GRANT USAGE ON SEQUENCE usable TO mover;
    CREATE FUNCTION secret(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
    CREATE FUNCTION secret_trigger() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
    CREATE PROCEDURE secret_work() LANGUAGE sql AS 'SELECT 1';
    CREATE TYPE secret_type AS ENUM ('a');
    REVOKE ALL ON ROUTINE secret, secret_trigger, secret_work FROM PUBLIC;
    REVOKE ALL ON TYPE secret_type FROM PUBLIC;
    CREATE MATERIALIZED VIEW their_rows AS SELECT 1 AS n;
    CREATE SCHEMA open_one; GRANT USAGE ON SCHEMA open_one TO PUBLIC; CREATE TABLE open_one.rows (n int);
    CREATE TABLE lockable (n int); GRANT DELETE ON lockable TO mover;
    CREATE TABLE partly (n int PRIMARY KEY, m int, k int);
    GRANT SELECT (n), INSERT (n), UPDATE (m), REFERENCES (n) ON partly TO mover;
    CREATE TABLE written (n int PRIMARY KEY, m int); GRANT INSERT, UPDATE ON written TO mover;
    CREATE TABLE wiped (n int, m int); GRANT SELECT, DELETE ON wiped TO mover;
    CREATE TABLE merged (n int, m int); GRANT SELECT, UPDATE ON merged TO mover;
    CREATE TABLE counted (n int GENERATED ALWAYS AS IDENTITY); GRANT TRUNCATE ON counted TO mover;
    CREATE TABLE maintained (n int PRIMARY KEY); CREATE MATERIALIZED VIEW maintained_rows AS SELECT 1 AS n;
    CREATE TABLE their_parts (n int) PARTITION BY RANGE (n); CREATE TABLE their_part (n int);
    CREATE PUBLICATION their_publication FOR TABLE keyed;
    CREATE SCHEMA narrow; GRANT USAGE ON SCHEMA narrow TO mover; GRANT CREATE ON SCHEMA narrow TO mover;
    SET ROLE mover;
    CREATE TABLE narrow.ours (n int, m int); CREATE INDEX ours_idx ON narrow.ours (m);
    CREATE UNIQUE INDEX ours_key ON narrow.ours (n);
    ALTER TABLE narrow.ours ADD CONSTRAINT ours_check CHECK (n > 0);
    CREATE FUNCTION narrow.work() RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE TYPE narrow.kind AS ENUM ('a');
    CREATE SEQUENCE narrow.series;
    SET ROLE keeper; REVOKE CREATE ON SCHEMA narrow FROM mover; SET ROLE mover;
    CREATE TABLE "Ours" (n int NOT NULL, m int);
    CREATE TABLE filtered (n int);
    ALTER TABLE filtered ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
    CREATE TABLE our_keys (n int PRIMARY KEY);
    CREATE TABLE parent (n int, m int);
    CREATE FUNCTION our_function(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
    CREATE TABLE "Full" (n int, m int); INSERT INTO "Full" VALUES (1, 1); ANALYZE "Full";
    CREATE TABLE our_parts (n int) PARTITION BY RANGE (n);
    CREATE SEQUENCE our_sequence;
    RESET ROLE;
    CREATE TABLE refers (n int REFERENCES our_keys); ALTER TABLE refers OWNER TO keeper;
    CREATE TABLE child () INHERITS (parent);
    ALTER TABLE child OWNER TO keeper;
"""
STATEMENTS = """
    ALTER TABLE theirs ADD COLUMN a int
    ALTER TABLE "Ours" ADD COLUMN a int
    ALTER TABLE IF EXISTS none ADD COLUMN a int
    ALTER TABLE parent ADD COLUMN a int
    ALTER TABLE parent ALTER COLUMN n SET DEFAULT 1
    ALTER TABLE ONLY parent ALTER COLUMN n SET DEFAULT 1
    ALTER TABLE parent SET (fillfactor = 70)
    ALTER TABLE parent RENAME COLUMN m TO k
    ALTER TABLE parent RENAME TO mother
    ALTER TABLE theirs RENAME TO others
    ALTER INDEX theirs_idx RENAME TO other_idx
    ALTER INDEX theirs_idx SET (fillfactor = 70)
    ALTER TABLE theirs SET SCHEMA public
    ALTER SEQUENCE their_sequence CACHE 2
    CREATE INDEX ON theirs (m)
    CREATE INDEX ON "Ours" (m)
    CREATE TRIGGER t AFTER INSERT ON theirs EXECUTE FUNCTION suppress_redundant_updates_trigger()
    CREATE POLICY p ON theirs
    CREATE OR REPLACE VIEW their_view AS SELECT 2 AS n
    CREATE OR REPLACE VIEW our_view AS SELECT 2 AS n
    CREATE OR REPLACE FUNCTION their_function(n int) RETURNS int LANGUAGE sql AS 'SELECT 2'
    CREATE OR REPLACE FUNCTION their_function(n text) RETURNS int LANGUAGE sql AS 'SELECT 2'
    CREATE OR REPLACE FUNCTION our_function(n int) RETURNS int LANGUAGE sql AS 'SELECT 2'
    ALTER FUNCTION their_function(int) IMMUTABLE
    ALTER FUNCTION our_function IMMUTABLE
    DROP FUNCTION their_function(int)
    DROP FUNCTION IF EXISTS their_function(int, int)
    DROP TABLE theirs
    DROP TABLE IF EXISTS none
    DROP TABLE parent, child CASCADE
    DROP INDEX theirs_idx
    DROP VIEW their_view
    DROP TYPE their_type
    DROP SCHEMA closed
    COMMENT ON TABLE theirs IS 'a'
    COMMENT ON COLUMN theirs.n IS 'a'
    COMMENT ON COLUMN "Ours".n IS 'a'
    COMMENT ON INDEX theirs_idx IS 'a'
    COMMENT ON FUNCTION their_function(int) IS 'a'
    COMMENT ON SCHEMA closed IS 'a'
    TRUNCATE theirs
    TRUNCATE "Ours"
    SELECT 1 FROM theirs
    SELECT 1 FROM readable
    INSERT INTO readable (n) VALUES (1)
    INSERT INTO "Ours" SELECT n FROM theirs
    INSERT INTO "Ours" SELECT n FROM readable
    WITH theirs AS (SELECT 1 AS n) INSERT INTO "Ours" SELECT n FROM theirs
    UPDATE readable SET n = 1
    DELETE FROM readable
    DELETE FROM "Ours" USING readable
    UPDATE filtered SET n = 1
    CREATE TABLE closed.more (n int)
    CREATE TABLE more (n int)
    CREATE TABLE more AS SELECT n FROM theirs
    CREATE TABLE more AS SELECT n FROM theirs WITH NO DATA
    CREATE MATERIALIZED VIEW more AS SELECT n FROM theirs
    CREATE MATERIALIZED VIEW more AS SELECT n FROM theirs WITH NO DATA
    CREATE TABLE more (LIKE theirs)
    CREATE TABLE more (LIKE "Ours")
    CREATE TABLE more (LIKE partly)
    CREATE TABLE more (LIKE readable)
    CREATE TABLE more () INHERITS (theirs)
    CREATE TABLE more () INHERITS (parent)
    CREATE STATISTICS more ON n, m FROM theirs
    CREATE STATISTICS more ON n, m FROM "Ours"
    ALTER FUNCTION their_function(int) RENAME TO my_function
    ALTER FUNCTION our_function RENAME TO my_function
    ALTER FUNCTION our_function(int) SET SCHEMA closed
    ALTER TABLE "Ours" SET SCHEMA closed
    ALTER TYPE their_type ADD VALUE 'b'
    ALTER TYPE their_type RENAME TO my_type
    ALTER TYPE their_type SET SCHEMA public
    ALTER DOMAIN their_domain DROP NOT NULL
    ALTER DOMAIN their_domain RENAME TO my_domain
    ALTER SCHEMA closed RENAME TO open
    GRANT SELECT ON theirs TO PUBLIC
    GRANT SELECT ON readable TO PUBLIC
    GRANT SELECT (n) ON theirs TO PUBLIC
    GRANT SELECT (n) ON readable TO PUBLIC
    GRANT SELECT ON "Ours" TO PUBLIC
    GRANT SELECT ON "Ours", theirs TO PUBLIC
    REVOKE SELECT ON theirs FROM PUBLIC
    REVOKE ALL ON "Ours" FROM PUBLIC
    GRANT USAGE ON SEQUENCE their_sequence TO PUBLIC
    GRANT USAGE ON SEQUENCE usable TO PUBLIC
    GRANT EXECUTE ON FUNCTION their_function(int) TO PUBLIC
    GRANT EXECUTE ON FUNCTION secret(int) TO PUBLIC
    GRANT EXECUTE ON FUNCTION secret TO PUBLIC
    GRANT EXECUTE ON FUNCTION our_function(int) TO PUBLIC
    GRANT EXECUTE ON PROCEDURE secret_work TO PUBLIC
    GRANT USAGE ON TYPE their_type TO PUBLIC
    GRANT USAGE ON TYPE secret_type TO PUBLIC
    GRANT USAGE ON SCHEMA closed TO PUBLIC
    GRANT CREATE ON SCHEMA open_one TO PUBLIC
    GRANT SELECT ON ALL TABLES IN SCHEMA public TO PUBLIC
    GRANT SELECT ON ALL TABLES IN SCHEMA open_one TO PUBLIC
    GRANT SELECT ON ALL SEQUENCES IN SCHEMA open_one TO PUBLIC
    GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO PUBLIC
    GRANT keeper TO mover
    REVOKE keeper FROM mover
    GRANT mover TO keeper
    SET LOCAL ROLE keeper
    SET LOCAL ROLE mover
    SET LOCAL ROLE none
    ALTER TABLE "Ours" OWNER TO keeper
    ALTER TABLE "Ours" OWNER TO mover
    ALTER FUNCTION our_function(int) OWNER TO keeper
    ALTER FUNCTION their_function(int) OWNER TO mover
    ALTER DEFAULT PRIVILEGES FOR ROLE keeper GRANT SELECT ON TABLES TO PUBLIC
    ALTER DEFAULT PRIVILEGES FOR ROLE mover GRANT SELECT ON TABLES TO PUBLIC
    ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC
    REASSIGN OWNED BY keeper TO mover
    DROP OWNED BY keeper
    CREATE ROLE another
    CREATE SCHEMA more
    CREATE SCHEMA AUTHORIZATION keeper
    CREATE PUBLICATION more FOR TABLE "Ours"
    SELECT nextval('their_sequence')
    SELECT nextval('their_sequence'::regclass)
    SELECT nextval('usable')
    SELECT setval('usable', 2)
    SELECT setval('their_sequence', 2)
    SELECT last_value FROM their_sequence
    INSERT INTO "Ours" VALUES (nextval('their_sequence'))
    SELECT secret(1)
    SELECT their_function(1)
    SELECT count(*), now(), our_function(2)
    SELECT public.secret(1)
    CALL secret_work()
    INSERT INTO "Ours" SELECT secret(n) FROM readable
    CREATE TRIGGER t AFTER INSERT ON "Ours" EXECUTE FUNCTION secret_trigger()
    CREATE VIEW more AS SELECT n FROM theirs
    CREATE FUNCTION more() RETURNS int LANGUAGE sql AS 'SELECT n FROM theirs'
    SELECT n FROM closed.rows
    SELECT n FROM open_one.rows
    CREATE VIEW more AS SELECT n FROM closed.rows
    CREATE INDEX ON closed.rows (n)
    DROP TABLE closed.rows
    ALTER TABLE closed.rows ADD COLUMN a int
    COMMENT ON TABLE closed.rows IS 'a'
    CREATE TABLE more (n int REFERENCES keyed)
    CREATE TABLE more (n int REFERENCES our_keys)
    ALTER TABLE "Ours" ADD FOREIGN KEY (n) REFERENCES keyed
    LOCK TABLE theirs IN SHARE MODE
    LOCK TABLE "Ours" IN SHARE MODE
    LOCK TABLE readable IN ACCESS SHARE MODE
    LOCK TABLE readable IN SHARE MODE
    LOCK TABLE lockable IN SHARE MODE
    SELECT n FROM readable FOR UPDATE
    SELECT n FROM "Ours" FOR UPDATE
    DELETE FROM lockable
    DELETE FROM lockable RETURNING n
    INSERT INTO readable (n) VALUES (1) ON CONFLICT DO NOTHING
    INSERT INTO readable (n) VALUES (1) RETURNING n
    REFRESH MATERIALIZED VIEW their_rows
    REINDEX TABLE theirs
    REINDEX TABLE "Ours"
    CLUSTER theirs USING theirs_idx
    DROP SEQUENCE their_sequence
    DROP PROCEDURE secret_work()
    ANALYZE theirs
    SELECT n FROM partly
    SELECT m FROM partly
    SELECT * FROM partly
    SELECT count(*) FROM partly
    SELECT p.n FROM partly AS p WHERE p.m > 1
    SELECT p.n FROM partly AS p JOIN readable USING (n)
    SELECT partly.m FROM partly JOIN readable ON readable.n = partly.n
    SELECT (SELECT m FROM partly LIMIT 1)
    SELECT 1 FROM "Ours" WHERE m IN (SELECT n FROM partly)
    SELECT n AS m FROM partly ORDER BY n
    INSERT INTO "Ours" (m) SELECT n FROM partly
    INSERT INTO "Ours" (m) SELECT k FROM partly
    INSERT INTO partly (n) VALUES (2)
    INSERT INTO partly (n, m) VALUES (2, 3)
    INSERT INTO partly VALUES (2)
    INSERT INTO partly VALUES (2, 3)
    INSERT INTO partly (n) VALUES (2) ON CONFLICT (n) DO UPDATE SET m = 1
    INSERT INTO partly (n) VALUES (2) ON CONFLICT (n) DO UPDATE SET k = 1
    INSERT INTO partly (n) VALUES (2) RETURNING m
    UPDATE partly SET m = 1
    UPDATE partly SET m = n
    UPDATE partly SET m = m + 1
    UPDATE partly SET k = 1
    UPDATE partly SET m = 1 WHERE n = 1
    UPDATE partly SET m = 1 WHERE k = 1
    CREATE TABLE more (n int REFERENCES partly (n))
    ALTER TABLE "Ours" ADD FOREIGN KEY (n) REFERENCES partly (n)
    CREATE EXTENSION IF NOT EXISTS plpgsql
    ALTER EXTENSION plpgsql UPDATE
    DROP EXTENSION plpgsql
    DROP ROLE keeper
    DROP ROLE IF EXISTS nobody_else
    ALTER ROLE keeper CONNECTION LIMIT 3
    ALTER ROLE keeper SET work_mem = '4MB'
    ALTER ROLE mover SET work_mem = '4MB'
    ALTER ROLE mover PASSWORD 'own'
    ALTER ROLE mover CONNECTION LIMIT 3
    ALTER ROLE keeper RENAME TO mine
    MERGE INTO wiped USING "Ours" ON wiped.n = "Ours".n WHEN MATCHED THEN DELETE
    MERGE INTO wiped USING "Ours" ON wiped.n = "Ours".n WHEN MATCHED THEN UPDATE SET m = 1
    MERGE INTO merged USING "Ours" ON merged.n = "Ours".n WHEN MATCHED THEN DELETE
    MERGE INTO merged USING "Ours" ON merged.n = "Ours".n WHEN MATCHED THEN UPDATE SET m = 1
    MERGE INTO merged USING "Ours" ON merged.n = "Ours".n WHEN NOT MATCHED THEN INSERT VALUES (1, 2)
    MERGE INTO merged USING "Ours" ON merged.n = "Ours".n WHEN MATCHED THEN DO NOTHING
    MERGE INTO written USING "Ours" ON written.n = "Ours".n WHEN MATCHED THEN UPDATE SET m = 1
    MERGE INTO written AS w USING "Ours" ON w.n = "Ours".n WHEN NOT MATCHED THEN INSERT (n) VALUES (1)
    MERGE INTO "Ours" USING theirs ON theirs.n = "Ours".n WHEN MATCHED THEN DELETE
    MERGE INTO partly USING "Ours" ON partly.n = "Ours".n WHEN MATCHED THEN UPDATE SET m = 1
    MERGE INTO partly USING "Ours" ON partly.n = "Ours".n WHEN MATCHED THEN UPDATE SET k = 1
    MERGE INTO partly USING "Ours" ON partly.n = "Ours".n WHEN NOT MATCHED THEN INSERT (n) VALUES (1)
    MERGE INTO partly USING "Ours" ON partly.n = "Ours".n WHEN NOT MATCHED THEN INSERT (n, m) VALUES (1, 2)
    INSERT INTO written (n) VALUES (1)
    INSERT INTO written (n) VALUES (1) ON CONFLICT (n) DO NOTHING
    INSERT INTO written (n) VALUES (1) ON CONFLICT (n) DO UPDATE SET m = 1
    INSERT INTO partly (n) VALUES (2) ON CONFLICT (n) DO UPDATE SET m = excluded.n
    INSERT INTO partly (n) VALUES (2) ON CONFLICT (n) DO UPDATE SET m = excluded.k
    UPDATE written SET m = 1
    UPDATE written SET m = 1 WHERE n = 1
    UPDATE written SET m = n
    REINDEX TABLE maintained
    REINDEX INDEX maintained_pkey
    CLUSTER maintained USING maintained_pkey
    REFRESH MATERIALIZED VIEW maintained_rows
    LOCK TABLE maintained IN ACCESS EXCLUSIVE MODE
    ALTER TABLE maintained ADD COLUMN a int
    ALTER TABLE narrow.ours ADD COLUMN a int
    ALTER TABLE narrow.ours ADD COLUMN a int GENERATED ALWAYS AS IDENTITY
    ALTER TABLE narrow.ours ADD COLUMN a serial
    ALTER TABLE narrow.ours ADD COLUMN a int UNIQUE
    ALTER TABLE narrow.ours ADD PRIMARY KEY (n)
    ALTER TABLE narrow.ours ADD UNIQUE (m)
    ALTER TABLE narrow.ours ADD UNIQUE USING INDEX ours_key
    ALTER TABLE narrow.ours ADD CHECK (n > 0)
    ALTER TABLE narrow.ours ADD FOREIGN KEY (n) REFERENCES our_keys
    ALTER TABLE narrow.ours ALTER COLUMN m TYPE bigint
    ALTER TABLE narrow.ours RENAME TO others
    ALTER TABLE narrow.ours RENAME COLUMN m TO k
    ALTER TABLE narrow.ours RENAME CONSTRAINT ours_check TO other_check
    ALTER TABLE narrow.ours SET SCHEMA public
    ALTER TABLE "Ours" SET SCHEMA narrow
    ALTER INDEX narrow.ours_idx RENAME TO others
    ALTER SEQUENCE narrow.series RENAME TO others
    ALTER FUNCTION narrow.work() RENAME TO others
    ALTER TYPE narrow.kind RENAME TO others
    ALTER TYPE narrow.kind ADD VALUE 'b'
    CREATE INDEX ON narrow.ours (n)
    CREATE STATISTICS narrow.more ON n, m FROM narrow.ours
    CREATE STATISTICS narrow.more ON n, m FROM "Ours"
    CREATE STATISTICS ON n, m FROM narrow.ours
    CREATE STATISTICS more ON n, m FROM narrow.ours
    CREATE TYPE narrow.more AS (n int)
    CREATE TYPE narrow.more AS RANGE (SUBTYPE = int)
    CREATE DOMAIN narrow.more AS int
    CREATE VIEW narrow.more AS SELECT 1
    CREATE SEQUENCE narrow.more
    CREATE TEMP TABLE more (n int)
    CREATE TEMP VIEW more AS SELECT 1
    CREATE TEMP TABLE more AS SELECT 1
    ALTER TABLE "Ours" OWNER TO team
    ALTER TABLE "Ours" OWNER TO outsider
    ALTER TABLE narrow.ours OWNER TO team
    ALTER TABLE narrow.ours OWNER TO mover
    ALTER FUNCTION our_function(int) OWNER TO team
    ALTER FUNCTION our_function(int) OWNER TO outsider
    ALTER TYPE narrow.kind OWNER TO outsider
    ALTER SEQUENCE our_sequence OWNER TO outsider
    CREATE TABLE more (a secret_type)
    CREATE TABLE more (a secret_type[])
    CREATE TABLE more (a their_type)
    ALTER TABLE "Ours" ADD COLUMN a secret_type
    ALTER TABLE "Ours" ADD COLUMN a their_type
    ALTER TABLE "Ours" ALTER COLUMN m TYPE secret_type USING NULL
    CREATE FUNCTION more(a secret_type) RETURNS int LANGUAGE sql AS 'SELECT 1'
    CREATE FUNCTION more() RETURNS SETOF secret_type LANGUAGE sql AS 'SELECT NULL::secret_type'
    CREATE FUNCTION more(a their_type) RETURNS int LANGUAGE sql AS 'SELECT 1'
    CREATE TYPE more AS (a secret_type)
    CREATE DOMAIN more AS secret_type
    SELECT 'a'::secret_type
    CREATE FUNCTION more() RETURNS int LANGUAGE c AS 'more'
    CREATE FUNCTION more() RETURNS int LANGUAGE internal AS 'int4in'
    CREATE INDEX ON "Full" (secret(n))
    CREATE INDEX ON "Full" (n) WHERE secret(n) > 0
    CREATE INDEX ON "Ours" (secret(n))
    CREATE INDEX ON "Full" (our_function(n))
    ALTER TABLE "Full" ADD CHECK (secret(n) > 0)
    ALTER TABLE "Ours" ADD CHECK (secret(n) > 0)
    ALTER TABLE "Full" ADD CHECK (secret(n) > 0) NOT VALID
    ALTER TABLE "Full" ADD COLUMN a int DEFAULT secret(1)
    ALTER TABLE "Ours" ADD COLUMN a int DEFAULT secret(1)
    ALTER TABLE our_parts ADD COLUMN a int DEFAULT secret(1)
    ALTER TABLE "Full" ALTER COLUMN m SET DEFAULT secret(1)
    ALTER TABLE "Full" ALTER COLUMN m TYPE bigint USING secret(m)
    ALTER TABLE "Full" ALTER COLUMN m TYPE bigint USING our_function(m)
    CREATE TABLE more (n int DEFAULT secret(1), CHECK (secret(n) > 0))
    TRUNCATE counted
    TRUNCATE counted RESTART IDENTITY
    TRUNCATE our_keys CASCADE
    TRUNCATE our_keys, refers
    ALTER SEQUENCE our_sequence OWNED BY theirs.n
    ALTER SEQUENCE our_sequence OWNED BY "Ours".n
    ALTER SEQUENCE our_sequence OWNED BY NONE
    CREATE SEQUENCE more OWNED BY theirs.n
    ALTER TABLE our_parts ATTACH PARTITION their_part DEFAULT
    ALTER TABLE their_parts ATTACH PARTITION "Ours" DEFAULT
    ALTER TABLE "Ours" INHERIT theirs
    CREATE TABLE more PARTITION OF their_parts DEFAULT
    DROP PUBLICATION their_publication
    ALTER PUBLICATION their_publication ADD TABLE "Ours"
    CREATE EVENT TRIGGER more ON ddl_command_end EXECUTE FUNCTION our_event()
    COMMENT ON EXTENSION plpgsql IS 'a'
    COMMENT ON DATABASE {database} IS 'a'
    ALTER DATABASE {database} SET work_mem = '4MB'
    ALTER DATABASE {database} RENAME TO more
"""
# Rights on the database and on a language: what the role has to lack or to have for all of them.
MORE_RIGHTS = {
    "GRANT CREATE ON DATABASE {database} TO mover": """
        CREATE PUBLICATION more FOR TABLE "Ours"
        CREATE PUBLICATION more FOR TABLE theirs
        CREATE PUBLICATION more FOR ALL TABLES
        CREATE PUBLICATION more FOR TABLES IN SCHEMA public
        CREATE SCHEMA more
        CREATE SCHEMA more AUTHORIZATION team
    """,
    "REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC": """
        CREATE TEMP TABLE more (n int)
        CREATE TEMP TABLE more AS SELECT 1
        SELECT 1 AS n INTO TEMP more
        CREATE TEMP SEQUENCE more
        CREATE TEMP VIEW more AS SELECT 1
    """,
    "REVOKE USAGE ON LANGUAGE plpgsql, sql FROM PUBLIC": """
        CREATE FUNCTION more() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'
        CREATE FUNCTION more() RETURNS int LANGUAGE sql AS 'SELECT 1'
        CREATE FUNCTION more() RETURNS int RETURN 1
        DO 'BEGIN END'
        SELECT our_function(1)
    """,
    "GRANT pg_read_all_data TO mover": """
        GRANT SELECT ON theirs TO PUBLIC
        REVOKE SELECT ON theirs FROM PUBLIC
        GRANT USAGE ON SEQUENCE their_sequence TO PUBLIC
        GRANT USAGE ON SCHEMA closed TO PUBLIC
        SELECT n FROM theirs
        UPDATE theirs SET n = 1
    """,
    "GRANT pg_write_all_data TO mover": """
        GRANT SELECT ON theirs TO PUBLIC
        UPDATE theirs SET n = 1
        UPDATE theirs SET n = m
    """,
    "GRANT pg_maintain TO mover": """
        GRANT SELECT ON theirs TO PUBLIC
        CLUSTER theirs USING theirs_idx
        REINDEX TABLE theirs
        REFRESH MATERIALIZED VIEW their_rows
        LOCK TABLE theirs IN SHARE MODE
        ALTER TABLE theirs ADD COLUMN a int
    """,
}
# Not in the PostgreSQL 16 of the tests, which has no extensions.
EXTENSIONS = """
    CREATE EXTENSION pg_trgm
    CREATE EXTENSION IF NOT EXISTS pg_trgm
    CREATE EXTENSION pg_trgm VERSION '1.6'
    CREATE EXTENSION file_fdw
"""


@pytest.fixture
def mover(admin: psycopg.Connection, empty_database: str) -> Iterator[str]:
    """The URL of a role that may create tables, and use some of those that the role keeper owns."""
    admin.execute("CREATE ROLE keeper; CREATE ROLE mover LOGIN; CREATE ROLE team; CREATE ROLE outsider")
    admin.execute("GRANT team, outsider TO mover")
    with psycopg.connect(empty_database) as connection:
        connection.execute("GRANT CREATE ON SCHEMA public TO keeper, mover, team")
        name = connection.info.dbname
        connection.execute(f'GRANT CREATE ON DATABASE "{name}" TO keeper'.encode())
        connection.execute(f"GRANT mover TO keeper; SET ROLE keeper; {OBJECTS}".encode())
        connection.execute("RESET ROLE; REVOKE mover FROM keeper")
        if connection.info.server_version >= 170000:
            connection.execute("GRANT MAINTAIN ON maintained, maintained_rows TO mover")
    yield as_role(empty_database, "mover")
    with psycopg.connect(empty_database) as connection:
        connection.execute("DROP OWNED BY keeper, mover, team, outsider CASCADE")
    admin.execute("DROP ROLE keeper, mover, team, outsider")


def differences(connection: psycopg.Connection, file: Path, statements: str) -> list[str]:
    """Return the statements about which PostgreSQL and the search differ, with what the search says."""
    found = []
    for sql in filter(None, map(str.strip, statements.splitlines())):
        sql = sql.replace("{database}", connection.info.dbname)
        file.write_text(f"{sql};\n")
        accepted = True
        try:
            with connection.transaction(force_rollback=True):
                connection.execute(sql.encode())
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.ObjectNotInPrerequisiteState):
            accepted = False
        except (psycopg.errors.UndefinedFunction, psycopg.errors.ActiveSqlTransaction):
            pass  # the role may
        except psycopg.errors.SyntaxError:  # only in a newer PostgreSQL
            continue
        if (reasons := list(lacking_rights(connection, [file]))) and accepted:
            found.append(f"false no: {sql}: {reasons}")
        elif not reasons and not accepted:
            found.append(f"false yes: {sql}")
    return found


def test_it_says_what_postgresql_says(mover: str, tmp_path: Path) -> None:
    with psycopg.connect(mover, autocommit=True) as connection:
        connection.execute("SET row_security = off")
        has_extensions = connection.execute("SELECT FROM pg_available_extensions WHERE name = 'file_fdw'").fetchone()
        statements = STATEMENTS + EXTENSIONS if has_extensions else STATEMENTS

        assert differences(connection, tmp_path / "0002_change_tables.sql", statements) == []


@pytest.mark.parametrize("change", MORE_RIGHTS)
def test_rights_on_the_whole_database(change: str, mover: str, empty_database: str, tmp_path: Path) -> None:
    with (
        psycopg.connect(empty_database, autocommit=True) as owner,
        psycopg.connect(mover, autocommit=True) as connection,
    ):
        if "pg_maintain" in change and owner.info.server_version < 170000:
            pytest.skip("this role is new in PostgreSQL 17")
        owner.execute(change.format(database=owner.info.dbname).encode())

        assert differences(connection, tmp_path / "0002_change_tables.sql", MORE_RIGHTS[change]) == []


def test_row_security_of_another_owner_names_it(mover: str, empty_database: str, tmp_path: Path) -> None:
    """NO FORCE would not help: row security filters all roles but the owner's."""
    file = tmp_path / "0002_change_rows.sql"
    file.write_text("UPDATE hidden SET n = 1;\n")
    with psycopg.connect(empty_database) as connection:
        connection.execute("CREATE TABLE hidden (n int); GRANT SELECT, UPDATE ON hidden TO mover")
        connection.execute("ALTER TABLE hidden OWNER TO keeper; ALTER TABLE hidden ENABLE ROW LEVEL SECURITY")

    with psycopg.connect(mover) as connection:
        [(place, reason)] = lacking_rights(connection, [file])

    assert reason == "row security would filter table hidden, which belongs to keeper"
    assert hint_for_lacking([f"{place}: {reason}"]) == OWNER_HINT


def test_nothing_is_applied_if_a_later_migration_needs_another_owner(mover: str, tmp_path: Path) -> None:
    statements = ("CREATE TABLE more ()", "ALTER TABLE more ADD COLUMN n int", "ALTER TABLE theirs ADD COLUMN a int")
    for number, up in enumerate(statements, 1):
        depends = f"-- depends: 000{number - 1}_change_table\n\n" if number > 1 else ""
        (tmp_path / f"000{number}_change_table.sql").write_text(f"{depends}{up};\n")
        (tmp_path / f"000{number}_change_table.rollback.sql").write_text("-- loses: nothing\n\nSELECT 1;\n")
    place = "0003_change_table.sql:3: table theirs belongs to keeper"

    with backend_on(mover) as backend, pytest.raises(CommandError, match="lacks rights") as failed:
        backend.apply_migrations(read_migrations(str(tmp_path)))

    assert place in str(failed.value)
    with psycopg.connect(mover) as connection:
        assert connection.execute("SELECT count(*) FROM _yoyo_migration").fetchone() == (0,)
    settings = Settings(_env_file=None, database_url=SecretStr(mover), storage_url="file:/tmp", auth="none")
    verdict = verdict_of(make_plan(settings, folder=tmp_path))
    assert verdict.level == "no"
    assert place in "\n".join(reason.text for reason in verdict.reasons)


def test_a_plan_sees_that_the_history_cannot_be_written(mover: str, empty_database: str, tmp_path: Path) -> None:
    (tmp_path / "0001_create_more.sql").write_text("CREATE TABLE more ();\n")
    (tmp_path / "0001_create_more.rollback.sql").write_text("-- loses: nothing\n\nDROP TABLE more;\n")
    with psycopg.connect(empty_database) as connection:
        connection.execute("CREATE TABLE yoyo_lock (locked int PRIMARY KEY, ctime timestamp, pid int NOT NULL)")
    settings = Settings(_env_file=None, database_url=SecretStr(mover), storage_url="file:/tmp", auth="none")

    verdict = verdict_of(make_plan(settings, folder=tmp_path))

    assert verdict.level == "no"
    assert "the role mover may not write table yoyo_lock, which belongs to postgres" in str(verdict.reasons)
