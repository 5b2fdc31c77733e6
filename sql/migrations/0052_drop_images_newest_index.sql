-- Drops the descending index.
--
-- What:  images_created_at_id_idx2.
-- Why:   images_created_at_id_idx has the same entries. A release that read this index forwards reads that one backwards.
-- Locks: SHARE UPDATE EXCLUSIVE on images: reads and writes continue.
-- Cost:  it waits for the transactions that use the table.
-- transactional: false
-- depends: 0051_rename_images_created_at_indexes

DROP INDEX CONCURRENTLY IF EXISTS images_created_at_id_idx2;
