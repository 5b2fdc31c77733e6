-- insert_store: records an identity of the object store, unless another process has recorded one.
-- $1 uuid  a random ID
-- Index: object_stores_pkey decides the conflict, one row.
-- example a new ID: md5('store')::uuid
INSERT INTO object_stores (id)
VALUES ($1)
ON CONFLICT (is_only) DO NOTHING
RETURNING id;
