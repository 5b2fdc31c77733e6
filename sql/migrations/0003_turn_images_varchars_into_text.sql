-- Replaces varchar(n) with text and a named CHECK of the same length.
--
-- What:  five columns become text. Five CHECKs take over their limits, as NOT VALID.
-- Why:   a CHECK can be widened with a catalog change, and error messages contain its name. To widen varchar(n) changes
--        the type, which a view or a function that uses the column can prevent.
-- Locks: ACCESS EXCLUSIVE on images for a catalog change: a few milliseconds after it is granted.
-- Cost:  the same for any number of rows. No rewrite, because varchar and text are stored alike. No index is rebuilt,
--        because both types sort alike. No scan, because NOT VALID checks only new rows, and 0004 checks the others.
--        One statement does all of it, so that no row can be too long in between. The planner's statistics of the five
--        columns are lost with their type. 0004 collects them again.
-- depends: 0002_set_images_defaults

ALTER TABLE images
    ALTER COLUMN filename TYPE text,
    ALTER COLUMN content_type TYPE text,
    ALTER COLUMN sha256 TYPE text,
    ALTER COLUMN storage_key TYPE text,
    ALTER COLUMN title TYPE text,
    ADD CONSTRAINT images_filename_check CHECK (char_length(filename) <= 255) NOT VALID,
    ADD CONSTRAINT images_content_type_check CHECK (char_length(content_type) <= 100) NOT VALID,
    ADD CONSTRAINT images_sha256_check CHECK (char_length(sha256) <= 64) NOT VALID,
    ADD CONSTRAINT images_storage_key_check CHECK (char_length(storage_key) <= 512) NOT VALID,
    ADD CONSTRAINT images_title_check CHECK (char_length(title) <= 200) NOT VALID;
