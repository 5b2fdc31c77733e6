-- Gives the two indexes the names that create_all() gave them.
--
-- loses: nothing
-- Locks: SHARE UPDATE EXCLUSIVE on each index: reads and writes go on.
-- Cost:  none.

ALTER INDEX images_tags_idx RENAME TO ix_images_tags;

ALTER INDEX images_sha256_key RENAME TO ix_images_sha256;
