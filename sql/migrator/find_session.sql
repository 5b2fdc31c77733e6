-- find_session: where a connection has come to: the number of the server process, by which a pooler is noticed; and the
-- schemas that new tables would go to and that yoyo's tables are found in, which must be one.
SELECT
    pg_backend_pid() AS process,
    current_schema() AS current,
    (
        SELECT nspname
        FROM pg_class
        JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE pg_class.oid = to_regclass('_yoyo_migration')
    ) AS found;
