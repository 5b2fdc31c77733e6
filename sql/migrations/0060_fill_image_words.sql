-- Fills image_words with the images that were there before the triggers of 0059.
--
-- What:  the row of image_words for all images, in batches that commit.
-- Why:   FOR SHARE, because otherwise an edit between the reading of an image and the writing of its words would be
--        lost. With it each waits for the other. Rows that a trigger has written are kept. The statement reads its
--        range as settings. Stock yoyo sets none, and so fills all images in one transaction.
-- Locks: FOR SHARE on the images of one batch, for 50 ms. They can be read. An edit or a DELETE waits that
--        long.
-- Cost:  43 s and 107 MB of WAL for 200,000 images, on two cores with 20 other processes. The table then has 65 MB, and
--        its primary key 8 MB. All grows with the number of images.
-- backfill: images
-- depends: 0059_replace_images_trigger_functions

-- allow: many-rows-write because it locks the images of one batch
WITH batch AS MATERIALIZED (
    SELECT id, created_at, title, description, filename, tags, content_type
    FROM images
    WHERE (created_at, id) BETWEEN (
        COALESCE(NULLIF(current_setting('backfill.p1', true), ''), '-infinity')::timestamptz,
        COALESCE(NULLIF(current_setting('backfill.p2', true), ''), '00000000-0000-0000-0000-000000000000')::uuid
    ) AND (
        COALESCE(NULLIF(current_setting('backfill.p3', true), ''), 'infinity')::timestamptz,
        COALESCE(NULLIF(current_setting('backfill.p4', true), ''), 'ffffffff-ffff-ffff-ffff-ffffffffffff')::uuid
    )
    ORDER BY created_at, id
    FOR SHARE
)

INSERT INTO image_words (created_at, image_id, words)
SELECT created_at, id, images_word_document(title, description, filename, tags, content_type)
FROM batch
ON CONFLICT DO NOTHING;
