-- export_images: what psql needs for the JSON that the service exports over HTTP, a line for each image.
COPY (
    SELECT
        json_build_object(
            'id', id,
            'filename', filename,
            'content_type', content_type,
            'byte_size', byte_size,
            'width', width,
            'height', height,
            'sha256', sha256,
            'title', title,
            'description', description,
            'tags', tags,
            'attributes', attributes,
            'created_at', created_at,
            'updated_at', updated_at
        )
    FROM images
    ORDER BY created_at DESC, id DESC
) TO STDOUT;
