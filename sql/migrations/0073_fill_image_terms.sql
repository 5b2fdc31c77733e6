-- Lists the images of before under the keys of their tags.
--
-- What:  the terms that 0072 adds, in image_terms and image_words, in batches that commit.
-- Why:   an image whose tags are their own keys, as all tags in lower case are, has all its terms, and stays as it is.
--        FOR SHARE, because otherwise an edit between the reading of an image and the writing of its terms would be
--        lost. With it each waits for the other. The statement reads its range as settings. Stock yoyo sets none, and so
--        fills all images in one transaction.
-- Locks: FOR SHARE on the images of one batch that have such a tag, for 50 ms. They can be read. An edit or a
--        DELETE waits that long.
-- Cost:  26 s and 208 MB of WAL for 200,000 images, of which a third have tags with capitals, on two cores with 13 other
--        processes. It adds 127,000 rows to image_terms. Without such tags, it only reads the images. All grows with the
--        number of images.
-- backfill: images
-- depends: 0072_replace_images_terms

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
),

terms AS (
    INSERT INTO image_terms (term, created_at, image_id)
    SELECT listed.term, batch.created_at, batch.id
    FROM batch
    CROSS JOIN LATERAL unnest(images_terms(batch.tags, batch.content_type)) AS listed (term)
    ON CONFLICT DO NOTHING
)

INSERT INTO image_words (created_at, image_id, words)
SELECT created_at, id, images_word_document(title, description, filename, tags, content_type)
FROM batch
ON CONFLICT (created_at, image_id) DO UPDATE
SET words = EXCLUDED.words
WHERE image_words.words <> EXCLUDED.words;
