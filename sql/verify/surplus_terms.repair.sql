-- surplus_terms.repair: deletes the rows of image_terms that are not terms of their image, in a range of image_terms.
-- FOR SHARE locks the images first, as their writers do, and the condition is that of the locked version. An image that
-- is being written is skipped: its writer may correct it. Parameters and indexes: as in surplus_terms.
WITH surplus AS MATERIALIZED (
    SELECT
        image_terms.term,
        image_terms.created_at,
        image_terms.image_id
    FROM image_terms
    JOIN images ON images.id = image_terms.image_id AND images.created_at = image_terms.created_at
    WHERE (image_terms.term, image_terms.created_at, image_terms.image_id) BETWEEN ($1, $2, $3) AND ($4, $5, $6)
        AND image_terms.term <> ALL (images_terms(images.tags, images.content_type))
    FOR SHARE OF images SKIP LOCKED
)

DELETE FROM image_terms
USING surplus
WHERE image_terms.term = surplus.term
    AND image_terms.created_at = surplus.created_at
    AND image_terms.image_id = surplus.image_id;
