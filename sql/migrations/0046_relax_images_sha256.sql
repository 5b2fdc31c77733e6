-- Lets sha256 and storage_key be NULL, and removes the comment of their index.
--
-- What:  DROP NOT NULL, and a CHECK in its place. It and the CHECKs of both columns are NOT VALID from now on.
-- Why:   no release needs the two columns. If they come back, the rollbacks of 0049 to 0047 fill them beside the
--        traffic. The CHECKs then prove that each row is right. Without the comment, the rollback of 0047 only needs to
--        build the index.
-- Locks: ACCESS EXCLUSIVE on images for a catalog change: a few milliseconds after it is granted.
-- Cost:  the same for any number of rows.
-- phase: contract
-- depends: 0045_require_images_content_sha256

ALTER TABLE images
    DROP CONSTRAINT images_sha256_check,
    DROP CONSTRAINT images_storage_key_check,
    ADD CONSTRAINT images_sha256_check CHECK (char_length(sha256) <= 64) NOT VALID,
    ADD CONSTRAINT images_storage_key_check CHECK (char_length(storage_key) <= 512) NOT VALID,
    -- allow: insert-breaks because the trigger images_keep_content gives both values
    ADD CONSTRAINT images_sha256_storage_key_check CHECK (sha256 IS NOT NULL AND storage_key IS NOT NULL) NOT VALID,
    -- allow: ban-drop-not-null because no release that runs now reads the column
    ALTER COLUMN sha256 DROP NOT NULL,
    -- allow: ban-drop-not-null because no release that runs now reads the column
    ALTER COLUMN storage_key DROP NOT NULL;

COMMENT ON CONSTRAINT images_sha256_check ON images IS
    'At most 64 characters; the form is the application''s to keep, adopted rows may differ.';

COMMENT ON CONSTRAINT images_storage_key_check ON images IS
    'At most 512 characters.';

COMMENT ON INDEX images_sha256_key IS NULL;
