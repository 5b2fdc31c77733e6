-- fill_images: inserts realistic images, for a review and for the tests of plans. Each row depends only on its number,
-- so an example in a query's header can name one: the id of row 7 is md5('image 7')::uuid.
-- :first, :last  the numbers of the rows, from 1; older images have smaller numbers
-- Half have a title, a third have a description. Every tenth image has the same time as the image before it.
-- Media types, of 100 images:
-- * image/jpeg 70, image/png 18, image/webp 12
-- * image/tiff only in the first 2,000 rows, image/avif one in 50,000, no image/gif
-- Tags, of 100 images:
-- * street 30, night 10, city-0 to city-49 2 each
-- * place-0 to place-3999 about one in 8,000 each
-- * eclipse one in 50,000 over all years, archive only in the first 1,000 rows
-- Capture metadata, of 10 images:
-- * 6 were taken by a camera up to 30 days before, by one of 60 models, or by "Rare" (one in 50,000)
-- * 3 have a position: all over the world, and one in 50,000 at 48.2 N, 11.5 E
-- Extremes, of 1,000 images:
-- * 1 file name of 255 characters, 1 title of 200, 1 tag of 100
-- * 1 title with a word of two alphabets
-- * 1 capture that was never read
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
    updated_at,
    capture,
    captured_at,
    location,
    color,
    thumbhash
)
SELECT
    md5('image ' || n)::uuid,
    CASE WHEN mod(n, 1000) = 501 THEN rpad('IMG_' || n || '_', 251, 'x') ELSE 'IMG_' || n END || '.'
        || CASE WHEN mod(n, 100) < 70 THEN 'jpg' ELSE 'img' END,
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
        WHEN mod(n, 1000) = 502 THEN rpad('Corner ' || n || ' ', 200, 'x')
        WHEN mod(n, 1000) = 504 THEN 'Corner ' || n || ' in Azərbaycan'
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
            CASE WHEN n <= 1000 THEN 'archive' END,
            CASE WHEN mod(n, 1000) = 503 THEN rpad('place', 100, '-long') END
        ],
        NULL
    ),
    jsonb_build_object('camera', 'Model ' || mod(n, 60), 'iso', 100 * (1 + mod(n, 32)), 'f', 1.4 + mod(n, 12)),
    moment,
    moment + CASE WHEN mod(n, 5) = 0 THEN interval '1 day' ELSE interval '0' END,
    CASE
        WHEN mod(n, 1000) = 509 THEN NULL
        WHEN mod(n, 10) < 6
            THEN jsonb_build_object(
                'captured_at', moment - mod(n, 30) * interval '1 day',
                'captured_at_zone', 'offset',
                'model', CASE WHEN mod(n, 50000) = 21 THEN 'Rare' ELSE 'Model ' || mod(n, 60) END,
                'iso', 100 * (1 + mod(n, 32))
            )
        ELSE '{}'
    END,
    CASE WHEN mod(n, 10) < 6 THEN moment - mod(n, 30) * interval '1 day' END,
    CASE
        WHEN mod(n, 50000) = 21 THEN jsonb_build_object('latitude', 48.2, 'longitude', 11.5)
        WHEN mod(n, 10) < 3
            THEN jsonb_build_object(
                'latitude', mod(n * 7919, 140000) / 1000.0 - 70,
                'longitude', mod(n * 104729, 360000) / 1000.0 - 180
            )
    END,
    '#' || substr(md5(n::text), 1, 6),
    decode(substr(md5(n::text) || md5(n::text), 1, 42), 'hex')
FROM generate_series(:first::bigint, :last::bigint) AS n
CROSS JOIN LATERAL (
    SELECT
        timestamptz '2020-01-01 00:00:00+00' + (n - CASE WHEN mod(n, 10) = 0 THEN 1 ELSE 0 END) * interval '30 seconds'
            AS moment
) AS derived;
