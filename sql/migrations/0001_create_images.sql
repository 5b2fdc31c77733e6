-- Creates the images table, exactly as the former service's create_all() made it.
--
-- What:  14 columns, the primary key, and 3 indexes. On an empty database they are created. A table that create_all()
--        left is adopted with its rows, after each column, constraint, and index was compared. A table that differs is
--        rejected before anything is changed, and the error names each difference.
-- Why:   from here on every change of the schema is a file in this folder. The migrations after this one can rely on
--        one starting point, whether create_all() or this file made the table.
-- Locks: no other session can meet the locks on a new table. An adopted table gets ACCESS SHARE while the catalog is
--        read.
-- Cost:  the same for any number of rows, ten million included: an adopted table is neither scanned nor written.

-- This is one block without IF NOT EXISTS. With that, an index of the same name on another table would count as the
-- wanted one. An adopted table would be locked against writes for nothing. The list "expected" has the objects of
-- create_all() in PostgreSQL's own words. The list "actual" has those of the database. The names of the primary key and
-- of the indexes are also compared, because the migrations after this one use them.
-- allow: hidden-ddl because it creates the table only if there is none, and locks nothing that is in use
DO $$
DECLARE
    differences text;
BEGIN
    IF to_regclass('images') IS NULL THEN
        CREATE TABLE images (
            id uuid NOT NULL,
            filename varchar(255) NOT NULL,
            content_type varchar(100) NOT NULL,
            byte_size bigint NOT NULL,
            width integer NOT NULL,
            height integer NOT NULL,
            sha256 varchar(64) NOT NULL,
            storage_key varchar(512) NOT NULL,
            title varchar(200),
            description text,
            tags text[] NOT NULL,
            attributes jsonb NOT NULL,
            created_at timestamptz DEFAULT now() NOT NULL,
            updated_at timestamptz DEFAULT now() NOT NULL,
            CONSTRAINT images_pkey PRIMARY KEY (id)
        );
        CREATE INDEX ix_images_created_at ON images (created_at);
        CREATE UNIQUE INDEX ix_images_sha256 ON images (sha256);
        CREATE INDEX ix_images_tags ON images USING gin (tags);
        RETURN;
    END IF;

    WITH expected (object, definition) AS (
        VALUES
            ('table images', 'ordinary table, logged, without row security, rules or triggers'),
            ('owner of images', 'the role that migrates, or one that it is a member of'),
            ('column id', 'uuid NOT NULL'),
            ('column filename', 'character varying(255) NOT NULL'),
            ('column content_type', 'character varying(100) NOT NULL'),
            ('column byte_size', 'bigint NOT NULL'),
            ('column width', 'integer NOT NULL'),
            ('column height', 'integer NOT NULL'),
            ('column sha256', 'character varying(64) NOT NULL'),
            ('column storage_key', 'character varying(512) NOT NULL'),
            ('column title', 'character varying(200)'),
            ('column description', 'text'),
            ('column tags', 'text[] NOT NULL'),
            ('column attributes', 'jsonb NOT NULL'),
            ('column created_at', 'timestamp with time zone NOT NULL DEFAULT now()'),
            ('column updated_at', 'timestamp with time zone NOT NULL DEFAULT now()'),
            ('constraint images_pkey', 'PRIMARY KEY (id)'),
            ('index images_pkey', 'UNIQUE btree (id)'),
            ('index ix_images_created_at', 'btree (created_at)'),
            ('index ix_images_sha256', 'UNIQUE btree (sha256)'),
            ('index ix_images_tags', 'gin (tags)')
    ),
    actual (object, definition) AS (
        SELECT
            'table images',
            CASE relkind
                WHEN 'r' THEN 'ordinary table'
                WHEN 'p' THEN 'partitioned table'
                WHEN 'v' THEN 'view'
                WHEN 'm' THEN 'materialized view'
                ELSE 'relation of kind ' || relkind::text
            END
            || CASE relpersistence WHEN 'p' THEN ', logged' ELSE ', not logged' END
            || CASE
                WHEN relrowsecurity OR relhasrules OR EXISTS (
                    SELECT FROM pg_trigger WHERE tgrelid = pg_class.oid AND NOT tgisinternal
                )
                THEN ', with row security, rules or triggers'
                ELSE ', without row security, rules or triggers'
            END
        FROM pg_class
        WHERE oid = to_regclass('images')

        UNION ALL

        SELECT
            'owner of images',
            CASE
                WHEN pg_has_role(relowner, 'USAGE') THEN 'the role that migrates, or one that it is a member of'
                ELSE relowner::regrole::text
            END
        FROM pg_class
        WHERE oid = to_regclass('images')

        UNION ALL

        SELECT
            'column ' || attname,
            format_type(atttypid, atttypmod)
            || CASE WHEN attcollation <> typcollation THEN ' COLLATE ' || attcollation::regcollation ELSE '' END
            || CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END
            || CASE attidentity WHEN '' THEN '' ELSE ' GENERATED AS IDENTITY' END
            || COALESCE(
                CASE attgenerated WHEN '' THEN ' DEFAULT ' ELSE ' GENERATED ' END || pg_get_expr(adbin, adrelid), ''
            )
        FROM pg_attribute
        JOIN pg_type ON pg_type.oid = atttypid
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE attrelid = to_regclass('images') AND attnum > 0 AND NOT attisdropped

        UNION ALL

        -- Since PostgreSQL 18 NOT NULL is also a constraint. The columns above include it.
        SELECT 'constraint ' || conname, pg_get_constraintdef(oid)
        FROM pg_constraint
        WHERE conrelid = to_regclass('images') AND contype <> 'n'

        UNION ALL

        -- From "CREATE UNIQUE INDEX name ON schema.images USING btree (id)" to "UNIQUE btree (id)".
        SELECT
            'index ' || relname,
            CASE WHEN indisunique THEN 'UNIQUE ' ELSE '' END
            || substring(pg_get_indexdef(indexrelid) FROM ' USING (.*)$')
            || CASE WHEN indisvalid AND indisready THEN '' ELSE ', INVALID' END
        FROM pg_index
        JOIN pg_class ON pg_class.oid = indexrelid
        WHERE indrelid = to_regclass('images')
    )
    SELECT string_agg(
        format(
            '%s: expected %s, found %s',
            object, COALESCE(expected.definition, 'none'), COALESCE(actual.definition, 'none')
        ),
        E'\n' ORDER BY object
    )
    INTO differences
    FROM expected
    FULL JOIN actual USING (object)
    WHERE expected.definition IS DISTINCT FROM actual.definition;

    IF differences IS NOT NULL THEN
        RAISE EXCEPTION 'the table images is not the one that create_all() made; nothing was changed'
            USING
                DETAIL = differences,
                HINT = 'Bring the table to what is expected, or move it aside with its indexes '
                    '(CREATE SCHEMA aside; ALTER TABLE images SET SCHEMA aside), and apply again.',
                ERRCODE = 'invalid_table_definition';
    END IF;
END
$$;
