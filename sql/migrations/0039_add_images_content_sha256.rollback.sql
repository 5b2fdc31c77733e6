-- Drops the columns and the functions. A release that uses them then fails.
--
-- loses: nothing (sha256 and storage_key have the same values)
-- Locks: ACCESS EXCLUSIVE on images for a catalog change: a few milliseconds after it is granted.
-- Cost:  the same for any number of rows.

ALTER TABLE images
    DROP COLUMN own_key,
    DROP COLUMN content_sha256;

DROP FUNCTION images_storage_key(bytea, text);

DROP FUNCTION images_sha256_text(bytea);

DROP FUNCTION images_sha256_bytes(text);
