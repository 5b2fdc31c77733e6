-- orphaned_words: finds rows of image_words that are of no image of this ID and time, in a range of them.
-- table: image_words
-- $1 timestamptz, $2 uuid  the first row of the range: created_at and image_id
-- $3 timestamptz, $4 uuid  the last one
-- Index: image_words_pkey for the range, then images_pkey or images_created_at_id_idx, one image for each row.
SELECT
    count(*) AS faults,
    min(image_id::text) AS example
FROM image_words
WHERE (created_at, image_id) BETWEEN ($1, $2) AND ($3, $4)
    AND (
        SELECT images.id -- no join: a look-up for each
        FROM images
        WHERE images.id = image_words.image_id
            AND images.created_at = image_words.created_at
    ) IS NULL;
