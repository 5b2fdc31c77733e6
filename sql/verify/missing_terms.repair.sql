-- missing_terms.repair: inserts the terms of images that are not in image_terms, in a range of images.
-- FOR SHARE locks the images first, as their writers do, and the terms are those of the locked version. An image that is
-- being written is skipped: its writer may correct it. Parameters and indexes: as in missing_terms.
WITH incomplete AS MATERIALIZED (
    SELECT
        id,
        created_at,
        images_terms(tags, content_type) AS terms
    FROM images
    WHERE (created_at, id) BETWEEN ($1, $2) AND ($3, $4)
        AND EXISTS (
            SELECT
            FROM unnest(images_terms(tags, content_type)) AS listed (term)
            WHERE (
                SELECT image_terms.image_id
                FROM image_terms
                WHERE image_terms.term = listed.term
                    AND image_terms.created_at = images.created_at
                    AND image_terms.image_id = images.id
            ) IS NULL
        )
    ORDER BY created_at, id
    FOR SHARE SKIP LOCKED
)

INSERT INTO image_terms (term, created_at, image_id)
SELECT
    listed.term,
    incomplete.created_at,
    incomplete.id
FROM incomplete
CROSS JOIN LATERAL unnest(incomplete.terms) AS listed (term)
ON CONFLICT DO NOTHING;
