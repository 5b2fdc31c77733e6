-- Adds the time of the last `images objects check` to the row of the object store.
--
-- What:  a column of object_stores, NULL until the next check.
-- Why:   a timer runs the check each night. If it stops, lost bytes are not found. The metrics read the time from here, so
--        that an alert tells.
-- Locks: ACCESS EXCLUSIVE on object_stores for a catalog change: a few milliseconds after it is granted. No table of
--        images is locked.
-- Cost:  none, also with ten million images. The table has at most one row.
-- depends: 0089_replace_images_index_query

ALTER TABLE object_stores ADD COLUMN checked_at timestamptz;

COMMENT ON COLUMN object_stores.checked_at IS
    'When the last complete `images objects check` ended; NULL: none has.';
