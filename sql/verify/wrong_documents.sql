-- wrong_documents: finds images whose document is missing in image_documents or differs, in a range of images.
-- table: images
-- $1 timestamptz, $2 uuid  the first image of the range: created_at and id
-- $3 timestamptz, $4 uuid  the last one
-- Index: images_created_at_id_idx for the range, then image_documents_pkey, one document for each image.
SELECT
    count(*) AS faults,
    min(images.id::text) AS example
FROM images
WHERE (images.created_at, images.id) BETWEEN ($1, $2) AND ($3, $4)
    AND images_search_document(title, description, filename, tags, content_type) IS DISTINCT FROM (
        SELECT image_documents.document -- no join: a look-up for each
        FROM image_documents
        WHERE image_documents.created_at = images.created_at
            AND image_documents.image_id = images.id
    );
