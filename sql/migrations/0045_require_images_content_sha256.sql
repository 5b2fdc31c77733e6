-- Makes content_sha256 NOT NULL, and gives its index a comment.
--
-- What:  SET NOT NULL.
-- Why:   the release that comes next reads and writes only content_sha256 and own_key.
-- Locks: ACCESS EXCLUSIVE on images for a catalog change: a few milliseconds after it is granted.
-- Cost:  no scan, because the valid images_content_sha256_check proves that there is no NULL.
-- depends: 0044_index_images_content_sha256

ALTER TABLE images ALTER COLUMN content_sha256 SET NOT NULL;

COMMENT ON INDEX images_content_sha256_key IS
    'One content, one row: insert_image, get_image_by_sha256. In its order: list_contents.';
