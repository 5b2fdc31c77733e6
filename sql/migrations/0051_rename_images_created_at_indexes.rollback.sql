-- Gives the descending index its name and its comment again. The rollback of 0052 has built it.
--
-- loses: nothing
-- Locks: SHARE UPDATE EXCLUSIVE on both indexes until the commit: reads and writes continue.
-- Cost:  none.

COMMENT ON INDEX images_created_at_id_idx IS NULL;

ALTER INDEX images_created_at_id_idx RENAME TO images_created_at_id_idx1;

ALTER INDEX images_created_at_id_idx2 RENAME TO images_created_at_id_idx;

COMMENT ON INDEX images_created_at_id_idx IS
    'The newest-first and, read backwards, the oldest-first list, and the images of a time: list_images, '
    'list_images_oldest, list_images_largest, list_images_by_name, read_stats.';
