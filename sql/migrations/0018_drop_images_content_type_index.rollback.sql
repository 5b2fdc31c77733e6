-- Builds the index again.
--
-- loses: nothing
-- Locks: SHARE UPDATE EXCLUSIVE on images: reads and writes continue. The build waits twice for transactions that are
--        open already.
-- Cost:  two scans of the table, and a sort, as in 0009.
-- transactional: false

CREATE INDEX CONCURRENTLY images_content_type_created_at_id_idx ON images
(content_type, created_at DESC, id DESC);
