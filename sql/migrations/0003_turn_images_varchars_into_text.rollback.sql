-- Changes the five columns back from text and CHECK to varchar(n).
--
-- loses: nothing (the CHECKs held every row to the same lengths)
-- Locks: ACCESS EXCLUSIVE on images for the whole time: reads and writes wait.
-- Cost:  much more than the way forward. From text to varchar(n) PostgreSQL checks each value. To do so it rewrites the
--        table and rebuilds every index: 5 s for a million rows (370 MB), measured on 2 cores. For ten million rows
--        expect a minute. On a large table under traffic stop before this file: releases that expect varchar(n) also
--        run on text.

ALTER TABLE images
    DROP CONSTRAINT images_filename_check,
    DROP CONSTRAINT images_content_type_check,
    DROP CONSTRAINT images_sha256_check,
    DROP CONSTRAINT images_storage_key_check,
    DROP CONSTRAINT images_title_check,
    -- allow: type-rewrite because there is no other way back, and the header says when to avoid it
    ALTER COLUMN filename TYPE varchar(255),
    ALTER COLUMN content_type TYPE varchar(100),
    ALTER COLUMN sha256 TYPE varchar(64),
    ALTER COLUMN storage_key TYPE varchar(512),
    ALTER COLUMN title TYPE varchar(200);

-- The change of type removed the planner's statistics.
-- allow: slow-under-lock because without statistics each query would read the whole table
ANALYZE images (filename, content_type, sha256, storage_key, title);
