-- Does what 0003 left for a weaker lock: checks the rows that were there before it, and takes statistics.
--
-- What:  five constraints go from NOT VALID to valid; five columns are analyzed.
-- Why:   apart from 0003, because to add them valid would scan the table under ACCESS EXCLUSIVE. And autovacuum, which
--        counts changed rows, does not see that a change of type took the statistics: without them a list by media
--        type and tag took 340 ms instead of 3.
-- Locks: SHARE UPDATE EXCLUSIVE on images: reads and writes go on; other DDL, VACUUM and ANALYZE wait.
-- Cost:  one sequential scan for all five, as they stand in one statement: 0.5 s for a million rows (370 MB). ANALYZE
--        reads a sample: about half a second, however large the table is.
--        It cannot fail: varchar(n) held these rows to the same lengths.
-- depends: 0003_turn_images_varchars_into_text

ALTER TABLE images
    VALIDATE CONSTRAINT images_filename_check,
    VALIDATE CONSTRAINT images_content_type_check,
    VALIDATE CONSTRAINT images_sha256_check,
    VALIDATE CONSTRAINT images_storage_key_check,
    VALIDATE CONSTRAINT images_title_check;

ANALYZE images (filename, content_type, sha256, storage_key, title);
