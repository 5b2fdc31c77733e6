-- Drops the full-text index. A search by words reads the whole table from here on.
--
-- loses: nothing
-- Locks: SHARE UPDATE EXCLUSIVE on images; it waits for the transactions that may still use the index.
-- Cost:  no scan. IF EXISTS, so that it may be repeated when it was interrupted halfway.
-- transactional: false

DROP INDEX CONCURRENTLY IF EXISTS images_document_idx;
