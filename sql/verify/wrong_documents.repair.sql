-- wrong_documents.repair: writes the documents that are missing in image_documents or differ, in a range of images.
-- FOR SHARE locks the images first, as their writers do, and the documents are those of the locked version. An image that
-- is being written is skipped: its writer may correct it. Parameters and indexes: as in wrong_documents.
WITH wrong AS MATERIALIZED (
    SELECT
        id,
        created_at,
        images_search_document(title, description, filename, tags, content_type) AS document
    FROM images
    WHERE (created_at, id) BETWEEN ($1, $2) AND ($3, $4)
        AND images_search_document(title, description, filename, tags, content_type) IS DISTINCT FROM (
            SELECT image_documents.document
            FROM image_documents
            WHERE image_documents.created_at = images.created_at
                AND image_documents.image_id = images.id
        )
    ORDER BY created_at, id
    FOR SHARE SKIP LOCKED
)

INSERT INTO image_documents (created_at, image_id, document)
SELECT
    created_at,
    id,
    document
FROM wrong
ON CONFLICT (created_at, image_id) DO UPDATE
SET document = excluded.document;
