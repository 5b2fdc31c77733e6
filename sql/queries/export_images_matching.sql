-- export_images_matching: all images of a time that match, newest first, for GET /v1/images/export and `images export` with
-- filters. prepare_export has set time and query. It is the inside of COPY (...) TO STDOUT.
-- Index: image_documents_document_idx where few images match, else image_documents from end to end; images_pkey, or all
-- of images, for what was found, which is sorted.
SELECT row_to_json(image)
FROM (
    SELECT
        id,
        filename,
        content_type,
        byte_size,
        width,
        height,
        sha256,
        title,
        description,
        tags,
        images.created_at,
        updated_at,
        attributes
    FROM image_documents
    JOIN images ON id = image_id
    WHERE document @@ NULLIF(current_setting('images.query', true), '')::tsquery
        AND image_documents.created_at > NULLIF(current_setting('images.created_after', true), '')::timestamptz
        AND image_documents.created_at < NULLIF(current_setting('images.created_before', true), '')::timestamptz
    ORDER BY image_documents.created_at DESC, image_id DESC
) AS image;
