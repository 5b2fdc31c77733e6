-- Merges the tags of an image that are equal, and trims the others.
--
-- What:  tags, of the images with two equal tags, or a tag with blanks at its ends, or one not in Unicode form C.
--        The first of equal tags stays, as it was written. A tag of nothing but blanks and invisible characters goes.
--        merged_tags keeps the tags of before.
-- Why:   the service no longer writes such tags. Most images have none, and are not written. Images that have the same
--        tag in different case keep it as they have it, because image_terms has it once: its key. So no tag changes
--        unseen, and ten million images are not written again. In batches that commit, and after the releases that know
--        the tags only as they are written. The image gets a new version, because the client sees a change:
--        Last-Modified has seconds.
-- Locks: the rows that change in one batch, for 50 ms. An edit or a DELETE of one of them waits that long.
-- Cost:  75 s for 200,000 images, of which 2,000 change, on two cores with 13 other processes. This was measured before the
--        statement also wrote merged_tags. 24 us of CPU for each image that stays as it is. All grows with the number of
--        images.
-- backfill: images
-- phase: contract
-- depends: 0074_create_merged_tags

-- allow: many-rows-write because it writes the images of one batch
WITH changed AS MATERIALIZED (
    SELECT id, tags, updated_at
    FROM images
    WHERE (created_at, id) BETWEEN (
        COALESCE(NULLIF(current_setting('backfill.p1', true), ''), '-infinity')::timestamptz,
        COALESCE(NULLIF(current_setting('backfill.p2', true), ''), '00000000-0000-0000-0000-000000000000')::uuid
    ) AND (
        COALESCE(NULLIF(current_setting('backfill.p3', true), ''), 'infinity')::timestamptz,
        COALESCE(NULLIF(current_setting('backfill.p4', true), ''), 'ffffffff-ffff-ffff-ffff-ffffffffffff')::uuid
    )
        AND tags <> images_merge_tags('{}', tags)
    ORDER BY created_at, id
    FOR UPDATE
),

kept AS (
    INSERT INTO merged_tags (image_id, tags, updated_at)
    SELECT id, tags, updated_at
    FROM changed
    ON CONFLICT (image_id) DO UPDATE
    SET tags = EXCLUDED.tags, updated_at = EXCLUDED.updated_at
)

UPDATE images
SET
    tags = images_merge_tags('{}', tags),
    updated_at = updated_at + interval '1 second'
WHERE id = ANY (ARRAY(SELECT id FROM changed));
