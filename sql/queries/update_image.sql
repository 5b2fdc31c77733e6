-- update_image: the outcome of a merge patch, for PATCH /v1/images/{id}. No row comes back where the image has changed
-- since it was read, or is gone: the caller reads it again and decides.
-- $1 uuid   the id               $5 text    description, or NULL
-- $2 timestamptz  updated_at as it was read
-- $3 text   file name            $6 text[]  tags
-- $4 text   title, or NULL       $7 jsonb   attributes
-- updated_at moves forward even where the clock does not: it is the image's version.
-- Index: images_pkey.
-- example an image: md5('image 1')::uuid, '2020-01-01 00:00:30Z', 'a.png', 'A', NULL, '{a}', '{}'
-- example another version: md5('image 1')::uuid, '2000-01-01Z', 'a.png', 'A', NULL, '{a}', '{}'
UPDATE images
SET
    filename = $3,
    title = $4,
    description = $5,
    tags = $6,
    attributes = $7,
    updated_at = GREATEST(clock_timestamp(), updated_at + interval '1 microsecond')
WHERE id = $1
    AND updated_at = $2
RETURNING
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
    attributes,
    created_at,
    updated_at;
