-- Replaces images_index_query(): a rare word is asked in the index if none of the 200 images that it looks at has the rest.
--
-- What:  the function of 0057, which leaves a common last word out. Now this needs at least 4 of the 200 images with the
--        word, and more than 7 times as many as have the rest.
-- Why:   no image in 200 says only that fewer than about 1 in 100 have the rest. Without the minimum, one image with a
--        rare word was enough to leave the word out. Then the index returned all images of a tag that 1 in 100 have.
-- Locks: none. A running statement ends with the function that it has.
-- Cost:  none, also with ten million rows.
-- depends: 0085_replace_images_word_query

CREATE OR REPLACE FUNCTION images_index_query(terms text[], words text, whole tsquery)
RETURNS tsquery
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
AS $$
DECLARE
    rest tsquery;
    last_word tsquery;
    of_rest bigint;
    of_last_word bigint;
BEGIN
    IF numnode(whole) > 1 THEN
        rest := images_word_query(terms, words, 'rest');
        last_word := images_word_query(terms, words, 'last');
    END IF;

    IF rest IS NULL OR last_word IS NULL THEN
        RETURN whole;
    END IF;

    WITH ends (first, last) AS MATERIALIZED (
        SELECT
            (
                SELECT created_at
                FROM image_words
                WHERE created_at > '-infinity'
                ORDER BY created_at, image_id
                LIMIT 1
            ),
            (
                SELECT created_at
                FROM image_words
                WHERE created_at < 'infinity'
                ORDER BY created_at DESC, image_id DESC
                LIMIT 1
            )
    )

    SELECT
        count(*) FILTER (WHERE image.words @@ rest),
        count(*) FILTER (WHERE image.words @@ last_word)
    INTO of_rest, of_last_word
    FROM ends
    CROSS JOIN generate_series(0, 9) AS tenth
    CROSS JOIN LATERAL (
        SELECT image_words.words
        FROM image_words
        WHERE created_at >= first + tenth * (last - first) / 10
            AND created_at <= 'infinity'
        ORDER BY created_at, image_id
        LIMIT 20
    ) AS image;

    RETURN CASE WHEN of_last_word > 7 * of_rest + 3 THEN rest ELSE whole END;
END
$$;
