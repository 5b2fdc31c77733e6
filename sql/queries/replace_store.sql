-- replace_store: records another identity of the object store, which it does not have yet, for `images objects adopt`.
-- $1 uuid  a random ID
-- Index: object_stores_pkey decides the conflict, one row.
-- example a new ID: md5('store')::uuid
INSERT INTO object_stores (id)
VALUES ($1)
ON CONFLICT (is_only) DO UPDATE
    SET id = excluded.id, created_at = now(), confirmed_at = NULL
RETURNING id;
