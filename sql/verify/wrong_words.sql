-- wrong_words: finds images whose words are missing in image_words or differ, in a range of images.
-- table: images
-- $1 timestamptz, $2 uuid  the first image of the range: created_at and id
-- $3 timestamptz, $4 uuid  the last one
-- Index: images_created_at_id_idx for the range, then image_words_pkey, one row for each image.
SELECT
    count(*) AS faults,
    min(images.id::text) AS example
FROM images
WHERE (images.created_at, images.id) BETWEEN ($1, $2) AND ($3, $4)
    AND images_word_document(title, description, filename, tags, content_type) IS DISTINCT FROM (
        SELECT image_words.words -- no join: a look-up for each
        FROM image_words
        WHERE image_words.created_at = images.created_at
            AND image_words.image_id = images.id
    );
