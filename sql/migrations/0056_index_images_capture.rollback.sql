-- Drops the index. `images backfill capture` then reads the whole table for each page.
--
-- loses: nothing
-- Locks: SHARE UPDATE EXCLUSIVE on images. The drop waits for the transactions that may still use the index.
-- Cost:  no scan. With IF EXISTS an interrupted drop can be repeated.
-- transactional: false

DROP INDEX CONCURRENTLY IF EXISTS images_content_sha256_idx;
