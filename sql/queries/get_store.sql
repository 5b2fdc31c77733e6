-- get_store: returns the identity of the object store, and whether the store has had it, for the start of the service
-- and for `images objects`. It returns no row before the first start.
-- Index: none, at most one row.
SELECT
    id,
    confirmed_at IS NOT NULL AS is_confirmed
FROM object_stores
ORDER BY is_only;
