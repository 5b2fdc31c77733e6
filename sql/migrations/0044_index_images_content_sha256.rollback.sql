-- Drops the index.
--
-- loses: nothing
-- Locks: SHARE UPDATE EXCLUSIVE on images: reads and writes continue.
-- Cost:  none.
-- transactional: false

DROP INDEX CONCURRENTLY IF EXISTS images_content_sha256_key;
