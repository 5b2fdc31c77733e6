-- find_index: an index by its name and its table: PostgreSQL puts an index into the schema of its table. The migrator asks
-- before it builds an index CONCURRENTLY, because an interrupted build leaves an INVALID index.
-- :name   name of the index, without quotes.
-- :table  name of the table, quoted as in SQL, and perhaps with its schema.
-- :copy   name of an empty copy of the table. `copy` creates it, to try what a statement makes.
SELECT
    indexrelid::regclass::text AS name,
    indrelid = to_regclass(:table) AS is_of_table,
    indisvalid AND indisready AND indislive AS whole,
    pg_get_indexdef(indexrelid) AS definition,
    format('CREATE UNLOGGED TABLE %I.%I (LIKE %s)', nspname, :copy::text, indrelid::regclass) AS copy,
    (
        -- pg_stat_progress_create_index shows to this role only which sessions build some index.
        SELECT pid
        FROM pg_stat_progress_create_index
        JOIN pg_locks USING (pid)
        WHERE
            locktype = 'relation'
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND relation = indrelid
            AND mode = 'ShareUpdateExclusiveLock'
            AND granted
            AND NOT indisvalid
            AND pid <> pg_backend_pid()
        LIMIT 1
    ) AS builder
FROM pg_index
JOIN pg_class ON pg_class.oid = indexrelid
JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE
    relname = :name
    AND relnamespace = coalesce(
        (SELECT relnamespace FROM pg_class WHERE oid = to_regclass(:table)),
        to_regnamespace(quote_ident(current_schema()))
    );
