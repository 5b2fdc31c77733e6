-- consistency_images: finds where image_terms and image_words are not what images says, for the trial of a review.
-- It returns a line for each kind of fault, and no row if there is none.
-- :one_in  of so many images, it computes one again, chosen by the hash of its id.
-- :since   it computes each image again that was written since this time.
WITH chosen AS MATERIALIZED (
    SELECT
        id,
        title,
        description,
        filename,
        tags,
        content_type,
        created_at
    FROM images
    WHERE mod(hashtextextended(id::text, 0), :one_in) = 0
        OR updated_at >= :since
),

terms (term, created_at, image_id) AS (
    SELECT term, created_at, id
    FROM chosen
    CROSS JOIN LATERAL unnest(images_terms(tags, content_type)) AS term
)

SELECT count(*) || ' terms of images are not in image_terms, such as ' || min(term) AS fault
FROM (
    TABLE terms
    EXCEPT ALL
    SELECT term, created_at, image_id FROM image_terms WHERE image_id IN (SELECT id FROM chosen)
) AS missing
HAVING count(*) > 0

UNION ALL

SELECT count(*) || ' rows of image_terms are not terms of their image, such as ' || min(term)
FROM (
    SELECT term, created_at, image_id FROM image_terms WHERE image_id IN (SELECT id FROM chosen)
    EXCEPT ALL
    TABLE terms
) AS surplus
HAVING count(*) > 0

UNION ALL

SELECT count(*) || ' rows of image_terms are of no image'
FROM image_terms
WHERE NOT EXISTS (SELECT FROM images WHERE id = image_id)
HAVING count(*) > 0

UNION ALL

SELECT count(*) || ' images are not in image_words, or with other words'
FROM chosen
LEFT JOIN image_words ON image_words.created_at = chosen.created_at AND image_id = chosen.id
WHERE words IS DISTINCT FROM images_word_document(title, description, filename, tags, content_type)
HAVING count(*) > 0

UNION ALL

SELECT count(*) || ' rows of image_words are of no image'
FROM image_words
WHERE NOT EXISTS (SELECT FROM images WHERE id = image_id)
HAVING count(*) > 0;
