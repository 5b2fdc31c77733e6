-- find_session_fault: returns why the sessions of the service cannot use the tables rightly, whether only searches suffer,
-- and the remedy. It is for `images wait` and GET /readyz. It returns no row if all is well.
-- * session_replication_role: without triggers, searches do not find new images, and no error says so. The service may
--   not set it. The triggers are not ENABLE ALWAYS: a subscriber of logical replication gets the rows of image_words and
--   image_terms from the publisher. Its own triggers would write them a second time.
-- * a trigger that is disabled, for the same reason
-- * a table of another schema, such as a foreign table, that the search_path finds before that of the catalogue. All its
--   tables are in the schema of yoyo's.
-- Index: none, it reads a few rows of the system catalogs.
SELECT
    format('session_replication_role is %s, so triggers do not run', current_setting('session_replication_role')) AS fault,
    true AS only_searches,
    'reset session_replication_role of the database and of the role, then restart the service' AS remedy
WHERE current_setting('session_replication_role') = 'replica'
UNION ALL
SELECT
    format('the trigger %I of %s is disabled', tgname, tgrelid::regclass),
    true,
    format('ALTER TABLE %s ENABLE TRIGGER %I', tgrelid::regclass, tgname)
FROM pg_trigger
WHERE tgrelid IN (to_regclass('images'), to_regclass('tokens'))
    AND NOT tgisinternal
    AND tgenabled IN ('D', 'R')
UNION ALL
SELECT
    format('the search_path finds %s.%I before %s', other.relnamespace::regnamespace, own.relname, own.oid::regclass),
    false,
    'set the search_path of the role to the schema of the catalogue, or rename the other table'
FROM pg_class AS history
JOIN pg_class AS own USING (relnamespace)
JOIN pg_class AS other ON other.oid = to_regclass(quote_ident(own.relname))
WHERE history.oid = to_regclass('_yoyo_migration')
    AND own.relname IN ('images', 'image_words', 'image_terms', 'content_checks', 'object_stores', 'tokens', 'token_usage')
    AND own.relkind IN ('r', 'p')
    AND NOT pg_table_is_visible(own.oid)
ORDER BY only_searches, fault
LIMIT 1;
