"""Corpus of migrations, each with the exact set of rules that it breaks.

Each `sql` is the body of a migration after the shipped ones. It runs on PostgreSQL 18 with rows in `images`. For each
rule there are statements that it forbids, and similar statements that are safe.
"""

from dataclasses import dataclass

ALBUMS = """CREATE TABLE albums (
    id bigint GENERATED ALWAYS AS IDENTITY,
    name varchar(50) NOT NULL DEFAULT '',
    rating numeric(4,2),
    code integer,
    address cidr,
    seen_at timestamptz(0),
    cover uuid,
    CONSTRAINT albums_pkey PRIMARY KEY (id)
);
"""
PARTITIONED = """CREATE TABLE views (day date NOT NULL, image uuid NOT NULL) PARTITION BY RANGE (day);
CREATE TABLE views_2026 (day date NOT NULL, image uuid NOT NULL);
"""
VIEW = "CREATE MATERIALIZED VIEW image_types AS SELECT content_type, count(*) AS images FROM images GROUP BY 1;\n"
KINDS = "CREATE TYPE kind AS ENUM ('a', 'b');\nCREATE DOMAIN label AS text;\n"
FUNCTION = "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';\n"
LIST = "-- count_images: how many there are, for the corpus.\nSELECT count(*) AS images\nFROM images;\n"
INTO_ALBUMS = "-- insert_album: for the corpus.\n-- example one: 'a'\nINSERT INTO albums (name)\nVALUES ($1);\n"


@dataclass(frozen=True)
class Case:
    """One migration: `finds` are the rules that it breaks."""

    name: str
    sql: str
    finds: frozenset[str] = frozenset()
    rollback: str | None = None
    transactional: bool = True
    before: str = ""  # an earlier migration
    queries: dict[str, str] | None = None  # files of sql/queries/ to add or replace

    def __str__(self) -> str:
        return self.name


def case(
    name: str,
    sql: str,
    *finds: str,
    rollback: str | None = None,
    transactional: bool = True,
    before: str = "",
    queries: dict[str, str] | None = None,
) -> Case:
    return Case(name, sql, frozenset(finds), rollback, transactional, before, queries)


CASES = [
    # Columns.
    case("a nullable column", "ALTER TABLE images ADD COLUMN note text;"),
    case("a column with a constant", "ALTER TABLE images ADD COLUMN note text NOT NULL DEFAULT '';"),
    case("a column with now()", "ALTER TABLE images ADD COLUMN seen_at timestamptz NOT NULL DEFAULT now();"),
    case("a column with CURRENT_TIMESTAMP", "ALTER TABLE images ADD seen_at timestamptz DEFAULT CURRENT_TIMESTAMP;"),
    case("a column with an empty object", "ALTER TABLE images ADD COLUMN extra jsonb NOT NULL DEFAULT '{}'::jsonb;"),
    case(
        "a column with an array", "ALTER TABLE images ADD COLUMN parts text[] NOT NULL DEFAULT ARRAY['a', lower('B')];"
    ),
    case(
        "a random default", "ALTER TABLE images ADD COLUMN sort double precision DEFAULT random();", "default-rewrite"
    ),
    case("a UUID default", "ALTER TABLE images ADD COLUMN token uuid DEFAULT gen_random_uuid();", "default-rewrite"),
    case("uuidv7()", "ALTER TABLE images ADD COLUMN token uuid DEFAULT uuidv7();", "default-rewrite", "newer-server"),
    case("the clock", "ALTER TABLE images ADD COLUMN at timestamptz DEFAULT clock_timestamp();", "default-rewrite"),
    case(
        "a default apart from its column",
        "ALTER TABLE images ADD COLUMN token uuid;\n"
        "ALTER TABLE images ALTER COLUMN token SET DEFAULT gen_random_uuid();",
    ),
    case(
        "a default by a function of our own",
        "ALTER TABLE images ADD COLUMN n bigint DEFAULT next_number();",
        "default-rewrite",
        before="CREATE FUNCTION next_number() RETURNS bigint LANGUAGE sql RETURN (random() * 1000)::bigint;",
    ),
    case(
        "a default by a stable function of our own",
        "ALTER TABLE images ADD COLUMN n bigint DEFAULT first_number();",
        before="CREATE FUNCTION first_number() RETURNS bigint LANGUAGE sql STABLE RETURN 1;",
    ),
    case(
        "a sequence's default",
        "CREATE SEQUENCE numbers;\nALTER TABLE images ADD COLUMN n bigint DEFAULT nextval('numbers');",
        "default-rewrite",
    ),
    case("serial", "ALTER TABLE images ADD COLUMN n bigserial;", "default-rewrite", "prefer-identity"),
    case("identity", "ALTER TABLE images ADD COLUMN n bigint GENERATED ALWAYS AS IDENTITY;", "default-rewrite"),
    case(
        "a stored column",
        "ALTER TABLE images ADD COLUMN area bigint GENERATED ALWAYS AS (width * height) STORED;",
        "default-rewrite",
    ),
    case(
        "a virtual column",
        "ALTER TABLE images ADD COLUMN area bigint GENERATED ALWAYS AS (width * height) VIRTUAL;",
        "newer-server",
    ),
    case(
        "a virtual column without NULL",
        "ALTER TABLE images ADD COLUMN area bigint GENERATED ALWAYS AS (width * height) VIRTUAL NOT NULL;",
        "not-null-scan",
        "newer-server",
    ),
    case(
        "a column of a domain with a CHECK",
        "ALTER TABLE images ADD COLUMN mail mail;",
        "default-rewrite",
        before="CREATE DOMAIN mail AS text CHECK (VALUE LIKE '%@%');",
    ),
    case(
        "a column of a domain without",
        "ALTER TABLE images ADD COLUMN mail mail;",
        before="CREATE DOMAIN mail AS text;",
    ),
    case("a required column", "ALTER TABLE albums ADD COLUMN owner text NOT NULL;", "insert-breaks", before=ALBUMS),
    case("a required column, given", "ALTER TABLE albums ADD COLUMN owner text NOT NULL DEFAULT 'us';", before=ALBUMS),
    case("a required column of a new table", "CREATE TABLE t (a bigint);\nALTER TABLE t ADD COLUMN b text NOT NULL;"),
    case("a column with a CHECK", "ALTER TABLE images ADD COLUMN n bigint CHECK (n > 0);", "check-scan"),
    case("a unique column", "ALTER TABLE images ADD COLUMN slug text UNIQUE;", "constraint-index"),
    case("varchar", "ALTER TABLE images ADD COLUMN slug varchar(20);", "column-type"),
    case("integer", "ALTER TABLE images ADD COLUMN pages integer;", "prefer-bigint-over-int"),
    case("timestamp", "ALTER TABLE images ADD COLUMN at timestamp;", "prefer-timestamp-tz"),
    case("char", "ALTER TABLE images ADD COLUMN letter char(1);", "ban-char-field"),
    case(
        "IF NOT EXISTS on another column",
        "ALTER TABLE albums ADD COLUMN IF NOT EXISTS name bigint;",
        "create-if-not-exists",
        before=ALBUMS,
    ),
    case("IF NOT EXISTS on a new column", "ALTER TABLE images ADD COLUMN IF NOT EXISTS note text;"),
    # Types.
    case("a wider varchar", "ALTER TABLE albums ALTER name TYPE varchar(80);", before=ALBUMS),
    case("varchar to text", "ALTER TABLE albums ALTER COLUMN name TYPE text;", before=ALBUMS),
    case("varchar without a limit", "ALTER TABLE albums ALTER COLUMN name TYPE varchar;", before=ALBUMS),
    case(
        "a narrower varchar",
        "ALTER TABLE albums ALTER COLUMN name TYPE varchar(20);",
        "type-rewrite",
        before=ALBUMS,
    ),
    case(
        "text to varchar",
        "ALTER TABLE images ALTER COLUMN description TYPE varchar(10000000);",
        "rejected",
    ),
    case("a wider numeric", "ALTER TABLE albums ALTER COLUMN rating TYPE numeric(8,2);", before=ALBUMS),
    case("numeric without a limit", "ALTER TABLE albums ALTER COLUMN rating TYPE numeric;", before=ALBUMS),
    case(
        "a narrower numeric", "ALTER TABLE albums ALTER COLUMN rating TYPE numeric(3,2);", "type-rewrite", before=ALBUMS
    ),
    case(
        "an array of another type",
        "ALTER TABLE images ALTER COLUMN tags TYPE varchar[];",
        "rejected",
    ),
    case(
        "a coarser time",
        "ALTER TABLE albums ALTER COLUMN at TYPE timestamptz(0);",
        "type-rewrite",
        before=ALBUMS + "ALTER TABLE albums ADD COLUMN at timestamptz(3);",
    ),
    case("another scale", "ALTER TABLE albums ALTER COLUMN rating TYPE numeric(8,3);", "type-rewrite", before=ALBUMS),
    case("a finer time", "ALTER TABLE albums ALTER COLUMN seen_at TYPE timestamptz(3);", before=ALBUMS),
    case("a time as fine as can be", "ALTER TABLE albums ALTER COLUMN seen_at TYPE timestamptz;", before=ALBUMS),
    case("cidr to inet", "ALTER TABLE albums ALTER COLUMN address TYPE inet;", before=ALBUMS),
    case("integer to bigint", "ALTER TABLE albums ALTER COLUMN code TYPE bigint;", "type-rewrite", before=ALBUMS),
    case("integer to bigint, under a query", "ALTER TABLE images ALTER COLUMN width TYPE bigint;", "type-rewrite"),
    case(
        "a type that clients cannot take",
        "ALTER TABLE images ALTER COLUMN byte_size TYPE text;",
        "type-rewrite",
        "type-breaks",
    ),
    case("a type of a new table", "CREATE TABLE t (a bigint);\nALTER TABLE t ALTER COLUMN a TYPE text;"),
    case(
        "USING that says nothing new",
        "ALTER TABLE albums ALTER COLUMN name TYPE text USING name::text;",
        before=ALBUMS,
    ),
    case(
        "USING that computes",
        "ALTER TABLE albums ALTER COLUMN name TYPE text USING lower(name);",
        "type-rewrite",
        before=ALBUMS,
    ),
    case(
        "a column with a valid CHECK",
        "ALTER TABLE images ALTER COLUMN own_key TYPE varchar;",
        "type-rewrite",
    ),
    case(
        "a column of an index with a predicate",
        "ALTER TABLE albums ALTER COLUMN name TYPE text;",
        "type-rewrite",
        before=ALBUMS + "CREATE INDEX albums_name_idx ON albums (name) WHERE name <> '';",
    ),
    case(
        "a column of a plain index",
        "ALTER TABLE albums ALTER COLUMN name TYPE text;",
        before=ALBUMS + "CREATE INDEX albums_name_idx ON albums (name);",
    ),
    case(
        "a collation of an indexed column",
        'ALTER TABLE albums ALTER COLUMN name TYPE text COLLATE "C";',
        "type-rewrite",
        before=ALBUMS + "CREATE INDEX albums_name_idx ON albums (name);",
    ),
    # Indexes.
    case("an index", "CREATE INDEX images_width_idx ON images (width);", "blocking-index"),
    case("an index on a new table", "CREATE TABLE t (a bigint);\nCREATE INDEX t_a_idx ON t (a);"),
    case(
        "an index that blocks nobody",
        "CREATE INDEX CONCURRENTLY images_width_idx ON images (width);",
        transactional=False,
    ),
    case(
        "CONCURRENTLY in a transaction",
        "CREATE INDEX CONCURRENTLY images_width_idx ON images (width);",
        "concurrently-alone",
    ),
    case(
        "IF NOT EXISTS, CONCURRENTLY",
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS images_width_idx ON images (width);",
        "concurrently-whole",
        transactional=False,
    ),
    case("a drop of an index", "DROP INDEX images_created_at_id_idx;", "blocking-index-drop", "drop-breaks"),
    case(
        "a drop that blocks nobody",
        "DROP INDEX CONCURRENTLY IF EXISTS images_width_idx;",
        transactional=False,
        before="CREATE INDEX images_width_idx ON images (width);",
    ),
    case(
        "a drop of an index that queries name",
        "DROP INDEX CONCURRENTLY IF EXISTS images_created_at_id_idx;",
        "drop-breaks",
        transactional=False,
    ),
    case(
        "a drop of what ON CONFLICT needs",
        "DROP INDEX CONCURRENTLY IF EXISTS images_content_sha256_key;",
        "drop-breaks",
        transactional=False,
    ),
    case("REINDEX", "REINDEX TABLE images;", "blocking-reindex"),
    case("REINDEX of one", "REINDEX INDEX images_created_at_id_idx;", "blocking-reindex"),
    case("another name for an index", "ALTER INDEX images_created_at_id_idx RENAME TO images_newest_idx;"),
    # Constraints.
    case("a CHECK", "ALTER TABLE images ADD CONSTRAINT images_width_check CHECK (width <> 1234567);", "check-scan"),
    case(
        "a CHECK, NOT VALID", "ALTER TABLE images ADD CONSTRAINT images_width_check CHECK (width <> 1234567) NOT VALID;"
    ),
    case(
        "a CHECK, validated at once",
        "ALTER TABLE images ADD CONSTRAINT images_width_check CHECK (width <> 1234567) NOT VALID;\n"
        "ALTER TABLE images VALIDATE CONSTRAINT images_width_check;",
        "validate-apart",
    ),
    case(
        "a CHECK, validated apart",
        "ALTER TABLE images VALIDATE CONSTRAINT images_width_check;",
        before="ALTER TABLE images ADD CONSTRAINT images_width_check CHECK (width <> 1234567) NOT VALID;",
    ),
    case(
        "a CHECK, validated after another lock",
        "ALTER TABLE images ADD COLUMN note text;\nALTER TABLE images VALIDATE CONSTRAINT images_width_check;",
        "validate-apart",
        before="ALTER TABLE images ADD CONSTRAINT images_width_check CHECK (width <> 1234567) NOT VALID;",
    ),
    case(
        "a CHECK, validated before another lock",
        "ALTER TABLE images VALIDATE CONSTRAINT images_width_check;\nALTER TABLE images ADD COLUMN note text;",
        before="ALTER TABLE images ADD CONSTRAINT images_width_check CHECK (width <> 1234567) NOT VALID;",
    ),
    case(
        "a foreign key",
        "ALTER TABLE albums ADD CONSTRAINT albums_cover_fkey FOREIGN KEY (cover) REFERENCES images (id);",
        "foreign-key-scan",
        "foreign-key-index",
        before=ALBUMS,
    ),
    case(
        "a foreign key, NOT VALID",
        "ALTER TABLE albums ADD CONSTRAINT albums_cover_fkey FOREIGN KEY (cover) REFERENCES images (id) NOT VALID;",
        "foreign-key-index",
        before=ALBUMS,
    ),
    case(
        "a column's foreign key",
        "ALTER TABLE albums ADD COLUMN back uuid REFERENCES images (id);",
        "foreign-key-locks",
        "foreign-key-index",
        before=ALBUMS,
    ),
    case(
        "a foreign key to itself",
        "ALTER TABLE images ADD COLUMN parent uuid REFERENCES images (id);",
        "foreign-key-index",
    ),
    case(
        "a new table's foreign key, of a column",
        "CREATE TABLE notes (image uuid NOT NULL REFERENCES images (id), words text);",
        "foreign-key-locks",
        "foreign-key-index",
    ),
    case(
        "a new table's foreign key, of the table",
        "CREATE TABLE notes (\n    image uuid NOT NULL,\n"
        "    CONSTRAINT notes_image_fkey FOREIGN KEY (image) REFERENCES images (id)\n);",
        "foreign-key-locks",
        "foreign-key-index",
    ),
    case(
        "a new table's foreign key to a new one",
        "CREATE TABLE a (id bigint PRIMARY KEY);\nCREATE TABLE b (a bigint REFERENCES a (id));",
        "foreign-key-index",
    ),
    case("SET NOT NULL", "ALTER TABLE albums ALTER COLUMN code SET NOT NULL;", "not-null-scan", before=ALBUMS),
    case(
        "SET NOT NULL after a valid CHECK",
        "ALTER TABLE albums ALTER COLUMN code SET NOT NULL;",
        before=ALBUMS + "ALTER TABLE albums ADD CONSTRAINT albums_code_check CHECK (code IS NOT NULL AND code > 0);",
    ),
    case(
        "SET NOT NULL after a CHECK that is not valid",
        "ALTER TABLE albums ALTER COLUMN code SET NOT NULL;",
        "not-null-scan",
        before=ALBUMS + "ALTER TABLE albums ADD CONSTRAINT albums_code_check CHECK (code IS NOT NULL) NOT VALID;",
    ),
    case("SET NOT NULL where it is", "ALTER TABLE images ALTER COLUMN filename SET NOT NULL;"),
    case(
        "NOT NULL, NOT VALID",
        "ALTER TABLE albums ADD CONSTRAINT albums_code_given NOT NULL code NOT VALID;",
        "newer-server",
        before=ALBUMS,
    ),
    case(
        "NOT NULL as a constraint",
        "ALTER TABLE albums ADD CONSTRAINT albums_code_given NOT NULL code;",
        "not-null-scan",
        "newer-server",
        before=ALBUMS,
    ),
    case(
        "SET NOT NULL that an INSERT leaves out",
        "ALTER TABLE albums ALTER COLUMN code SET NOT NULL;",
        "insert-breaks",
        before=ALBUMS + "ALTER TABLE albums ADD CONSTRAINT albums_code_check CHECK (code IS NOT NULL);",
        queries={"insert_album.sql": INTO_ALBUMS},
    ),
    case(
        "SET NOT NULL beside the drop of its CHECK",
        "ALTER TABLE albums ALTER COLUMN code SET NOT NULL, DROP CONSTRAINT albums_code_check;",
        "not-null-scan",
        before=ALBUMS + "ALTER TABLE albums ADD CONSTRAINT albums_code_check CHECK (code IS NOT NULL);",
    ),
    case(
        "SET NOT NULL before the drop of its CHECK",
        "ALTER TABLE albums ALTER COLUMN code SET NOT NULL;\nALTER TABLE albums DROP CONSTRAINT albums_code_check;",
        before=ALBUMS + "ALTER TABLE albums ADD CONSTRAINT albums_code_check CHECK (code IS NOT NULL);",
    ),
    case(
        "a CHECK that an INSERT cannot meet",
        "ALTER TABLE albums ADD CONSTRAINT albums_code_check CHECK (code IS NOT NULL) NOT VALID;",
        "insert-breaks",
        before=ALBUMS,
        queries={"insert_album.sql": INTO_ALBUMS},
    ),
    case(
        "a CHECK that an INSERT meets",
        "ALTER TABLE albums ADD CONSTRAINT albums_name_check CHECK (name IS NOT NULL) NOT VALID;",
        before=ALBUMS,
        queries={"insert_album.sql": INTO_ALBUMS},
    ),
    case(
        "a primary key by another index",
        "ALTER TABLE albums\n    DROP CONSTRAINT albums_pkey,\n"
        "    ADD CONSTRAINT albums_pkey PRIMARY KEY USING INDEX albums_id_idx;",
        before=ALBUMS + "CREATE UNIQUE INDEX albums_id_idx ON albums (id);",
    ),
    case("UNIQUE", "ALTER TABLE images ADD CONSTRAINT images_key_key UNIQUE (own_key, id);", "constraint-index"),
    case(
        "UNIQUE by an index",
        "ALTER TABLE images ADD CONSTRAINT images_key_key UNIQUE USING INDEX images_key_idx;",
        before="CREATE UNIQUE INDEX images_key_idx ON images (own_key, id);",
    ),
    case(
        "a primary key by an index of what may be NULL",
        "ALTER TABLE labels ADD CONSTRAINT labels_pkey PRIMARY KEY USING INDEX labels_a_idx;",
        "not-null-scan",
        before="CREATE TABLE labels (a bigint);\nCREATE UNIQUE INDEX labels_a_idx ON labels (a);",
    ),
    case(
        "EXCLUDE",
        "ALTER TABLE albums ADD CONSTRAINT albums_seen_excl EXCLUDE USING gist (tstzrange(seen_at, seen_at) WITH &&);",
        "constraint-index",
        before=ALBUMS,
    ),
    case("a drop of a CHECK", "ALTER TABLE images DROP CONSTRAINT images_title_check;", "constraint-drop"),
    # Rewrites and locks.
    case("CLUSTER", "CLUSTER images USING images_pkey;", "table-rewrite"),
    case("VACUUM FULL", "VACUUM FULL images;", "table-rewrite", transactional=False),
    case("VACUUM", "VACUUM (ANALYZE) images;", transactional=False),
    case("UNLOGGED", "ALTER TABLE albums SET UNLOGGED;", "table-rewrite", before=ALBUMS),
    case("a fill factor", "ALTER TABLE images SET (fillfactor = 90);"),
    case("a refresh", "REFRESH MATERIALIZED VIEW image_types;", "blocking-refresh", before=VIEW),
    case(
        "a refresh that blocks nobody",
        "REFRESH MATERIALIZED VIEW CONCURRENTLY image_types;",
        before=VIEW + "CREATE UNIQUE INDEX image_types_key ON image_types (content_type);",
    ),
    case("LOCK", "LOCK TABLE images IN SHARE MODE;\nALTER TABLE images ADD COLUMN note text;", "lock-table"),
    case("LOCK that lets writes go on", "LOCK TABLE images IN SHARE UPDATE EXCLUSIVE MODE;"),
    case("LOCK of a new table", "CREATE TABLE t (a bigint);\nLOCK TABLE t;"),
    case("no time-out", "SET LOCAL lock_timeout = 0;\nALTER TABLE images ADD COLUMN note text;", "lock-timeout-off"),
    case("no time-out, in a function", "SELECT set_config('lock_timeout', '0s', true);", "lock-timeout-off"),
    case("the time-out of the role", "SET LOCAL lock_timeout TO DEFAULT;", "lock-timeout-off"),
    case(
        "no time-out for a role",
        "ALTER ROLE CURRENT_USER SET lock_timeout = '0';",
        "lock-timeout-off",
        "server-settings",
    ),
    case("a time-out", "SET LOCAL lock_timeout = '500ms';\nALTER TABLE images ADD COLUMN note text;"),
    case("a setting of the session", "SET search_path = public;", "session-setting"),
    case("a setting of the session, in a function", "SELECT set_config('work_mem', '64MB', false);", "session-setting"),
    case("a search_path", "SET LOCAL search_path = aside, public;", "search-path"),
    case("a search_path, in a function", "SELECT set_config('search_path', 'aside', true);", "search-path"),
    case("a setting of the transaction", "SELECT set_config('work_mem', '64MB', true);"),
    case(
        "a trigger",
        "CREATE TRIGGER images_touch BEFORE UPDATE ON images FOR EACH ROW EXECUTE FUNCTION touch();",
        "new-trigger",
        before=FUNCTION,
    ),
    case(
        "a trigger of a new table",
        "CREATE TABLE t (a bigint);\nCREATE TRIGGER t_touch BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION touch();",
        before=FUNCTION,
    ),
    case(
        "a partition",
        "ALTER TABLE views ATTACH PARTITION views_2026 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');",
        "partition-locks",
        before=PARTITIONED,
    ),
    case(
        "a partition of a new table",
        PARTITIONED + "ALTER TABLE views ATTACH PARTITION views_2026 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');",
    ),
    # Rows.
    case(
        "a backfill beside its column",
        "ALTER TABLE images ADD COLUMN note text;\nUPDATE images SET note = title WHERE title IS NOT NULL;",
        "unbatched-backfill",
    ),
    case("a backfill apart", "UPDATE images SET title = NULL WHERE title = '';", "many-rows-write"),
    case(
        "a batch beside its column",
        "ALTER TABLE images ADD COLUMN note text;\n"
        "UPDATE images SET note = title WHERE id IN (SELECT id FROM images ORDER BY id LIMIT 100);",
    ),
    case(
        "one row beside a column",
        "ALTER TABLE images ADD COLUMN note text;\n"
        "UPDATE images SET note = 'first' WHERE id = '00000000-0000-4000-8000-000000000000';",
    ),
    case(
        "a copy beside DDL",
        "CREATE TABLE titles (image uuid, title text);\nALTER TABLE images ADD COLUMN note text;\n"
        "INSERT INTO titles (image, title)\nSELECT id, title FROM images;",
        "unbatched-backfill",
    ),
    case(
        "a copy into a new table",
        "CREATE TABLE titles (image uuid, title text);\n"
        "INSERT INTO titles (image, title)\nSELECT id, title FROM images;",
    ),
    case(
        "rows of a new table beside DDL",
        "ALTER TABLE images ADD COLUMN kind text;\nCREATE TABLE kinds (name text);\n"
        "INSERT INTO kinds (name) VALUES ('a'), ('b');\nUPDATE kinds SET name = upper(name);",
    ),
    case(
        "a batch by WITH",
        "ALTER TABLE images ADD COLUMN note text;\n"
        "WITH batch AS (SELECT id FROM images WHERE note IS NULL ORDER BY id LIMIT 100 FOR UPDATE SKIP LOCKED)\n"
        "UPDATE images SET note = '' FROM batch WHERE batch.id = images.id;",
    ),
    case(
        "batches in a loop, in one transaction",
        "ALTER TABLE images ADD COLUMN note text;\nDO $$\nBEGIN\n    FOR i IN 1..3 LOOP\n"
        "        UPDATE images SET note = '' WHERE id IN (SELECT id FROM images WHERE note IS NULL LIMIT 100);\n"
        "    END LOOP;\nEND\n$$;",
        "unbatched-backfill",
    ),
    case(
        "a table put in another's place",
        "CREATE TABLE images_new (LIKE images INCLUDING ALL);\nINSERT INTO images_new SELECT * FROM images;\n"
        "DROP TABLE images;\nALTER TABLE images_new RENAME TO images;",
        "unbatched-backfill",
        "drop-breaks",
    ),
    case(
        "a copy as a new table",
        "CREATE TABLE images_then AS SELECT id, title FROM images;",
    ),
    case(
        "a temporary table",
        "CREATE TEMPORARY TABLE chosen AS SELECT id FROM images LIMIT 10;\nDELETE FROM chosen;\nDROP TABLE chosen;",
    ),
    case(
        "a merge beside DDL",
        "MERGE INTO albums USING images ON albums.cover = images.id\n"
        "WHEN MATCHED THEN UPDATE SET name = images.id::text;\n"
        "ALTER TABLE albums ADD COLUMN note text;",
        "unbatched-backfill",
        before=ALBUMS,
    ),
    case("each row", "UPDATE images SET description = 'x';", "whole-table-write"),
    case("each row, where true", "DELETE FROM images WHERE true;", "whole-table-write"),
    case(
        "each row, by WITH",
        "WITH gone AS (DELETE FROM albums RETURNING id) SELECT count(*) FROM gone;",
        "whole-table-write",
        before=ALBUMS,
    ),
    case("TRUNCATE", "TRUNCATE albums;", "whole-table-write", before=ALBUMS),
    case("TRUNCATE of a new table", "CREATE TABLE t (a bigint);\nINSERT INTO t (a) VALUES (1);\nTRUNCATE t;"),
    # DO.
    case("DDL in DO", "DO $$\nBEGIN\n    ALTER TABLE images ADD COLUMN note text;\nEND\n$$;", "hidden-ddl"),
    case(
        "unsafe DDL in DO",
        "DO $$\nBEGIN\n    IF true THEN\n"
        "        CREATE INDEX images_width_idx ON images (width);\n    END IF;\nEND\n$$;",
        "hidden-ddl",
        "blocking-index",
    ),
    case(
        "a statement put together in DO",
        "DO $$\nBEGIN\n    EXECUTE format('COMMENT ON TABLE %I IS NULL', 'images');\nEND\n$$;",
        "hidden-ddl",
    ),
    case(
        "a constant run in DO",
        "DO $$\nBEGIN\n    EXECUTE 'LOCK TABLE images';\nEND\n$$;",
        "lock-table",
    ),
    case(
        "a check in DO",
        "DO $$\nBEGIN\n    IF EXISTS (SELECT FROM images WHERE width < 0) THEN\n"
        "        RAISE EXCEPTION 'a width below 0';\n    END IF;\nEND\n$$;",
    ),
    # The running release.
    case("another name for a column", "ALTER TABLE images RENAME COLUMN title TO heading;", "rename-breaks"),
    case("another name for a table", "ALTER TABLE images RENAME TO pictures;", "rename-breaks"),
    case("another schema", "CREATE SCHEMA aside;\nALTER TABLE images SET SCHEMA aside;", "rename-breaks"),
    case(
        "another name for a new table",
        "CREATE TABLE a (b bigint);\nALTER TABLE a RENAME TO c;\nALTER TABLE c RENAME b TO d;",
    ),
    case("another name for a constraint", "ALTER TABLE images RENAME CONSTRAINT images_title_check TO title_check;"),
    case("a drop of a column in use", "ALTER TABLE images DROP COLUMN width;", "drop-breaks"),
    case("a drop of a column that no query has", "ALTER TABLE albums DROP COLUMN code;", "drop-loses", before=ALBUMS),
    case("a drop of a table in use", "DROP TABLE images;", "drop-breaks"),
    case("a drop of a table that no query has", "DROP TABLE albums;", "drop-loses", before=ALBUMS),
    case("a drop of a new table", "CREATE TABLE t (a bigint);\nDROP TABLE t;"),
    case("CASCADE", "DROP FUNCTION touch() CASCADE;", "drop-cascade", before=FUNCTION),
    case(
        "a drop of a default in use",
        "ALTER TABLE images ALTER COLUMN id DROP DEFAULT;",
        "insert-breaks",
        "ban-drop-default",
    ),
    case(
        "a drop of a default that INSERT gives",
        "ALTER TABLE images ALTER COLUMN tags DROP DEFAULT;",
        "ban-drop-default",
    ),
    case(
        "a column that may be NULL from now on",
        "ALTER TABLE images ALTER COLUMN tags DROP NOT NULL;",
        "ban-drop-not-null",
    ),
    case("IF NOT EXISTS on another table", "CREATE TABLE IF NOT EXISTS images (id bigint);", "create-if-not-exists"),
    case(
        "IF NOT EXISTS on the same table", "CREATE TABLE IF NOT EXISTS t (a bigint);", before="CREATE TABLE t (a int8);"
    ),
    case("IF NOT EXISTS on a new table", "CREATE TABLE IF NOT EXISTS t (a bigint);"),
    case("a name that is too long", f"CREATE TABLE {'a' * 70} (b bigint);", "identifier-too-long"),
    # Under a lock, and in one transaction.
    case(
        "a scan after DDL",
        "ALTER TABLE images ADD COLUMN note text;\nSELECT count(*) FROM images;",
        "slow-under-lock",
    ),
    case("a scan before DDL", "SELECT count(*) FROM images;\nALTER TABLE images ADD COLUMN note text;"),
    case(
        "a row after DDL",
        "ALTER TABLE images ADD COLUMN note text;\n"
        "SELECT title FROM images WHERE id = '00000000-0000-4000-8000-000000000000';",
    ),
    case("a sleep after DDL", "ALTER TABLE images ADD COLUMN note text;\nSELECT pg_sleep(0.1);", "slow-under-lock"),
    case("ANALYZE after DDL", "ALTER TABLE images ADD COLUMN note text;\nANALYZE images;", "slow-under-lock"),
    case("a question after DDL", "ALTER TABLE images ADD COLUMN note text;\nSELECT relname FROM pg_class;"),
    case(
        "a check in DO after DDL",
        "ALTER TABLE images ADD COLUMN note text;\nDO $$\nBEGIN\n"
        "    IF EXISTS (SELECT FROM images WHERE width < 0) THEN\n        RAISE EXCEPTION 'a width below 0';\n"
        "    END IF;\nEND\n$$;",
        "slow-under-lock",
    ),
    case(
        "locks against the order of the triggers",
        "ALTER TABLE image_terms ADD COLUMN a bigint;\nALTER TABLE images ADD COLUMN b bigint;",
        "lock-order",
    ),
    case(
        "locks in the order of the triggers",
        "ALTER TABLE images ADD COLUMN b bigint;\nALTER TABLE image_terms ADD COLUMN a bigint;",
    ),
    case(
        "a long time-out",
        "SET LOCAL lock_timeout = '10min';\nALTER TABLE images ADD COLUMN a text;",
        "lock-timeout-off",
    ),
    case(
        "COMMIT in a transaction",
        "DO $$\nBEGIN\n    DELETE FROM images WHERE id IN (SELECT id FROM images LIMIT 9);\n    COMMIT;\nEND\n$$;",
        "commit-in-transaction",
    ),
    case(
        "batches that commit",
        "DO $$\nBEGIN\n    LOOP\n        UPDATE images SET title = ''\n"
        "        WHERE id IN (SELECT id FROM images WHERE title IS NULL LIMIT 1000);\n"
        "        EXIT WHEN NOT FOUND;\n        COMMIT;\n    END LOOP;\nEND\n$$;",
        transactional=False,
    ),
    case(
        "batches that do not commit",
        "DO $$\nBEGIN\n    LOOP\n        UPDATE images SET title = ''\n"
        "        WHERE id IN (SELECT id FROM images WHERE title IS NULL LIMIT 1000);\n"
        "        EXIT WHEN NOT FOUND;\n    END LOOP;\nEND\n$$;",
        "many-rows-write",
    ),
    case(
        "a LIMIT that limits no rows",
        "UPDATE images SET title = (SELECT name FROM albums WHERE cover = images.id LIMIT 1) WHERE width > 100;",
        "many-rows-write",
        before=ALBUMS,
    ),
    case(
        "a LIMIT without an end", "DELETE FROM images WHERE id IN (SELECT id FROM images LIMIT ALL);", "many-rows-write"
    ),
    case(
        "a LIMIT of a million",
        "DELETE FROM images WHERE id IN (SELECT id FROM images LIMIT 1000000);",
        "many-rows-write",
    ),
    case(
        "rows by their keys",
        "DELETE FROM images WHERE id IN ('00000000-0000-4000-8000-000000000000', "
        "'00000000-0000-4000-8000-000000000001');",
    ),
    case(
        "a new value of an enum, used at once",
        "ALTER TYPE kind ADD VALUE 'c' AFTER 'b';\nCREATE TABLE t (k kind);\nINSERT INTO t (k) VALUES ('c');",
        "enum-value",
        before=KINDS,
    ),
    case("a new value of an enum", "ALTER TYPE kind ADD VALUE 'c' AFTER 'b';", before=KINDS),
    case("the system catalog", "UPDATE pg_index SET indisvalid = true WHERE false;", "system-catalog"),
    case(
        "a table in use becomes a partition",
        "ALTER TABLE parts ATTACH PARTITION tokens DEFAULT;",
        "partition-locks",
        before="CREATE TABLE parts (LIKE tokens) PARTITION BY LIST (id);\n",
    ),
    # The running release relies on these.
    case("a column that a trigger's SQL has already", "ALTER TABLE images ADD COLUMN term text;", "ambiguous-name"),
    case("a trigger turned off", "ALTER TABLE images DISABLE TRIGGER images_list_inserted;", "trigger-off"),
    case("each trigger turned off", "ALTER TABLE images DISABLE TRIGGER USER;", "trigger-off"),
    case("a trigger dropped", "DROP TRIGGER images_list_inserted ON images;", "trigger-off"),
    case(
        "a trigger replaced",
        "DROP TRIGGER images_list_truncated ON images;\nCREATE TRIGGER images_list_truncated AFTER TRUNCATE ON images "
        "FOR EACH STATEMENT EXECUTE FUNCTION images_list_truncated();",
        "new-trigger",
    ),
    case(
        "a trigger that counts in one row",
        "CREATE TRIGGER images_count AFTER INSERT ON images FOR EACH ROW EXECUTE FUNCTION count_one();",
        *("new-trigger", "queued-writes", "trigger-off"),
        before="CREATE TABLE counts (name text PRIMARY KEY, n bigint);\nCREATE FUNCTION count_one() RETURNS trigger "
        "LANGUAGE plpgsql AS $$ BEGIN UPDATE counts SET n = n + 1 WHERE name = 'all'; RETURN NULL; END $$;\n",
    ),
    case(
        "a trigger that always raises",
        "CREATE TRIGGER images_stop BEFORE INSERT ON images FOR EACH ROW EXECUTE FUNCTION stop();",
        *("new-trigger", "trigger-off"),
        before="CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'return'; END $$;\n",
    ),
    case(
        "a trigger that begins with an error",
        "CREATE TRIGGER images_stop AFTER UPDATE ON images FOR EACH ROW EXECUTE FUNCTION stop();",
        *("new-trigger", "trigger-off"),
        before="CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN -- never\n RAISE EXCEPTION 'no'; RETURN NEW; END $$;\n",
    ),
    case(
        "a trigger that raises for some rows",
        "CREATE TRIGGER images_stop BEFORE INSERT ON images FOR EACH ROW EXECUTE FUNCTION stop();",
        "new-trigger",
        "insert-breaks",
        before="CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN IF NEW.width = 7 THEN RAISE EXCEPTION 'no'; END IF; RETURN NEW; END $$;\n",
    ),
    case(
        "a publication by a column that is not in the key",
        "CREATE PUBLICATION titled FOR TABLE images WHERE (title <> '');",
        "replica-identity",
    ),
    case("a publication without the key", "CREATE PUBLICATION titled FOR TABLE images (title);", "replica-identity"),
    case("a publication of the key", "CREATE PUBLICATION titled FOR TABLE images (id, title);"),
    case(
        "a publication of new rows",
        "CREATE PUBLICATION titled FOR TABLE images WHERE (title <> '') WITH (publish = 'insert');",
    ),
    case(
        "a constant in each row of a unique index",
        "CREATE UNIQUE INDEX CONCURRENTLY images_slug_key ON images (slug);",
        "insert-breaks",
        before="ALTER TABLE images ADD COLUMN slug text DEFAULT 'none';\n",
        transactional=False,
    ),
    case(
        "a constant for a unique column",
        "ALTER TABLE images ALTER COLUMN slug SET DEFAULT 'none'::text;",
        "insert-breaks",
        before="ALTER TABLE images ADD COLUMN slug text;\nCREATE UNIQUE INDEX images_slug_key ON images (slug);\n",
    ),
    case(
        "a unique column without a default",
        "CREATE UNIQUE INDEX CONCURRENTLY images_slug_key ON images (slug);",
        before="ALTER TABLE images ADD COLUMN slug text;\n",
        transactional=False,
    ),
    case("a misspelt table", "ALTER TABLE IF EXISTS imags ADD COLUMN note text;", "rejected"),
    case("no triggers at all", "SET LOCAL session_replication_role = replica;", "trigger-off"),
    case(
        "a trigger and back",
        "CREATE TRIGGER images_touch BEFORE UPDATE ON images FOR EACH ROW EXECUTE FUNCTION touch();",
        "new-trigger",
        before=FUNCTION,
        rollback="DROP TRIGGER images_touch ON images;",
    ),
    case(
        "another body for what triggers store",
        "CREATE OR REPLACE FUNCTION images_terms(tags text[], content_type text) RETURNS text[]\n"
        "LANGUAGE sql IMMUTABLE RETURN ARRAY[lower(content_type)];",
        "function-results",
    ),
    case(
        "another body for what an index stores",
        "CREATE OR REPLACE FUNCTION short(name text) RETURNS text LANGUAGE sql IMMUTABLE RETURN left(name, 3);",
        "function-results",
        before=ALBUMS + "CREATE FUNCTION short(name text) RETURNS text LANGUAGE sql IMMUTABLE RETURN left(name, 2);\n"
        "CREATE INDEX albums_short_idx ON albums (short(name));",
    ),
    case(
        "another body for a trigger",
        "CREATE OR REPLACE FUNCTION images_list_truncated() RETURNS trigger LANGUAGE plpgsql\n"
        "AS 'BEGIN TRUNCATE image_terms, image_words; RETURN NULL; END';",
        "function-replaced",
    ),
    case(
        "another body for a function that nothing calls",
        "CREATE OR REPLACE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END';",
        before=FUNCTION,
    ),
    case("a drop of a function that a trigger's SQL calls", "DROP FUNCTION images_terms(text[], text);", "drop-breaks"),
    case("row level security", "ALTER TABLE images ENABLE ROW LEVEL SECURITY;", "row-security"),
    case("row level security for the owner too", "ALTER TABLE images FORCE ROW LEVEL SECURITY;", "row-security"),
    case(
        "row level security with a policy",
        "ALTER TABLE images ENABLE ROW LEVEL SECURITY;\nCREATE POLICY images_all ON images USING (true);",
    ),
    case("a primary key dropped", "ALTER TABLE images DROP CONSTRAINT images_pkey;", "drop-breaks"),
    case("a value of an enum renamed", "ALTER TYPE kind RENAME VALUE 'a' TO 'c';", "rename-breaks", before=KINDS),
    case("a type renamed", "ALTER TYPE kind RENAME TO sort;", "rename-breaks", before=KINDS),
    case("NOT NULL for a domain", "ALTER DOMAIN label SET NOT NULL;", "domain-scan", before=KINDS),
    case("a right for everybody", "GRANT SELECT ON images TO PUBLIC;", "grant-public"),
    case("a right for a role", "GRANT SELECT ON images TO CURRENT_USER;"),
    case("a right that ends", "REVOKE SELECT ON images FROM CURRENT_USER;", "revoke-breaks"),
    case("a list of new rows", "ALTER INDEX image_words_words_idx SET (fastupdate = on);", "slower-queries"),
    case("no list of new rows", "ALTER INDEX image_words_words_idx SET (fastupdate = off);"),
    case("no statistics", "ALTER TABLE images ALTER COLUMN tags SET STATISTICS 0;", "slower-queries"),
    case("no autovacuum", "ALTER TABLE images SET (autovacuum_enabled = false);", "autovacuum-off"),
    case(
        "a view in the place of the table",
        "ALTER TABLE images RENAME TO pictures;\nCREATE VIEW images AS SELECT * FROM pictures;",
        "revoke-breaks",
    ),
    case(
        "a new table in the place of the table",
        "ALTER TABLE images RENAME TO pictures;\nCREATE TABLE images (id uuid);",
        "rename-breaks",
        "revoke-breaks",
    ),
    case(
        "a swap of two tables",
        "ALTER TABLE content_checks RENAME TO content_checks_old;\n"
        "ALTER TABLE content_checks_new RENAME TO content_checks;",
        "revoke-breaks",
        before="CREATE TABLE content_checks_new (LIKE content_checks INCLUDING ALL);",
    ),
    case(
        "a swap that loses the triggers",
        "ALTER TABLE images RENAME TO images_old;\nALTER TABLE images_new RENAME TO images;",
        "rename-breaks",
        "revoke-breaks",
        before="CREATE TABLE images_new (LIKE images INCLUDING ALL);",
    ),
    case(
        "a swap that loses columns",
        "ALTER TABLE content_checks RENAME TO content_checks_old;\n"
        "ALTER TABLE content_checks_new RENAME TO content_checks;",
        "rename-breaks",
        "revoke-breaks",
        before="CREATE TABLE content_checks_new (sha256 text PRIMARY KEY);",
    ),
    case(
        "an index that each edit changes",
        "CREATE INDEX CONCURRENTLY images_updated_at_idx ON images (updated_at);",
        "hot-updates",
        transactional=False,
    ),
    case(
        "an index by the time of now",
        "CREATE TABLE t (a bigint);\nCREATE INDEX t_a_idx ON t (a) WHERE now() > '2026-01-01';",
        "not-immutable",
    ),
    case(
        "an index by the day",
        "CREATE TABLE t (a timestamptz);\nCREATE INDEX t_a_idx ON t (date_trunc('day', a AT TIME ZONE 'UTC'));",
    ),
    case(
        "a foreign key with an index",
        "ALTER TABLE albums ADD CONSTRAINT albums_cover_fkey FOREIGN KEY (cover) REFERENCES images (id) NOT VALID;",
        before=ALBUMS + "CREATE INDEX albums_cover_idx ON albums (cover);",
    ),
    case(
        "a default by an immutable function",
        "ALTER TABLE images ADD COLUMN parts text[] DEFAULT regexp_split_to_array('a,b', ',');",
    ),
    case(
        "a column that may not be computed",
        "ALTER TABLE t ALTER COLUMN b DROP EXPRESSION;",
        "ban-drop-generated-expression",
        before="CREATE TABLE t (a bigint, b bigint GENERATED ALWAYS AS (a + 1) STORED);",
    ),
    case(
        "another identity",
        "ALTER TABLE albums ALTER COLUMN id SET GENERATED ALWAYS;",
        "ban-alter-identity",
        before=ALBUMS,
    ),
    # Batches that are none.
    case(
        "a LIMIT of another column",
        "UPDATE images SET title = '' WHERE content_type IN (SELECT content_type FROM images LIMIT 1);",
        "many-rows-write",
    ),
    case(
        "a batch that is not joined",
        "WITH batch AS (SELECT id FROM images LIMIT 10) UPDATE images SET title = '' FROM batch;",
        "many-rows-write",
    ),
    case(
        "a LIMIT with ties",
        "DELETE FROM images WHERE id IN (SELECT id FROM images ORDER BY title FETCH FIRST 9 ROWS WITH TIES);",
        "many-rows-write",
    ),
    case(
        "a LIMIT that is counted",
        "DELETE FROM images WHERE id IN (SELECT id FROM images LIMIT (SELECT count(*) FROM images));",
        "many-rows-write",
    ),
    case(
        "a batch of a key of several columns",
        "DELETE FROM image_terms\nWHERE (term, created_at, image_id) IN "
        "(SELECT term, created_at, image_id FROM image_terms LIMIT 9);",
    ),
    case("a lock of each row", "SELECT id FROM images FOR UPDATE;", "many-rows-write"),
    case(
        "ranges of the key that commit",
        "DO $$\nDECLARE\n    last uuid := '00000000-0000-0000-0000-000000000000';\n    upto uuid;\nBEGIN\n    LOOP\n"
        "        SELECT id INTO upto FROM images WHERE id > last ORDER BY id LIMIT 1;\n"
        "        EXIT WHEN upto IS NULL;\n        UPDATE images SET title = '' WHERE id > last AND id <= upto;\n"
        "        COMMIT;\n        last := upto;\n    END LOOP;\nEND\n$$;",
        transactional=False,
    ),
    case(
        "COMMIT in a block with EXCEPTION",
        "DO $$\nBEGIN\n    BEGIN\n        DELETE FROM images WHERE id IN (SELECT id FROM images LIMIT 9);\n"
        "        COMMIT;\n    EXCEPTION WHEN lock_not_available THEN NULL;\n    END;\nEND\n$$;",
        "commit-in-transaction",
        transactional=False,
    ),
    # Rights and policies.
    case(
        "a policy for reads only",
        "ALTER TABLE images ENABLE ROW LEVEL SECURITY;\nCREATE POLICY images_all ON images FOR SELECT USING (true);",
        "row-security",
    ),
    case(
        "a policy that shows no row",
        "ALTER TABLE images ENABLE ROW LEVEL SECURITY;\nCREATE POLICY images_all ON images USING (false);",
        "row-security",
    ),
    case("the rights on all tables", "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM CURRENT_USER;", "revoke-breaks"),
    case("the rights of a function", "ALTER FUNCTION images_find_token(uuid) SECURITY INVOKER;", "revoke-breaks"),
    case(
        "writes that do nothing",
        "CREATE RULE images_off AS ON INSERT TO images DO INSTEAD NOTHING;",
        "trigger-off",
        "new-trigger",
    ),
    # Rollbacks.
    case(
        "a column and back",
        "ALTER TABLE images ADD COLUMN note text DEFAULT '';",
        rollback="ALTER TABLE images ALTER COLUMN note DROP DEFAULT;\nALTER TABLE images DROP COLUMN note;",
    ),
    case(
        "a table and back",
        "CREATE TABLE t (a bigint);\nCREATE INDEX t_a_idx ON t (a);",
        rollback="DROP INDEX t_a_idx;\nDROP TABLE t;",
    ),
    case(
        "a name and back",
        "ALTER TABLE images RENAME COLUMN title TO heading;",
        "rename-breaks",
        rollback="ALTER TABLE images RENAME COLUMN heading TO title;",
    ),
    case(
        "a rollback that takes more than was brought",
        "ALTER TABLE albums ADD COLUMN note text;",
        "drop-loses",
        before=ALBUMS,
        rollback="ALTER TABLE albums DROP COLUMN note, DROP COLUMN code;",
    ),
    case(
        "a rollback that locks",
        "COMMENT ON TABLE images IS 'x';",
        "blocking-index",
        rollback="CREATE INDEX images_width_idx ON images (width);",
    ),
    case(
        "a rollback that writes each row",
        "ALTER TABLE albums ALTER COLUMN name TYPE text;",
        "type-rewrite",
        before=ALBUMS,
        rollback="ALTER TABLE albums ALTER COLUMN name TYPE varchar(50);",
    ),
    case(
        "NOT NULL gone and back",
        "ALTER TABLE images ALTER COLUMN title DROP NOT NULL;",
        "ban-drop-not-null",
        "not-null-scan",
        rollback="ALTER TABLE images ALTER COLUMN description SET NOT NULL;",
        before="UPDATE images SET description = '' WHERE description IS NULL;",
    ),
    # Queries.
    case("a query", "COMMENT ON TABLE images IS 'x';", queries={"count_images.sql": LIST}),
    case(
        "a query of everything",
        "COMMENT ON TABLE images IS 'x';",
        "select-star",
        queries={"count_images.sql": "-- count_images: no count.\nSELECT *\nFROM images;\n"},
    ),
    case(
        "EXISTS (SELECT *)",
        "COMMENT ON TABLE images IS 'x';",
        queries={"count_images.sql": "-- count_images: any.\nSELECT EXISTS (SELECT * FROM images) AS any;\n"},
    ),
    case(
        "everything of what the query itself lists, and OFFSET 0",
        "COMMENT ON TABLE images IS 'x';",
        queries={
            "count_images.sql": "-- count_images: the newest.\nWITH newest AS (SELECT id FROM images LIMIT 9)\n"
            "SELECT *\nFROM (SELECT * FROM newest OFFSET 0) AS few;\n"
        },
    ),
    case(
        "everything of a table beside what the query lists",
        "COMMENT ON TABLE images IS 'x';",
        "select-star",
        queries={
            "count_images.sql": "-- count_images: the newest.\nWITH newest AS (SELECT id FROM images LIMIT 9)\n"
            "SELECT images.*\nFROM newest\nJOIN images USING (id);\n"
        },
    ),
    case(
        "an INSERT without columns",
        "COMMENT ON TABLE images IS 'x';",
        "insert-columns",
        before=ALBUMS,
        queries={
            "insert_album.sql": "-- insert_album: one.\nINSERT INTO albums OVERRIDING SYSTEM VALUE\nVALUES (1, 'a');\n"
        },
    ),
    case(
        "OFFSET",
        "COMMENT ON TABLE images IS 'x';",
        "offset-paging",
        queries={
            "count_images.sql": "-- count_images: no.\n-- example two: 2\n"
            "SELECT id\nFROM images\nORDER BY id\nOFFSET $1;\n"
        },
    ),
    case(
        "a query that deletes all",
        "COMMENT ON TABLE images IS 'x';",
        "whole-table-write",
        queries={"count_images.sql": "-- count_images: no.\nDELETE FROM images;\n"},
    ),
    case(
        "a query without its name",
        "COMMENT ON TABLE images IS 'x';",
        "query-header",
        queries={"count_images.sql": "-- counts images\nSELECT count(*)\nFROM images;\n"},
    ),
    case(
        "a query without an example",
        "COMMENT ON TABLE images IS 'x';",
        "query-example",
        queries={
            "count_images.sql": "-- count_images: narrow ones.\nSELECT count(*)\nFROM images\nWHERE width < $1;\n"
        },
    ),
    case(
        "an example that is too short",
        "COMMENT ON TABLE images IS 'x';",
        "query-example",
        queries={
            "count_images.sql": "-- count_images: some.\n-- example narrow: 10\nSELECT count(*)\nFROM images\n"
            "WHERE width < $1 AND height < $2;\n"
        },
    ),
]
