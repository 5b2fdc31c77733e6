-- fill_images.0054: inserts the rows of fill_images.sql into the table as it is up to 0054, without capture metadata.
-- :first, :last  the numbers of the rows, from 1
INSERT INTO images (
    id,
    filename,
    content_type,
    byte_size,
    width,
    height,
    content_sha256,
    title,
    description,
    tags,
    attributes,
    created_at,
    updated_at
)
SELECT
    md5('image ' || n)::uuid,
    'IMG_' || n || '.' || CASE WHEN mod(n, 100) < 70 THEN 'jpg' ELSE 'img' END,
    CASE
        WHEN n <= 2000 AND mod(n, 2) = 0 THEN 'image/tiff'
        WHEN mod(n, 50000) = 29 THEN 'image/avif'
        WHEN mod(n, 100) < 70 THEN 'image/jpeg'
        WHEN mod(n, 100) < 88 THEN 'image/png'
        ELSE 'image/webp'
    END,
    100000 + mod(n * 7919, 8000000),
    640 + mod(n, 10) * 320,
    480 + mod(n, 10) * 240,
    sha256(n::text::bytea),
    CASE
        WHEN mod(n, 2) = 0
            THEN 'Corner ' || mod(n * 31, 9000) || ' in the ' || (ARRAY['morning', 'rain', 'fog'])[1 + mod(n, 3)]
    END,
    CASE
        WHEN mod(n, 3) = 0
            THEN 'Seen from bridge ' || mod(n, 700) || ' on the way to harbour ' || mod(n, 90) || ', with house '
                || mod(n * 17, 30000) || ' on the left; scanned as sheet ' || n || ' of the series, kept in box '
                || mod(n, 1200) || ', without any correction of color.'
    END,
    array_remove(
        ARRAY[
            CASE WHEN mod(n, 10) < 3 THEN 'street' END,
            CASE WHEN mod(n / 10, 10) = 0 THEN 'night' END,
            'city-' || mod(n * 31, 50),
            CASE WHEN mod(n, 2) = 1 THEN 'place-' || mod(n * 7919, 4000) END,
            CASE WHEN mod(n, 50000) = 17 THEN 'eclipse' END,
            CASE WHEN n <= 1000 THEN 'archive' END
        ],
        NULL
    ),
    jsonb_build_object('camera', 'Model ' || mod(n, 60), 'iso', 100 * (1 + mod(n, 32)), 'f', 1.4 + mod(n, 12)),
    moment,
    moment + CASE WHEN mod(n, 5) = 0 THEN interval '1 day' ELSE interval '0' END
FROM generate_series(:first::bigint, :last::bigint) AS n
CROSS JOIN LATERAL (
    SELECT
        timestamptz '2020-01-01 00:00:00+00' + (n - CASE WHEN mod(n, 10) = 0 THEN 1 ELSE 0 END) * interval '30 seconds'
            AS moment
) AS derived;
