-- Creates the table of the object store's identity. It has at most one row.
--
-- What:  the table object_stores, empty. The service inserts the row at its first start. It writes the same ID into the
--        object store, under the key catalogue.json.
-- Why:   STORAGE_URL may name the store of another catalogue by mistake. `images objects check --remove-orphans` would
--        then remove every image of that catalogue. The two IDs show the mistake.
-- Locks: none on images.
-- Cost:  none, also with ten million images. The table has one row, which is read when a process starts.
-- depends: 0027_grant_images_app

CREATE TABLE object_stores (
    is_only boolean NOT NULL DEFAULT true,
    id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    confirmed_at timestamptz,
    CONSTRAINT object_stores_pkey PRIMARY KEY (is_only),
    CONSTRAINT object_stores_is_only_check CHECK (is_only)
);

COMMENT ON TABLE object_stores IS
    'The identity of the object store that has the bytes of this catalogue: at most one row.';

COMMENT ON COLUMN object_stores.is_only IS
    'Always true, so there is only one row.';

COMMENT ON COLUMN object_stores.id IS
    'Random. The object catalogue.json in the store has the same ID.';

COMMENT ON COLUMN object_stores.created_at IS
    'When the ID was made.';

COMMENT ON COLUMN object_stores.confirmed_at IS
    'When the ID was first read back from the store; NULL: not yet.';

COMMENT ON CONSTRAINT object_stores_is_only_check ON object_stores IS
    'At most one row.';

COMMENT ON INDEX object_stores_pkey IS
    'At most one row: insert_store.';
