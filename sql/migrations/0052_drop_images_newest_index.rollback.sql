-- Builds the descending index again.
--
-- loses: nothing
-- Locks: SHARE UPDATE EXCLUSIVE on images: reads and writes continue.
-- Cost:  as 0050.
-- transactional: false

CREATE INDEX CONCURRENTLY images_created_at_id_idx2 ON images (created_at DESC, id DESC);
