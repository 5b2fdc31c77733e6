-- list_pending_migrations: which of the migrations that this build ships are not applied, for GET /readyz. One that the
-- database has and this build does not know is of a newer release, and no reason not to serve.
-- $1 text[]  the ids of the shipped migrations
-- Index: none; a few rows.
SELECT shipped.id
FROM unnest($1::text[]) AS shipped (id)
WHERE NOT EXISTS (
    SELECT
    FROM _yoyo_migration
    WHERE migration_id = shipped.id
)
ORDER BY shipped.id;
