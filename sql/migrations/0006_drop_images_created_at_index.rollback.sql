-- Builds the old index again, beside the new one, so that the list always has an index.
--
-- loses: nothing
-- Locks: SHARE UPDATE EXCLUSIVE on images: reads and writes continue.
-- Cost:  two scans of the table, and a sort, as in 0005.
-- transactional: false

CREATE INDEX CONCURRENTLY ix_images_created_at ON images (created_at);
