-- Marks the CHECKs as NOT VALID again: PostgreSQL has no statement for it, so each is dropped and added. Statistics
-- stay.
--
-- loses: nothing
-- Locks: ACCESS EXCLUSIVE on images for a catalog change: a few milliseconds after it is granted.
-- Cost:  no scan and no rewrite, also with ten million rows. It is one statement, so that every new row is checked.

ALTER TABLE images
    DROP CONSTRAINT images_filename_check,
    DROP CONSTRAINT images_content_type_check,
    DROP CONSTRAINT images_sha256_check,
    DROP CONSTRAINT images_storage_key_check,
    DROP CONSTRAINT images_title_check,
    ADD CONSTRAINT images_filename_check CHECK (char_length(filename) <= 255) NOT VALID,
    ADD CONSTRAINT images_content_type_check CHECK (char_length(content_type) <= 100) NOT VALID,
    ADD CONSTRAINT images_sha256_check CHECK (char_length(sha256) <= 64) NOT VALID,
    ADD CONSTRAINT images_storage_key_check CHECK (char_length(storage_key) <= 512) NOT VALID,
    ADD CONSTRAINT images_title_check CHECK (char_length(title) <= 200) NOT VALID;
