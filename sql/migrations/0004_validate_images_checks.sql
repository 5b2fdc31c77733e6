-- Checks the rows that were there before 0003, and collects statistics, both under a weaker lock.
--
-- What:  five constraints change from NOT VALID to valid. Five columns are analyzed.
-- Why:   0003 does not do this, because a valid constraint would scan the table under ACCESS EXCLUSIVE. Autovacuum
--        counts changed rows, so it does not notice that a change of type removed the statistics. Without statistics a
--        list by media type and tag took 340 ms instead of 3 ms.
-- Locks: SHARE UPDATE EXCLUSIVE on images: reads and writes continue. Other DDL, VACUUM, and ANALYZE wait.
-- Cost:  one sequential scan for all five, because one statement has them all. It takes 0.5 s for a million rows
--        (370 MB), and about ten times that for ten million. ANALYZE reads a sample: about half a second for a table of any size. It cannot
--        fail: varchar(n) held these rows to the same lengths.
-- depends: 0003_turn_images_varchars_into_text

ALTER TABLE images
    VALIDATE CONSTRAINT images_filename_check,
    VALIDATE CONSTRAINT images_content_type_check,
    VALIDATE CONSTRAINT images_sha256_check,
    VALIDATE CONSTRAINT images_storage_key_check,
    VALIDATE CONSTRAINT images_title_check;

ANALYZE images (filename, content_type, sha256, storage_key, title);
