-- list_images_by_name_matching: a page of the list by name of images with all the given terms and the words, for
-- GET /v1/images?sort=name with tag, content_type or q.
-- Three ways, each the worst where another is best. Where the times that are asked for have fewer than 200 images for
-- each one of the page, the documents of those are read, and what matches is sorted. Else the images are walked in their
-- order, those of other times are passed over, and so is what does not match: right where many match, that is where one
-- of the first 10 for each one of the page does. If 100 for each are not enough then, few match after all; or the index of
-- documents finds all that match, and they are sorted. Which way it is turns out as it runs.
-- OFFSET 0 keeps the conditions out of a look-up, LIMIT 1 makes each document one of its own, and created_at <= $4, which
-- the line after it implies, tells that the times are short: the planner would read other indexes or tables from end to
-- end.
-- $1 text, $2 uuid         the page begins after this position; '' for the first page
-- $3 timestamptz           images later than this
-- $4 timestamptz, $5 uuid  and before this place in time; 'infinity' or the like where nothing is asked for
-- $6 bigint                rows at most
-- $7 text[]                the terms: tag:..., type:...; may be empty where there are words
-- $8 text                  words in web-search syntax, or NULL where there are terms
-- Index: image_documents_pkey for short times; else images_filename_id_created_at_idx with image_documents_pkey, then
-- image_documents_document_idx; images_pkey for each image. Not bounded: what many images match, but fewer than one in
-- 100 from the position on, is sorted in full; and what is passed over, entries of the index alone, 80 ms for a million.
-- example a common tag: '', md5('')::uuid, '-infinity', 'infinity', md5('')::uuid, 50, '{tag:street}', NULL
-- example a tag of 2 in 100: '', md5('')::uuid, '-infinity', 'infinity', md5('')::uuid, 50, '{tag:city-7}', NULL
-- example a rare tag: '', md5('')::uuid, '-infinity', 'infinity', md5('')::uuid, 50, '{tag:eclipse}', NULL
-- example a tag of the oldest: '', md5('')::uuid, '-infinity', 'infinity', md5('')::uuid, 50, '{tag:archive}', NULL
-- example no such tag: '', md5('')::uuid, '-infinity', 'infinity', md5('')::uuid, 50, '{tag:none}', NULL
-- example a common type: '', md5('')::uuid, '-infinity', 'infinity', md5('')::uuid, 50, '{type:image/jpeg}', NULL
-- example a rare type: '', md5('')::uuid, '-infinity', 'infinity', md5('')::uuid, 50, '{type:image/avif}', NULL
-- example a common word: '', md5('')::uuid, '-infinity', 'infinity', md5('')::uuid, 50, '{}', 'harbour'
-- example a rare word: '', md5('')::uuid, '-infinity', 'infinity', md5('')::uuid, 50, '{}', '777777'
-- example no words: '', md5('')::uuid, '-infinity', 'infinity', md5('')::uuid, 50, '{}', '?'
-- example a common tag and word: '', md5('')::uuid, '-infinity', 'infinity', md5('')::uuid, 50, '{tag:street}', 'harbour'
-- example the last pages: 'IMG_9998.jpg', md5('image 960')::uuid, '-infinity', 'infinity', md5('')::uuid, 50, '{tag:street}', NULL
-- example a long window: '', md5('')::uuid, '2020-03-01Z', '2020-09-01Z', md5('')::uuid, 50, '{tag:street}', NULL
-- example a window: '', md5('')::uuid, '2020-01-01 04:00Z', '2020-01-01 08:00Z', md5('')::uuid, 50, '{tag:street}', NULL
-- example no match: 'z', md5('image 1')::uuid, '-infinity', 'infinity', md5('')::uuid, 50, '{tag:street}', NULL
WITH sought (query) AS MATERIALIZED (
    SELECT images_query($7, $8)
),

times_are_short (yes) AS MATERIALIZED (
    SELECT
        CASE
            WHEN ($3::timestamptz, $4::timestamptz) = ('-infinity', 'infinity') THEN false
            ELSE NOT EXISTS (
                SELECT
                FROM image_documents
                WHERE created_at > $3
                    AND (created_at, image_id) < ($4, $5)
                ORDER BY created_at DESC, image_id DESC
                LIMIT 1 OFFSET 200 * $6::bigint
            )
        END
),

matches_are_near (yes) AS MATERIALIZED (
    SELECT
        EXISTS (
            SELECT
            FROM (
                SELECT id, created_at
                FROM (
                    SELECT filename COLLATE "C" AS name, id, created_at
                    FROM images
                    WHERE (filename COLLATE "C", id) > ($1, $2)
                        AND NOT (SELECT yes FROM times_are_short)
                    ORDER BY name, id
                    OFFSET 0
                ) AS named
                WHERE created_at > $3
                    AND (created_at, id) < ($4, $5)
                ORDER BY name, id
                LIMIT 10 * $6
            ) AS walked
            CROSS JOIN LATERAL (
                SELECT document
                FROM image_documents
                WHERE created_at = walked.created_at
                    AND image_id = walked.id
                LIMIT 1
            ) AS described
            WHERE document @@ (SELECT query FROM sought)
        )
),

named AS MATERIALIZED (
    SELECT name, id
    FROM (
        SELECT name, id, created_at
        FROM (
            SELECT filename COLLATE "C" AS name, id, created_at
            FROM images
            WHERE (filename COLLATE "C", id) > ($1, $2)
                AND (SELECT yes FROM matches_are_near)
            ORDER BY name, id
            OFFSET 0
        ) AS named
        WHERE created_at > $3
            AND (created_at, id) < ($4, $5)
        ORDER BY name, id
        LIMIT 100 * $6
    ) AS walked
    CROSS JOIN LATERAL (
        SELECT document
        FROM image_documents
        WHERE created_at = walked.created_at
            AND image_id = walked.id
        LIMIT 1
    ) AS described
    WHERE document @@ (SELECT query FROM sought)
    ORDER BY name, id
    LIMIT $6
),

matches_are_rare (yes) AS MATERIALIZED (
    SELECT
        CASE
            WHEN (SELECT yes FROM times_are_short) OR (SELECT count(*) FROM named) = $6 THEN false
            ELSE EXISTS (
                SELECT
                FROM (
                    SELECT id, created_at
                    FROM images
                    WHERE (filename COLLATE "C", id) > ($1, $2)
                    ORDER BY filename COLLATE "C", id
                    OFFSET 0
                ) AS named
                WHERE created_at > $3
                    AND (created_at, id) < ($4, $5)
                LIMIT 1 OFFSET CASE WHEN (SELECT yes FROM matches_are_near) THEN 100 ELSE 10 END * $6
            )
        END
),

matching AS (
    SELECT image_id
    FROM (
        SELECT image_id, document
        FROM image_documents
        WHERE created_at > $3
            AND created_at <= $4
            AND (created_at, image_id) < ($4, $5)
            AND (SELECT yes FROM times_are_short)
        OFFSET 0
    ) AS of_these_times
    WHERE document @@ (SELECT query FROM sought)

    UNION ALL

    SELECT image_id
    FROM (
        SELECT created_at, image_id
        FROM image_documents
        WHERE document @@ (SELECT query FROM sought)
        OFFSET 0
    ) AS found
    WHERE (SELECT yes FROM matches_are_rare)
        AND created_at > $3
        AND (created_at, image_id) < ($4, $5)
),

page AS (
    SELECT name, id
    FROM named
    WHERE NOT (SELECT yes FROM matches_are_rare)

    UNION ALL

    SELECT name, id
    FROM matching
    CROSS JOIN LATERAL (
        SELECT filename COLLATE "C" AS name, id
        FROM images
        WHERE id = image_id
        LIMIT 1
    ) AS image
    WHERE (name, id) > ($1, $2)
    ORDER BY name, id
    LIMIT $6
)

SELECT
    row_to_json(image) AS image,
    page.name,
    page.id
FROM page
CROSS JOIN LATERAL (
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
        created_at,
        updated_at,
        attributes
    FROM images
    WHERE id = page.id
) AS image
ORDER BY page.name, page.id;
