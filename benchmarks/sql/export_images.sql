-- export_images: statement of psql for the JSON that the service exports over HTTP, a line for each image.
COPY (
    SELECT row_to_json(image)
    FROM (
        SELECT
            id,
            filename,
            content_type,
            byte_size,
            width,
            height,
            images_sha256_text(content_sha256) AS sha256,
            title,
            description,
            tags,
            created_at,
            updated_at,
            attributes
        FROM images
        ORDER BY created_at DESC, id DESC
    ) AS image
) TO STDOUT;
