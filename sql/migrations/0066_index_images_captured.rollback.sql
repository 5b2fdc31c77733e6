-- Drops the index. The list by time of capture and the timeline then sort the whole table.
--
-- loses: nothing
-- Locks: SHARE UPDATE EXCLUSIVE on images. The drop waits for the transactions that may still use the index.
-- Cost:  no scan. With IF EXISTS an interrupted drop can be repeated.
-- transactional: false

DROP INDEX CONCURRENTLY IF EXISTS images_captured_at_created_at_id_idx;
