-- wrong_words.repair: writes the words that are missing in image_words or differ, in a range of images.
-- FOR SHARE locks the images first, as their writers do, and the words are those of the locked version. An image that
-- is being written is skipped: its writer may correct it. Parameters and indexes: as in wrong_words.
WITH wrong AS MATERIALIZED (
    SELECT
        id,
        created_at,
        images_word_document(title, description, filename, tags, content_type) AS words
    FROM images
    WHERE (created_at, id) BETWEEN ($1, $2) AND ($3, $4)
        AND images_word_document(title, description, filename, tags, content_type) IS DISTINCT FROM (
            SELECT image_words.words
            FROM image_words
            WHERE image_words.created_at = images.created_at
                AND image_words.image_id = images.id
        )
    ORDER BY created_at, id
    FOR SHARE SKIP LOCKED
)

INSERT INTO image_words (created_at, image_id, words)
SELECT
    created_at,
    id,
    words
FROM wrong
ON CONFLICT (created_at, image_id) DO UPDATE
SET words = excluded.words;
