-- Removes the comments.
--
-- loses: nothing
-- Locks: SHARE UPDATE EXCLUSIVE on each index for a catalog change: reads and writes continue.
-- Cost:  none.

COMMENT ON INDEX images_camera_idx IS NULL;

COMMENT ON INDEX images_point_idx IS NULL;

COMMENT ON INDEX images_captured_at_created_at_id_idx IS NULL;

COMMENT ON INDEX images_content_sha256_idx IS NULL;
