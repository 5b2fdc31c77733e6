-- Gives the two indexes the names from create_all() again.
--
-- loses: nothing
-- Locks: SHARE UPDATE EXCLUSIVE on each index: reads and writes continue.
-- Cost:  none.

ALTER INDEX images_tags_idx RENAME TO ix_images_tags;

ALTER INDEX images_sha256_key RENAME TO ix_images_sha256;
