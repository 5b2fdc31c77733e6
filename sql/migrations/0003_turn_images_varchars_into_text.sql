-- Replaces varchar(n) by text with a named CHECK of the same length.
--
-- What:  five columns become text; five CHECKs take over their limits, as NOT VALID.
-- Why:   to widen a CHECK is a catalogue change with a name in the error message. To narrow or widen varchar(n) is a
--        change of type, and one that a view or a function on the column can forbid.
-- Locks: ACCESS EXCLUSIVE on images, for the catalogue alone: a few milliseconds once it is granted.
-- Cost:  no rewrite, since varchar and text are stored alike; no index is rebuilt, since varchar's index order is
--        text's; no scan, since NOT VALID holds new rows to the CHECK and leaves the present ones to 0004. One
--        statement does it all, so that no row can be too long in between. The planner's statistics of the five
--        columns are lost with their type; 0004 takes them anew.
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
