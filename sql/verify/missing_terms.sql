-- missing_terms: finds terms of images that are not in image_terms, in a range of images.
-- table: images
-- $1 timestamptz, $2 uuid  the first image of the range: created_at and id
-- $3 timestamptz, $4 uuid  the last one
-- Index: images_created_at_id_idx for the range, then image_terms_pkey, one entry for each term.
SELECT
    count(*) AS faults,
    min(images.id::text) AS example
FROM images
CROSS JOIN LATERAL unnest(images_terms(images.tags, images.content_type)) AS listed (term)
WHERE (images.created_at, images.id) BETWEEN ($1, $2) AND ($3, $4)
    AND (
        SELECT image_terms.image_id -- no join: a look-up for each
        FROM image_terms
        WHERE image_terms.term = listed.term
            AND image_terms.created_at = images.created_at
            AND image_terms.image_id = images.id
    ) IS NULL;
