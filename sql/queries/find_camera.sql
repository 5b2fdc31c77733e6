-- find_camera: returns the model of a camera that people call by its maker and model, such as "google pixel 8", for
-- GET /v1/images?camera= and exports. If no image has one of the models, it returns no row.
-- $1 text[]  models in small letters, the most likely first
-- $2 text[]  the maker of each in small letters, or '' for any
-- Index: images_camera_idx, one look-up for each model. A row of images for each. The maker is that of one image.
-- example a model: '{model 5}', '{""}'
-- example a maker and a model: '{a model 5,model 5,5}', '{"",a,a model}'
-- example none: '{zzz}', '{""}'
SELECT given.model
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS given (model, maker, place)
CROSS JOIN LATERAL (
    SELECT lower(capture ->> 'make') AS maker
    FROM images
    WHERE capture ->> 'model' IS NOT NULL
        AND lower(capture ->> 'model') COLLATE "C" = given.model
    LIMIT 1
) AS found
WHERE given.maker = ''
    OR found.maker = given.maker
ORDER BY given.place
LIMIT 1;
