-- list_cameras: returns the models of the cameras, in the order of the code points of their small letters, for GET
-- /v1/cameras. Models that differ only in case count as one, as one of its images has it. It does not read the whole
-- index: it finds each model with a look-up from the model before.
-- $1 text    only models after this one, in small letters; '' for the first page
-- $2 bigint  maximum of rows
-- Index: images_camera_idx, two look-ups for each model. A row of images for each.
-- example all of them: '', 201
-- example a page: 'model 1', 2
-- example no more: 'zzz', 201
WITH RECURSIVE listed (model, number) AS (
    (
        SELECT
            lower(capture ->> 'model') COLLATE "C",
            1
        FROM images
        WHERE capture ->> 'model' IS NOT NULL
            AND lower(capture ->> 'model') COLLATE "C" > $1::text
        ORDER BY lower(capture ->> 'model') COLLATE "C"
        LIMIT 1
    )

    UNION ALL

    SELECT
        following.model,
        number + 1
    FROM listed
    CROSS JOIN LATERAL (
        SELECT lower(capture ->> 'model') COLLATE "C"
        FROM images
        WHERE capture ->> 'model' IS NOT NULL
            AND lower(capture ->> 'model') COLLATE "C" > listed.model
        ORDER BY lower(capture ->> 'model') COLLATE "C"
        LIMIT 1
    ) AS following (model)
    WHERE number < $2::bigint
)

SELECT written.camera
FROM listed
CROSS JOIN LATERAL (
    SELECT capture ->> 'model' AS camera
    FROM images
    WHERE capture ->> 'model' IS NOT NULL
        AND lower(capture ->> 'model') COLLATE "C" = listed.model
    ORDER BY lower(capture ->> 'model') COLLATE "C"
    LIMIT 1
) AS written
ORDER BY listed.model;
