-- Gives the ascending index the name of the descending one.
--
-- What:  images_created_at_id_idx becomes images_created_at_id_idx2, without its comment. images_created_at_id_idx1
--        becomes images_created_at_id_idx.
-- Why:   the name stays, and 0052 can drop the old index. Without a comment, its rollback only needs to build it.
-- Locks: SHARE UPDATE EXCLUSIVE on both indexes until the commit: reads and writes continue. No query names an index.
-- Cost:  none: two names in the catalog.
-- depends: 0050_index_images_oldest

COMMENT ON INDEX images_created_at_id_idx IS NULL;

ALTER INDEX images_created_at_id_idx RENAME TO images_created_at_id_idx2;

ALTER INDEX images_created_at_id_idx1 RENAME TO images_created_at_id_idx;

COMMENT ON INDEX images_created_at_id_idx IS
    'The oldest-first and, read backwards, the newest-first list, and the images of a time: list_images, '
    'list_images_oldest, list_images_largest, list_images_by_name, read_stats.';
