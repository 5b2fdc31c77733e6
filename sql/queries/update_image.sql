-- update_image: applies a merge patch, for PATCH /v1/images/{id}. It returns no row if the image has none of the
-- versions that the client names, or does not exist.
-- $1 uuid           the id                             $5 text    file name
-- $2 integer        the number of the call, which      $6 text    title, or NULL
--                   is returned (Pool.fetch_by_id)     $7 text    description, or NULL
-- $3 timestamptz[]  change it only if updated_at is    $8 text[]  tags
--                   one of these; NULL: any version    $9 jsonb   attributes
-- $4 text[]         the columns to change, by name
-- A tag that the image has already, in whatever case, stays as it is written.
-- updated_at increases even if the clock does not, because it is the image's version.
-- Index: images_pkey, one row. The update is HOT unless filename changes, because no index has another column that
-- changes here. The triggers write the image's row of image_words, and its terms if the tags change.
-- example a title: md5('image 1')::uuid, 1, NULL, '{title}', NULL, 'A', NULL, NULL, NULL
-- example all of it: md5('image 1')::uuid, 1, '{2020-01-01 00:00:30Z}', '{filename,title,description,tags,attributes}', 'a.png', 'A', NULL, '{a}', '{}'
-- example another version: md5('image 1')::uuid, 1, '{2000-01-01Z}', '{title}', NULL, 'A', NULL, NULL, NULL
UPDATE images
SET
    filename = CASE WHEN 'filename' = ANY ($4) THEN $5 ELSE filename END,
    title = CASE WHEN 'title' = ANY ($4) THEN $6 ELSE title END,
    description = CASE WHEN 'description' = ANY ($4) THEN $7 ELSE description END,
    tags = CASE WHEN 'tags' = ANY ($4) THEN images_merge_tags(tags, $8) ELSE tags END,
    attributes = CASE WHEN 'attributes' = ANY ($4) THEN $9 ELSE attributes END,
    updated_at = GREATEST(clock_timestamp(), updated_at + interval '1 microsecond')
WHERE id = $1
    AND ($3::timestamptz[] IS NULL OR updated_at = ANY ($3))
RETURNING
    $2::integer AS number,
    updated_at,
    (
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
                color,
                encode(thumbhash, 'base64') AS thumbhash,
                capture,
                location,
                attributes
        ) AS image
    ) AS image;
