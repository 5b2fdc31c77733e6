-- Makes content_sha256 nullable again, and removes the comment.
--
-- loses: nothing
-- Locks: ACCESS EXCLUSIVE on images for a catalog change: a few milliseconds after it is granted.
-- Cost:  none.

COMMENT ON INDEX images_content_sha256_key IS NULL;

ALTER TABLE images ALTER COLUMN content_sha256 DROP NOT NULL;
