-- delete_image: deletes an image, for DELETE /v1/images/{id}. The service removes its bytes after the commit.
-- $1 uuid           the id
-- $2 timestamptz[]  delete only if updated_at is one of these; NULL deletes any version
-- Index: images_pkey, one row.
-- example an image: md5('image 1')::uuid, NULL
-- example no such image: md5('no image')::uuid, NULL
-- example another version: md5('image 1')::uuid, '{2000-01-01Z}'
DELETE FROM images
WHERE id = $1
    AND ($2::timestamptz[] IS NULL OR updated_at = ANY ($2))
RETURNING
    images_sha256_text(content_sha256) AS sha256,
    images_storage_key(content_sha256, own_key) AS storage_key;
