-- get_content: returns the storage key of an image and the headers of its content, for GET /v1/images/{id}/content and
-- .../thumbnail.
-- $1 uuid     the id
-- $2 integer  the number of the call, which is returned: several may go out together (Pool.fetch_by_id)
-- Index: images_pkey, one row. content_checks_fault_idx has only the bytes that the last check found wrong.
-- example an image: md5('image 1')::uuid, 1
-- example no such image: md5('no image')::uuid, 1
SELECT
    $2::integer AS number,
    images_storage_key(content_sha256, own_key) AS storage_key,
    byte_size,
    content_type,
    filename,
    images_sha256_text(content_sha256) AS sha256,
    created_at,
    thumbhash IS NULL AS lacks_paint,
    EXISTS (
        SELECT FROM content_checks
        WHERE content_checks.sha256 = images_sha256_text(images.content_sha256)
            AND fault = 'wrong'
    ) AS is_damaged
FROM images
WHERE id = $1;
