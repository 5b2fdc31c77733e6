-- Drops the full-text index. From here on a search by words reads the whole table.
--
-- loses: nothing
-- Locks: SHARE UPDATE EXCLUSIVE on images. The drop waits for the transactions that may still use the index.
-- Cost:  no scan. With IF EXISTS an interrupted drop can be repeated.
-- transactional: false

DROP INDEX CONCURRENTLY IF EXISTS images_document_idx;
