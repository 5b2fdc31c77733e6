-- Drops the index of the list by name. From here on that list reads and sorts all images for each page.
--
-- loses: nothing
-- Locks: SHARE UPDATE EXCLUSIVE on images. The drop waits for the transactions that may still use the index.
-- Cost:  no scan. With IF EXISTS an interrupted drop can be repeated.
-- transactional: false

DROP INDEX CONCURRENTLY IF EXISTS images_filename_id_created_at_idx;
