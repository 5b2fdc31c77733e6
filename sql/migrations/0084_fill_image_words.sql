-- Writes `=` before the terms of the images of before.
--
-- What:  image_words.words, in batches that commit.
-- Why:   the words of an image stay as they are, so the statement reads no image. It skips a row that the triggers have
--        written since 0083. An edit of an image writes the same row. So each waits for the other, and the second one
--        sees what the first has written. The statement reads its range as settings. Stock yoyo sets none, and so
--        writes all rows in one transaction.
-- Locks: the rows of one batch, for 50 ms. They can be read. An edit or a DELETE of one of their images waits
--        that long.
-- Cost:  29 s of CPU and 615 MB of WAL for 200,000 images, directly after a checkpoint. Each word of a row gets a new
--        entry in the index. On two cores with more than 20 other processes, that took 154 s in one transaction, and
--        446 s in batches. All grows with the number of images. image_words grows by 40 %, and uses this space again
--        after the next VACUUM.
-- backfill: image_words
-- depends: 0083_replace_images_word_document

UPDATE image_words
SET words = (
    SELECT ts_delete(words, array_agg(term)) || array_to_tsvector(array_agg('=' || term))
    FROM unnest(tsvector_to_array(words)) AS term
    WHERE term LIKE 'tag:%' OR term LIKE 'type:%'
)
WHERE (created_at, image_id) BETWEEN (
    COALESCE(NULLIF(current_setting('backfill.p1', true), ''), '-infinity')::timestamptz,
    COALESCE(NULLIF(current_setting('backfill.p2', true), ''), '00000000-0000-0000-0000-000000000000')::uuid
) AND (
    COALESCE(NULLIF(current_setting('backfill.p3', true), ''), 'infinity')::timestamptz,
    COALESCE(NULLIF(current_setting('backfill.p4', true), ''), 'ffffffff-ffff-ffff-ffff-ffffffffffff')::uuid
)
    AND EXISTS (
        SELECT
        FROM unnest(tsvector_to_array(words)) AS term
        WHERE term LIKE 'tag:%' OR term LIKE 'type:%'
    );
