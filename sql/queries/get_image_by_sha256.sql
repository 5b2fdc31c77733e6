-- get_image_by_sha256: returns the image with these bytes, for an upload of bytes that exist already.
-- $1 text  SHA-256 in lower-case hexadecimal, or the text that an adopted row has in its place
-- Index: images_content_sha256_key, one row.
-- example an image: encode(sha256('7'), 'hex')
-- example no such image: encode(sha256('none'), 'hex')
SELECT
    id,
    updated_at,
    row_to_json(image) AS image
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
        color,
        encode(thumbhash, 'base64') AS thumbhash,
        capture,
        location,
        attributes
    FROM images
    WHERE content_sha256 = images_sha256_bytes($1)
) AS image;
