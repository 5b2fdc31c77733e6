-- Adds comments that explain the indexes of capture metadata.
--
-- What:  a comment on each of the four indexes.
-- Why:   this has its own file because a build CONCURRENTLY must be the only statement of its file.
-- Locks: SHARE UPDATE EXCLUSIVE on each index for a catalog change: reads and writes continue.
-- Cost:  none.
-- depends: 0068_index_images_camera

COMMENT ON INDEX images_content_sha256_idx IS
    'The images whose bytes have not been read for capture metadata: list_images_to_capture.';

COMMENT ON INDEX images_captured_at_created_at_id_idx IS
    'The list by time of capture and its keyset pages: list_images_captured, list_images_captured_matching; the months '
    'of list_months.';

COMMENT ON INDEX images_point_idx IS
    'The images of a small area: list_images_captured_matching.';

COMMENT ON INDEX images_camera_idx IS
    'The images of a rare camera: list_images_captured_matching.';
