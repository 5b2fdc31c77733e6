-- list_images_by_tags: a page of the newest-first list of images with all the given tags, for GET /v1/images?tag=.
-- The position is compared as a row: written with OR it would read the index from its beginning.
-- $1 timestamptz, $2 uuid  the page ends before this position; 'infinity' or the like for the first page
-- $3 timestamptz           images later than this
-- $4 bigint                rows at most
-- $5 text[]                the tags; @> can use the GIN index, = ANY (tags) cannot
-- Index: images_tags_idx and a sort where the tags are rare; images_created_at_id_idx where they are common. The
-- planner must see the tags to choose: the pool plans each execution anew (plan_cache_mode). At a million rows a page
-- takes less than a millisecond where the tag is common, and up to 0.4 s where few images or none have it: statistics
-- keep common tags alone, and a rare one is taken for less rare than it is.
-- example any: 'infinity', '00000000-0000-4000-8000-000000000000', 'infinity', 20, '{}'
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
    attributes,
    created_at,
    updated_at
FROM images
WHERE (created_at, id) < ($1, $2)
    AND created_at > $3
    AND tags @> $5
ORDER BY created_at DESC, id DESC
LIMIT $4;
