-- Drops the newest-first index. The list falls back on created_at alone and sorts the images of one moment.
--
-- loses: nothing
-- Locks: SHARE UPDATE EXCLUSIVE on images; it waits for the transactions that may still use the index.
-- Cost:  no scan. IF EXISTS, so that it may be repeated when it was interrupted halfway.
-- transactional: false

DROP INDEX CONCURRENTLY IF EXISTS images_created_at_id_idx;
