-- Builds the index again.
--
-- loses: nothing
-- Locks: SHARE UPDATE EXCLUSIVE on images: reads and writes go on. It waits twice for transactions already open.
-- Cost:  two scans of the table, and a sort, as for 0009.
-- transactional: false

CREATE INDEX CONCURRENTLY images_content_type_created_at_id_idx ON images
(content_type, created_at DESC, id DESC);
