-- list_months: returns the months in which images were taken, latest first, and how many images each has, for
-- GET /v1/timeline. Up to a number of images of a month are counted. More are estimated from the histogram of the last
-- ANALYZE.
-- It jumps from month to month: to the last image before the month that it has found.
-- $1 date     only months before this one
-- $2 bigint   maximum of months
-- $3 integer  the number of images of a month up to which they are counted
-- Index: images_captured_at_created_at_id_idx, for each month one entry, and at most $3 + 1 entries with their rows.
-- example all of them: '9999-12-01', 120, 200
-- example no more: '1800-01-01', 120, 200
WITH RECURSIVE months (month, number) AS (
    (
        SELECT
            date_trunc('month', COALESCE(captured_at, '-infinity'::timestamptz), 'UTC'),
            1
        FROM images
        WHERE COALESCE(captured_at, '-infinity'::timestamptz) < $1::date::timestamp AT TIME ZONE 'UTC'
            AND COALESCE(captured_at, '-infinity'::timestamptz) > '-infinity'
        ORDER BY COALESCE(captured_at, '-infinity'::timestamptz) DESC, created_at DESC, id DESC
        LIMIT 1
    )

    UNION ALL

    SELECT
        (
            SELECT date_trunc('month', COALESCE(captured_at, '-infinity'::timestamptz), 'UTC')
            FROM images
            WHERE COALESCE(captured_at, '-infinity'::timestamptz) < months.month
                AND COALESCE(captured_at, '-infinity'::timestamptz) > '-infinity'
            ORDER BY COALESCE(captured_at, '-infinity'::timestamptz) DESC, created_at DESC, id DESC
            LIMIT 1
        ),
        months.number + 1
    FROM months
    WHERE months.month IS NOT NULL
        AND months.number < $2::bigint
),

page AS MATERIALIZED (
    SELECT
        months.month,
        (months.month AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC' AS following,
        counted.images
    FROM months
    CROSS JOIN LATERAL (
        SELECT count(*) AS images
        FROM (
            SELECT
            FROM images
            WHERE COALESCE(captured_at, '-infinity'::timestamptz) >= months.month
                AND COALESCE(captured_at, '-infinity'::timestamptz)
                < (months.month AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC'
            LIMIT $3::bigint + 1
        ) AS of_the_month
    ) AS counted
    WHERE months.month IS NOT NULL
),

bounds (low, high, number) AS MATERIALIZED (
    SELECT
        bound,
        lead(bound) OVER (ORDER BY place),
        count(*) OVER () - 1
    FROM pg_catalog.pg_stats
    CROSS JOIN LATERAL unnest(histogram_bounds::text::timestamptz[]) WITH ORDINALITY AS histogram (bound, place)
    WHERE schemaname = current_schema()
        AND tablename = 'images'
        AND attname = 'captured_at'
        AND EXISTS (SELECT FROM page WHERE images > $3)
),

dated (images) AS MATERIALIZED (
    SELECT reltuples * (1 - COALESCE(null_frac, 0))
    FROM pg_catalog.pg_class
    LEFT JOIN pg_catalog.pg_stats ON schemaname = current_schema()
        AND tablename = 'images'
        AND attname = 'captured_at'
    WHERE pg_class.oid = to_regclass('images')
)

SELECT
    to_char(page.month AT TIME ZONE 'UTC', 'YYYY-MM') AS month,
    CASE
        WHEN page.images <= $3 THEN page.images
        ELSE GREATEST(page.images, COALESCE((SELECT round(images * share)::bigint FROM dated), 0))
    END AS images,
    page.images > $3 AS estimated
FROM page
CROSS JOIN LATERAL (
    SELECT
        sum(
            GREATEST(0, EXTRACT(EPOCH FROM LEAST(high, page.following) - GREATEST(low, page.month)))
            / GREATEST(EXTRACT(EPOCH FROM high - low), 0.000001)
        )::float8 / max(number) AS share
    FROM bounds
    WHERE high > page.month
        AND low < page.following
) AS histogram
ORDER BY page.month DESC;
