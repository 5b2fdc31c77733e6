"""Locks and work of statements: what the text says against what PostgreSQL does."""

from pathlib import Path

from app.lint import parser
from app.lint.alter_table import MODES
from app.lint.catalog import Catalog
from app.lint.state import MigrationState
from app.migrations.connection import run
from app.plan.effects import Effects, effects_of
from app.review import scratch
from app.review.measure import MeasuredRun, execute, measure
from app.schema.headers import transactional
from app.schema.statements import statements
from tests.conftest import VERSION
from tests.schema.test_migrations import FILES, rollback_of

SCHEMA = """
CREATE TABLE parents (id bigint PRIMARY KEY, name text NOT NULL, note varchar(20), at timestamptz);
CREATE TABLE children (id bigint PRIMARY KEY, parent_id bigint, kind text);
ALTER TABLE children ADD CONSTRAINT kept CHECK (kind <> '') NOT VALID;
ALTER TABLE children ADD CONSTRAINT children_parent_id_fkey FOREIGN KEY (parent_id) REFERENCES parents NOT VALID;
CREATE INDEX children_kind_idx ON children (kind);
CREATE INDEX parents_name_idx ON parents (name);
CREATE VIEW names AS SELECT name FROM parents;
CREATE MATERIALIZED VIEW kinds AS SELECT kind FROM children;
CREATE UNIQUE INDEX kinds_kind_idx ON kinds (kind);
CREATE SEQUENCE numbers;
CREATE SCHEMA aside; CREATE TYPE worth AS ENUM ('much'); CREATE DOMAIN plain AS text;
CREATE FUNCTION worth_text(worth) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT 'x'$$;
CREATE TABLE events (at date NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE events_old (at date NOT NULL);
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER watched AFTER INSERT ON parents FOR EACH ROW EXECUTE FUNCTION nothing();
INSERT INTO parents SELECT n, 'name ' || n FROM generate_series(1, 500) AS n;
INSERT INTO children SELECT n, n, 'kind ' || n FROM generate_series(1, 500) AS n;
REFRESH MATERIALIZED VIEW kinds;
"""

# One statement for each way to lock a table.
STATEMENTS = """
ALTER TABLE parents ADD COLUMN a text
ALTER TABLE parents ADD COLUMN a text DEFAULT 'x'
ALTER TABLE parents ADD COLUMN a uuid DEFAULT gen_random_uuid()
ALTER TABLE children ADD COLUMN other_id bigint REFERENCES parents
ALTER TABLE parents DROP COLUMN note
ALTER TABLE parents ALTER COLUMN note TYPE text
ALTER TABLE parents ALTER COLUMN id TYPE integer
ALTER TABLE parents ALTER COLUMN at SET DEFAULT now()
ALTER TABLE children ALTER COLUMN kind SET NOT NULL
ALTER TABLE parents ALTER COLUMN name SET STATISTICS 50
ALTER TABLE parents ALTER COLUMN name SET STORAGE EXTERNAL
ALTER TABLE parents ALTER COLUMN name SET COMPRESSION pglz
ALTER TABLE parents ALTER COLUMN name SET (n_distinct = 5)
ALTER TABLE parents SET (fillfactor = 90)
ALTER TABLE parents RESET (fillfactor)
ALTER TABLE parents CLUSTER ON parents_name_idx
ALTER TABLE children SET UNLOGGED
ALTER TABLE parents REPLICA IDENTITY FULL
ALTER TABLE parents ENABLE ROW LEVEL SECURITY
ALTER TABLE parents DISABLE TRIGGER watched
ALTER TABLE parents OWNER TO postgres
ALTER TABLE children ADD CONSTRAINT c CHECK (id > 0)
ALTER TABLE children ADD CONSTRAINT c CHECK (id > 0) NOT VALID
ALTER TABLE children ADD CONSTRAINT c UNIQUE (kind)
ALTER TABLE children ADD CONSTRAINT c FOREIGN KEY (id) REFERENCES parents
ALTER TABLE children ADD CONSTRAINT c FOREIGN KEY (id) REFERENCES parents NOT VALID
ALTER TABLE children VALIDATE CONSTRAINT kept
ALTER TABLE children VALIDATE CONSTRAINT children_parent_id_fkey
ALTER TABLE children DROP CONSTRAINT kept
ALTER TABLE children DROP CONSTRAINT children_parent_id_fkey
ALTER TABLE parents RENAME TO elders
ALTER TABLE parents RENAME COLUMN note TO remark
ALTER TABLE children RENAME CONSTRAINT kept TO held
ALTER INDEX parents_name_idx RENAME TO parents_by_name
ALTER INDEX parents_name_idx SET (fillfactor = 90)
ALTER SEQUENCE numbers RESTART
ALTER TABLE events ATTACH PARTITION events_old FOR VALUES FROM ('2020-01-01') TO ('2021-01-01')
CREATE TABLE events_new PARTITION OF events FOR VALUES FROM ('2021-01-01') TO ('2022-01-01')
CREATE TABLE more (LIKE parents)
CREATE TABLE more (id bigint REFERENCES parents)
CREATE TABLE more () INHERITS (parents)
CREATE TABLE more AS SELECT * FROM parents
CREATE VIEW more AS SELECT * FROM children
CREATE OR REPLACE VIEW names AS SELECT name FROM parents WHERE id > 1
CREATE INDEX i ON parents (at)
CREATE UNIQUE INDEX i ON parents (name, id)
CREATE TRIGGER t AFTER INSERT ON parents FOR EACH ROW EXECUTE FUNCTION nothing()
CREATE RULE r AS ON UPDATE TO parents DO NOTHING
CREATE POLICY p ON parents USING (true)
CREATE STATISTICS s ON id, name FROM parents
CREATE FUNCTION f() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM children; END
CREATE FUNCTION f() RETURNS void LANGUAGE sql BEGIN ATOMIC UPDATE children SET kind = 'x'; END
DROP INDEX parents_name_idx
DROP TABLE events_old
DROP TABLE parents CASCADE
DROP VIEW names
DROP MATERIALIZED VIEW kinds
DROP TRIGGER watched ON parents
DROP FUNCTION IF EXISTS f()
TRUNCATE children
LOCK TABLE parents IN SHARE MODE
REFRESH MATERIALIZED VIEW kinds
REFRESH MATERIALIZED VIEW CONCURRENTLY kinds
REINDEX TABLE parents
REINDEX INDEX parents_name_idx
CLUSTER parents USING parents_name_idx
ANALYZE parents
COMMENT ON TABLE parents IS 'x'
COMMENT ON COLUMN parents.name IS 'x'
COMMENT ON INDEX parents_name_idx IS 'x'
COMMENT ON CONSTRAINT kept ON children IS 'x'
COMMENT ON VIEW names IS 'x'
COMMENT ON TRIGGER watched ON parents IS 'x'
COMMENT ON FUNCTION nothing() IS 'x'
GRANT SELECT ON parents TO PUBLIC
GRANT USAGE ON SEQUENCE numbers TO PUBLIC
INSERT INTO children SELECT id + 1000, NULL, name FROM parents
UPDATE children SET kind = kind || 'x'
DELETE FROM children WHERE id IN (SELECT id FROM parents LIMIT 3)
SELECT count(*) FROM parents
SELECT * FROM parents WHERE id = 1 FOR UPDATE
WITH gone AS (DELETE FROM children RETURNING id) SELECT count(*) FROM gone
DO $$ BEGIN UPDATE children SET kind = 'y'; PERFORM FROM parents FOR SHARE; END $$
CREATE TYPE mood AS ENUM ('good')
ALTER TYPE worth RENAME TO price
ALTER DOMAIN plain SET SCHEMA aside
ALTER FUNCTION nothing() RENAME TO nil
ALTER SCHEMA aside RENAME TO beside
CREATE EXTENSION IF NOT EXISTS plpgsql
CREATE CAST (worth AS text) WITH FUNCTION worth_text(worth)
SET LOCAL work_mem = '10MB'
""".strip().splitlines()

UNSEEN = {"names", "numbers"}  # a view and a sequence, whose locks the review does not read


def strongest(locks: dict[str, str], relation: str, mode: str) -> None:
    if relation not in locks or MODES.index(mode) > MODES.index(locks[relation]):
        locks[relation] = mode


def compared(text: str, state: MigrationState, run: MeasuredRun, version: int = VERSION) -> list[Effects]:
    """Assert that after each statement the planned locks on tables are those that PostgreSQL reported."""
    assert not run.error, run.error
    found: dict[int, list[Effects]] = {}
    for statement in parser.statements(text):
        line = statement.block or statement.line
        found.setdefault(line, []).append(effects_of(state, statement, version))
    planned: dict[str, str] = {}
    taken: dict[str, str] = {}
    for (line, sql), step in zip(statements(text), run.steps, strict=True):
        for effects in found[line]:
            for relation, mode in effects.locks.items():
                if relation not in UNSEEN:
                    strongest(planned, relation, mode)
        for lock in step.locks:
            if lock.relation == lock.table or lock.relation in planned:
                strongest(taken, lock.relation, lock.mode)
        if any(effects.unread for effects in found[line]):
            taken = {relation: mode for relation, mode in taken.items() if relation in planned}
        if not run.transactional and sql.startswith(("DO", "VACUUM")):  # the poll may miss a lock of a millisecond
            for relation, mode in planned.items():
                strongest(taken, relation, mode)
        assert planned == taken, f"{state.file}:{line}: {sql}"
    return [each for parts in found.values() for each in parts]


def test_the_planned_locks_of_each_shipped_migration_are_those_that_postgresql_takes(
    empty_database: str, template: str
) -> None:
    """The template makes the roles, to which some migrations grant rights."""
    catalog = Catalog()
    with scratch.connect(empty_database) as connection:
        run(connection, "make_history", "review")
        run(connection, "create_ledger")
        for path in FILES:
            scratch.fill(connection, 300)
            in_transaction = transactional(path)
            up = measure(connection, path, in_transaction)
            compared(path.read_text(), MigrationState(path.name, catalog, [], None, in_transaction), up)
            down = rollback_of(path)
            state = MigrationState(down.name, catalog.copy(), [], None, in_transaction)
            compared(down.read_text(), state, measure(connection, down, in_transaction))
            execute(connection, path.read_text(), in_transaction)


def test_the_planned_locks_of_other_statements_are_those_that_postgresql_takes(
    empty_database: str, tmp_path: Path
) -> None:
    wrong = []
    file = tmp_path / "0002_try_it.sql"
    with scratch.connect(empty_database) as connection:
        execute(connection, SCHEMA, transactional=True)
        for sql in STATEMENTS:
            catalog = Catalog()
            for statement in parser.statements(SCHEMA):
                catalog.apply(statement.node, "0001_before.sql")
            file.write_text(sql + ";\n")
            try:
                with connection.transaction(force_rollback=True):
                    done = measure(connection, file, transactional=True)
                    effects = compared(sql, MigrationState(file.name, catalog, []), done)
                    unknown = any(each.unread.startswith("the plan does not know") for each in effects)
                    assert unknown == sql.startswith("REFRESH"), sql
            except AssertionError as error:
                wrong.append(str(error)[:700])
    assert not wrong, "\n\n".join(wrong)
