-- confirm_store: records that the object store has this identity.
-- $1 uuid  the ID that was read from the store
-- Index: none, at most one row.
-- example an ID: md5('store')::uuid
UPDATE object_stores
SET confirmed_at = now()
WHERE id = $1
    AND confirmed_at IS NULL
RETURNING id;
