-- Drops the CHECKs.
--
-- loses: nothing
-- Locks: ACCESS EXCLUSIVE on images for a catalog change: a few milliseconds after it is granted.
-- Cost:  none.

ALTER TABLE images
    DROP CONSTRAINT images_own_key_check,
    DROP CONSTRAINT images_content_sha256_check;
