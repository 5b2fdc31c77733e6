-- Builds the old index again, beside the new one, so that the list is never without an index.
--
-- loses: nothing
-- Locks: SHARE UPDATE EXCLUSIVE on images: reads and writes go on.
-- Cost:  two scans of the table, and a sort, as for 0005.
-- transactional: false

CREATE INDEX CONCURRENTLY ix_images_created_at ON images (created_at);
