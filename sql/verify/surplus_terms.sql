-- surplus_terms: finds rows of image_terms that are not terms of their image, in a range of image_terms.
-- table: image_terms
-- $1 text, $2 timestamptz, $3 uuid  the first row of the range: term, created_at and image_id
-- $4 text, $5 timestamptz, $6 uuid  the last one
-- Index: image_terms_pkey for the range, then images_pkey or images_created_at_id_idx, one image for each row.
SELECT
    count(*) AS faults,
    min(image_id::text) AS example
FROM image_terms
WHERE (term, created_at, image_id) BETWEEN ($1, $2, $3) AND ($4, $5, $6)
    AND (
        SELECT image_terms.term <> ALL (images_terms(images.tags, images.content_type)) -- no join: a look-up for each
        FROM images
        WHERE images.id = image_terms.image_id
            AND images.created_at = image_terms.created_at
    );
