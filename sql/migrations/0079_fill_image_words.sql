-- Writes the words of the images whose terms 0078 has deleted.
--
-- What:  the rows of image_words without the terms of tags as they are written, in batches that commit.
-- Why:   each row of image_words is what images_word_document() says. `images schema verify` compares them. FOR SHARE,
--        because otherwise an edit between the reading of an image and the writing of its words would be lost. The
--        statement reads its range as settings. Stock yoyo sets none, and so writes all of them in one transaction.
-- Locks: FOR SHARE on the images of one batch that have such a tag, for 50 ms. They can be read. An edit or a
--        DELETE waits that long.
-- Cost:  27 s for 200,000 images, of which a third have tags with capitals, on two cores with 13 other processes. It writes
--        these again.
-- backfill: images
-- phase: contract
-- depends: 0078_delete_image_terms

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
        AND EXISTS (SELECT FROM unnest(tags) AS tag WHERE images_tag_key(tag) <> tag)
    ORDER BY created_at, id
    FOR SHARE
)

INSERT INTO image_words (created_at, image_id, words)
SELECT created_at, id, images_word_document(title, description, filename, tags, content_type)
FROM batch
ON CONFLICT (created_at, image_id) DO UPDATE
SET words = EXCLUDED.words
WHERE image_words.words <> EXCLUDED.words;
