-- Drops the index of the list by name. From here on that list reads and sorts all images for each page.
--
-- loses: nothing
-- Locks: SHARE UPDATE EXCLUSIVE on images; it waits for the transactions that may still use the index.
-- Cost:  no scan. IF EXISTS, so that it may be repeated when it was interrupted halfway.
-- transactional: false

DROP INDEX CONCURRENTLY IF EXISTS images_filename_id_created_at_idx;
