-- fill_content_checks: inserts checks of the bytes of images, for a review. The images of the examples, 7 and 8, have none.
-- :first, :last  the numbers of the images, from 1
-- Of 1,000 images, 100 were checked, and the bytes of one are wrong.
INSERT INTO content_checks (sha256, checked_at, fault)
SELECT
    encode(sha256(n::text::bytea), 'hex'),
    timestamptz '2020-01-01 00:00:00+00' + n * interval '30 seconds',
    CASE WHEN mod(n, 1000) = 20 THEN 'wrong' END
FROM generate_series(:first::bigint, :last::bigint) AS n
WHERE mod(n, 10) = 0;
