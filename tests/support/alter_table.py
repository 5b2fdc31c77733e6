"""Each form of ALTER TABLE, and what it does: `python -m tests.support.alter_table` writes app/lint/alter_table.json.

It runs each form on a server of each version that is installed here, and reads locks, scans and rewrites from it.
`images schema check` and `images schema plan` read the file. docs/reference/alter-table.md shows it.
"""

import json
from typing import NamedTuple

import psycopg

from app.lint.alter_table import FILE, MODES
from app.review.measure import MODE_NAMES
from app.settings import ROOT
from tests.support.functions import servers

PAGE = ROOT / "docs" / "reference" / "alter-table.md"
TITLE = """# ALTER TABLE: locks and work

Effects of each form of your statement, measured on PostgreSQL 15, 16 and 18. `images schema check` and
`images schema plan` use the same figures. Each line has the strongest lock on each table, and the work under it. A lock
stays until your transaction ends.

- **rewrite**: all rows and all indexes are written again.
- **scan**: all rows are read.
- **build**: an index is built.

Without one of these words, the statement changes only the system catalog, and its time does not grow with the table.

ACCESS EXCLUSIVE blocks reads and writes. SHARE ROW EXCLUSIVE blocks writes. SHARE UPDATE EXCLUSIVE and weaker locks
block neither. Not measured: `DETACH PARTITION ... CONCURRENTLY` and `FINALIZE`, which do not run in a transaction.

[The tables](#the-tables) are below. `python -m tests.support.alter_table` writes this page.

| statement | locks and work |
|---|---|
"""
TABLES_TITLE = """
## The tables

The statements above use these tables. Each table has some hundred rows.

"""
# Statements that the forms need. Each form begins with them.
SCHEMA = """
SET allow_in_place_tablespaces = on;
CREATE ACCESS METHOD other_heap TYPE TABLE HANDLER heap_tableam_handler;
CREATE DOMAIN code AS text;
CREATE DOMAIN short_code AS text CHECK (length(VALUE) < 10);
CREATE TYPE kind_of_parent AS (id bigint, name text);
CREATE TABLE parents (id bigint PRIMARY KEY, name text NOT NULL, note varchar(20), price numeric(8, 2), at timestamptz);
CREATE TABLE children (
    id bigint PRIMARY KEY,
    parent_id bigint,
    kind text,
    size integer,
    number bigint GENERATED ALWAYS AS IDENTITY,
    doubled bigint GENERATED ALWAYS AS (size * 2) STORED
);
ALTER TABLE children ADD CONSTRAINT kept CHECK (kind <> '') NOT VALID;
ALTER TABLE children ADD CONSTRAINT has_size CHECK (size IS NOT NULL);
ALTER TABLE children ADD CONSTRAINT children_parent_id_fkey FOREIGN KEY (parent_id) REFERENCES parents NOT VALID;
CREATE INDEX children_kind_idx ON children (kind);
CREATE UNIQUE INDEX children_number_idx ON children (number);
CREATE UNIQUE INDEX children_size_idx ON children (size);
CREATE UNIQUE INDEX parents_name_idx ON parents (name);
CREATE TABLE logs (at date) WITH (fillfactor = 90);
CREATE UNLOGGED TABLE caches (at date);
CREATE TABLE heirs () INHERITS (logs);
CREATE TABLE strays (at date);
CREATE TABLE typed OF kind_of_parent;
CREATE TABLE untyped (id bigint, name text);
CREATE TABLE events (at date NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE events_2020 PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE events_2021 (at date NOT NULL);
CREATE TABLE events_2022 (
    at date NOT NULL CONSTRAINT in_2022 CHECK (at IS NOT NULL AND at >= '2022-01-01' AND at < '2023-01-01')
);
CREATE TABLE days (at date NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE days_2020 PARTITION OF days FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE days_2022 (
    at date NOT NULL CONSTRAINT days_in_2022 CHECK (at IS NOT NULL AND at >= '2022-01-01' AND at < '2023-01-01')
);
CREATE TABLE days_2023 (
    at date NOT NULL CONSTRAINT days_in_2023 CHECK (at IS NOT NULL AND at >= '2023-01-01' AND at < '2024-01-01')
);
CREATE TABLE days_other PARTITION OF days DEFAULT;
ALTER TABLE days_other ADD CONSTRAINT not_in_2023 CHECK (at < '2023-01-01' OR at >= '2024-01-01');
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER watched AFTER INSERT ON parents FOR EACH ROW EXECUTE FUNCTION nothing();
CREATE RULE ruled AS ON DELETE TO logs DO NOTHING;
CREATE FOREIGN DATA WRAPPER nowhere;
CREATE SERVER far FOREIGN DATA WRAPPER nowhere;
CREATE FOREIGN TABLE outside (at date) SERVER far;
CREATE SCHEMA elsewhere;
CREATE TABLESPACE other_place LOCATION '';
INSERT INTO parents SELECT n, 'name ' || n, 'note', n, now() FROM generate_series(1, 500) AS n;
INSERT INTO children SELECT n, n, 'kind ' || n, n FROM generate_series(1, 500) AS n;
INSERT INTO logs SELECT date '2020-01-01' + n FROM generate_series(1, 300) AS n;
INSERT INTO events SELECT at FROM logs WHERE at < '2021-01-01';
INSERT INTO events_2021 SELECT at + 366 FROM logs WHERE at < '2020-12-01';
INSERT INTO events_2022 SELECT at + 731 FROM logs WHERE at < '2020-12-01';
INSERT INTO days SELECT at FROM logs WHERE at < '2021-01-01';
INSERT INTO days SELECT at + 2000 FROM logs;
INSERT INTO untyped SELECT id, name FROM parents;
"""

FORMS = """
ALTER TABLE parents ADD COLUMN a text
ALTER TABLE parents ADD COLUMN a text DEFAULT 'x'
ALTER TABLE parents ADD COLUMN a text NOT NULL DEFAULT 'x'
ALTER TABLE parents ADD COLUMN a timestamptz DEFAULT now()
ALTER TABLE parents ADD COLUMN a uuid DEFAULT gen_random_uuid()
ALTER TABLE parents ADD COLUMN a bigserial
ALTER TABLE parents ADD COLUMN a bigint GENERATED ALWAYS AS IDENTITY
ALTER TABLE parents ADD COLUMN a text GENERATED ALWAYS AS (upper(name)) STORED
ALTER TABLE parents ADD COLUMN a text GENERATED ALWAYS AS (upper(name)) VIRTUAL
ALTER TABLE parents ADD COLUMN a text NOT NULL GENERATED ALWAYS AS (upper(name)) VIRTUAL
ALTER TABLE parents ADD COLUMN a code
ALTER TABLE parents ADD COLUMN a short_code
ALTER TABLE parents ADD COLUMN a short_code DEFAULT 'x'
ALTER TABLE parents ADD COLUMN a text CHECK (a <> '')
ALTER TABLE parents ADD COLUMN a text UNIQUE
ALTER TABLE parents ADD COLUMN a bigint REFERENCES children
ALTER TABLE parents ADD COLUMN a bigint DEFAULT 1 REFERENCES children
ALTER TABLE parents DROP COLUMN note
ALTER TABLE parents ALTER COLUMN note TYPE varchar(30)
ALTER TABLE parents ALTER COLUMN note TYPE varchar
ALTER TABLE parents ALTER COLUMN note TYPE text
ALTER TABLE parents ALTER COLUMN note TYPE varchar(10)
ALTER TABLE parents ALTER COLUMN name TYPE varchar
ALTER TABLE parents ALTER COLUMN name TYPE varchar(50)
ALTER TABLE parents ALTER COLUMN name TYPE text COLLATE "C"
ALTER TABLE parents ALTER COLUMN note TYPE code
ALTER TABLE parents ALTER COLUMN note TYPE short_code
ALTER TABLE parents ALTER COLUMN price TYPE numeric(10, 2)
ALTER TABLE parents ALTER COLUMN price TYPE numeric
ALTER TABLE parents ALTER COLUMN price TYPE numeric(10, 3)
ALTER TABLE parents ALTER COLUMN at TYPE timestamptz(6)
ALTER TABLE parents ALTER COLUMN at TYPE timestamptz(3)
ALTER TABLE parents ALTER COLUMN at TYPE date
ALTER TABLE parents ALTER COLUMN id TYPE integer
ALTER TABLE children ALTER COLUMN kind TYPE varchar
ALTER TABLE untyped ALTER COLUMN name TYPE bytea USING convert_to(name, 'UTF8')
ALTER TABLE parents ALTER COLUMN note SET DEFAULT 'x'
ALTER TABLE parents ALTER COLUMN note DROP DEFAULT
ALTER TABLE parents ALTER COLUMN note SET NOT NULL
ALTER TABLE parents ALTER COLUMN name SET NOT NULL
ALTER TABLE children ALTER COLUMN size SET NOT NULL
ALTER TABLE parents ALTER COLUMN name DROP NOT NULL
ALTER TABLE children ALTER COLUMN doubled DROP EXPRESSION
ALTER TABLE children ALTER COLUMN doubled SET EXPRESSION AS (size * 3)
ALTER TABLE children ALTER COLUMN number DROP IDENTITY
ALTER TABLE children ALTER COLUMN number SET GENERATED BY DEFAULT
ALTER TABLE parents ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY
ALTER TABLE parents ALTER COLUMN name SET STATISTICS 50
ALTER TABLE parents ALTER COLUMN name SET (n_distinct = 5)
ALTER TABLE parents ALTER COLUMN name RESET (n_distinct)
ALTER TABLE parents ALTER COLUMN name SET STORAGE EXTERNAL
ALTER TABLE parents ALTER COLUMN name SET COMPRESSION pglz
ALTER TABLE parents ADD CONSTRAINT c CHECK (id > 0)
ALTER TABLE parents ADD CONSTRAINT c CHECK (id > 0) NOT VALID
ALTER TABLE parents ADD CONSTRAINT c CHECK (id > 0) NOT ENFORCED
ALTER TABLE parents ADD CONSTRAINT c NOT NULL note
ALTER TABLE parents ADD CONSTRAINT c NOT NULL note NOT VALID
ALTER TABLE children ADD CONSTRAINT c UNIQUE (kind)
ALTER TABLE children ADD CONSTRAINT c UNIQUE USING INDEX children_number_idx
ALTER TABLE untyped ADD CONSTRAINT c PRIMARY KEY (id)
ALTER TABLE children ADD CONSTRAINT c EXCLUDE USING btree (kind WITH =)
ALTER TABLE children ADD CONSTRAINT c FOREIGN KEY (id) REFERENCES parents
ALTER TABLE children ADD CONSTRAINT c FOREIGN KEY (id) REFERENCES parents NOT VALID
ALTER TABLE children ADD CONSTRAINT c FOREIGN KEY (id) REFERENCES parents NOT ENFORCED
ALTER TABLE children ALTER CONSTRAINT children_parent_id_fkey DEFERRABLE
ALTER TABLE children ALTER CONSTRAINT children_parent_id_fkey NOT ENFORCED
ALTER TABLE children VALIDATE CONSTRAINT kept
ALTER TABLE children VALIDATE CONSTRAINT has_size
ALTER TABLE children VALIDATE CONSTRAINT children_parent_id_fkey
ALTER TABLE children DROP CONSTRAINT kept
ALTER TABLE children DROP CONSTRAINT children_parent_id_fkey
ALTER TABLE parents OWNER TO CURRENT_USER
ALTER TABLE parents CLUSTER ON parents_name_idx
ALTER TABLE parents SET WITHOUT CLUSTER
ALTER TABLE parents SET WITHOUT OIDS
ALTER TABLE logs SET UNLOGGED
ALTER TABLE logs SET LOGGED
ALTER TABLE caches SET LOGGED
ALTER TABLE logs SET ACCESS METHOD other_heap
ALTER TABLE logs SET ACCESS METHOD heap
ALTER TABLE logs SET TABLESPACE other_place
ALTER TABLE logs SET TABLESPACE pg_default
ALTER TABLE parents SET (fillfactor = 90)
ALTER TABLE parents SET (autovacuum_vacuum_scale_factor = 0.1)
ALTER TABLE parents SET (toast_tuple_target = 4080)
ALTER TABLE parents SET (parallel_workers = 2)
ALTER TABLE parents SET (user_catalog_table = true)
ALTER TABLE parents RESET (fillfactor)
ALTER TABLE parents RESET (user_catalog_table)
ALTER TABLE parents ENABLE TRIGGER watched
ALTER TABLE parents ENABLE ALWAYS TRIGGER watched
ALTER TABLE parents ENABLE REPLICA TRIGGER watched
ALTER TABLE parents DISABLE TRIGGER watched
ALTER TABLE parents ENABLE TRIGGER ALL
ALTER TABLE parents DISABLE TRIGGER ALL
ALTER TABLE parents ENABLE TRIGGER USER
ALTER TABLE parents DISABLE TRIGGER USER
ALTER TABLE logs ENABLE RULE ruled
ALTER TABLE logs ENABLE ALWAYS RULE ruled
ALTER TABLE logs ENABLE REPLICA RULE ruled
ALTER TABLE logs DISABLE RULE ruled
ALTER TABLE strays INHERIT logs
ALTER TABLE heirs NO INHERIT logs
ALTER TABLE untyped OF kind_of_parent
ALTER TABLE typed NOT OF
ALTER TABLE parents REPLICA IDENTITY FULL
ALTER TABLE parents REPLICA IDENTITY USING INDEX parents_name_idx
ALTER TABLE parents ENABLE ROW LEVEL SECURITY
ALTER TABLE parents DISABLE ROW LEVEL SECURITY
ALTER TABLE parents FORCE ROW LEVEL SECURITY
ALTER TABLE parents NO FORCE ROW LEVEL SECURITY
ALTER TABLE events ATTACH PARTITION events_2021 FOR VALUES FROM ('2021-01-01') TO ('2022-01-01')
ALTER TABLE events ATTACH PARTITION events_2022 FOR VALUES FROM ('2022-01-01') TO ('2023-01-01')
ALTER TABLE events DETACH PARTITION events_2020
ALTER TABLE days ATTACH PARTITION days_2022 FOR VALUES FROM ('2022-01-01') TO ('2023-01-01')
ALTER TABLE days ATTACH PARTITION days_2023 FOR VALUES FROM ('2023-01-01') TO ('2024-01-01')
ALTER TABLE days DETACH PARTITION days_2020
ALTER TABLE days DETACH PARTITION days_other
ALTER FOREIGN TABLE outside OPTIONS (ADD place 'far')
ALTER FOREIGN TABLE outside ALTER COLUMN at OPTIONS (ADD place 'far')
ALTER TABLE parents RENAME TO elders
ALTER TABLE parents RENAME COLUMN note TO remark
ALTER TABLE children RENAME CONSTRAINT kept TO held
ALTER TABLE parents SET SCHEMA elsewhere
""".strip().splitlines()

TABLES = """
    SELECT
        pg_class.oid,
        pg_class.oid::regclass::text AS name,
        pg_relation_filenode(pg_class.oid) AS file,
        coalesce(pg_stat_get_xact_numscans(pg_class.oid), 0) AS scans,
        ARRAY(
            SELECT mode
            FROM pg_locks
            WHERE relation = pg_class.oid AND pid = pg_backend_pid() AND granted
        ) AS modes,
        ARRAY(
            SELECT pg_relation_filenode(indexrelid)
            FROM pg_index
            WHERE indrelid = pg_class.oid
        ) AS indexes
    FROM pg_class
    WHERE relkind IN ('r', 'p', 'f') AND relnamespace = ANY(ARRAY['public', 'elsewhere']::regnamespace[])
"""


class Table(NamedTuple):
    """Table of SCHEMA, before or after a form."""

    oid: int
    name: str
    file: int | None  # another one after a rewrite
    scans: int
    modes: list[str]
    indexes: list[int]


def measured(connection: psycopg.Connection, form: str) -> dict[str, str]:
    """Return the lock and the work of a form for each table that it locks, or its error. SCHEMA is in the database."""
    try:
        with connection.transaction(force_rollback=True):
            before = {table.oid: table for table in map(Table._make, connection.execute(TABLES))}
            connection.execute(form.encode())
            after = list(map(Table._make, connection.execute(TABLES)))
    except psycopg.Error as error:
        return {"error": error.diag.message_primary or str(error)}
    return {before[table.oid].name: _effect(before[table.oid], table) for table in after if table.modes}


def _effect(before: Table, after: Table) -> str:
    mode = max((MODE_NAMES[mode] for mode in after.modes), key=MODES.index)
    if after.file != before.file:
        return f"{mode}, rewrite"
    if set(after.indexes) - set(before.indexes):
        return f"{mode}, build"
    return f"{mode}, scan" if after.scans > before.scans else mode


def prepare(connection: psycopg.Connection) -> None:
    """Create the tables that the forms need. The connection is one of a superuser, with autocommit."""
    for statement in SCHEMA.strip().split(";\n"):
        connection.execute(statement.encode())


def page() -> str:
    """Return the text of docs/reference/alter-table.md."""
    lines = [TITLE]
    for form, by_versions in json.loads(FILE.read_text(encoding="utf-8")).items():
        effect = next(each for each in reversed(by_versions.values()) if "error" not in each)
        older = "".join(f"**not in {versions}**, " for versions, each in by_versions.items() if "error" in each)
        cells = (
            f"`{table}`: {mode.replace(', ', ', **')}{'**' if ', ' in mode else ''}" for table, mode in effect.items()
        )
        lines.append(f"| `{form}` | {older}{'<br>'.join(cells)} |\n")
    indented = "".join(
        f"    {line}\n" for line in SCHEMA.strip().splitlines() if not line.startswith(("SET ", "INSERT "))
    )
    return "".join([*lines, TABLES_TITLE, indented])


def main() -> None:
    """Write the file and the page."""
    found = {}
    for version, connection in servers():
        prepare(connection)
        found[version] = {form: measured(connection, form) for form in FORMS}
    lines = []
    for form in FORMS:
        versions: dict[str, list[str]] = {}  # by effect, which most forms have on each version
        for version, effects in found.items():
            versions.setdefault(json.dumps(effects[form]), []).append(str(version))
        by_version = ", ".join(f"{json.dumps(', '.join(each))}: {effect}" for effect, each in versions.items())
        lines.append(f"{json.dumps(form)}: {{{by_version}}}")
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
