-- Creates images_index_queries(): what the index of image_words is asked for, as several queries.
--
-- What:  a function that estimates, as images_index_query() of 0089, and has a third choice. For a last word `fog`, these
--        are three queries: for fog itself, for longer words (foga, fogb, ... as beginnings), and for the mark of 0094.
-- Why:   GIN collects all images that have a word with a given beginning, before it looks at the other words. It does not
--        do so for a whole word. At a million images of which one in six has fog, `morning fog` took 23 ms of CPU, and 9
--        ms with fog in quotes. `fog` with a tag of 2 in 100 took 16 ms, and 3 ms. Now both take as long as in
--        quotes, and still find foggy. A choice is made by the number of images that it would collect or read.
--        * Not one query with 26 beginnings: GIN tests all of them for each image. That took 13 ms and 6 ms.
--        A new function, because a release that calls images_index_query() still runs. 0098 drops that one.
-- Locks: none.
-- Cost:  none, also with ten million rows. To ask for 26 beginnings takes 0.1 ms.
-- depends: 0096_fill_image_words

CREATE FUNCTION images_index_queries(terms text[], words text, whole tsquery)
RETURNS tsquery[]
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
AS $$
DECLARE
    rest tsquery;
    last_word text; -- as in the text of the whole query: 'fog':*, and after it the other forms of the word
    beginning text; -- 'fog':*
    itself text; -- 'fog'
    of_rest bigint;
    of_beginning bigint;
    of_longer_words bigint;
    of_marked bigint;
    pages bigint;
BEGIN
    IF numnode(whole) > 1 THEN
        rest := images_word_query(terms, words, 'rest');
        last_word := images_word_query(terms, words, 'last');
    END IF;

    IF rest IS NULL OR last_word IS NULL THEN
        RETURN ARRAY[whole];
    END IF;

    beginning := split_part(last_word, ' | ', 1);
    itself := rtrim(beginning, ':*');
    pages := pg_relation_size('image_words') / current_setting('block_size')::bigint;

    SELECT
        count(*) FILTER (WHERE image_words.words @@ rest),
        count(*) FILTER (WHERE image_words.words @@ beginning::tsquery),
        count(*) FILTER (
            WHERE image_words.words @@ beginning::tsquery
                AND NOT image_words.words @@ itself::tsquery
        ),
        count(*) FILTER (WHERE image_words.words @@ '''=mixed''')
    INTO of_rest, of_beginning, of_longer_words, of_marked
    FROM image_words
    WHERE ctid = ANY (
        ARRAY(
            SELECT format('(%s,%s)', (hashint4extended(number, 0) & 2147483647) * pages >> 31, line)::tid
            FROM generate_series(1, 100) AS number
            CROSS JOIN generate_series(1 + number % 8, 4 + number % 8) AS line
        )
    );

    IF itself ~ '^''([a-z]+|[0-9]+)''$' COLLATE "C"
        AND of_longer_words + 7 * of_marked < LEAST(of_beginning, 7 * (of_rest + 1))
    THEN
        RETURN ARRAY[
            replace(whole::text, beginning, itself)::tsquery,
            replace(
                whole::text,
                last_word,
                (
                    SELECT '(' || string_agg(rtrim(itself, '''') || next || ''':*', ' | ') || ')'
                    FROM string_to_table(
                        CASE WHEN itself ~ '[0-9]' THEN '0123456789' ELSE 'abcdefghijklmnopqrstuvwxyz' END,
                        NULL
                    ) AS next
                )
            )::tsquery,
            rest && '''=mixed'''
        ];
    END IF;

    RETURN ARRAY[CASE WHEN of_beginning > 7 * (of_rest + 1) THEN rest ELSE whole END];
END
$$;

COMMENT ON FUNCTION images_index_queries(text[], text, tsquery) IS
    'The queries for the index of image_words: it finds each image that matches by one of them. This is the whole '
    'query, or all but its last word. If most images of the last word have the word itself, these are three: with this '
    'word, with longer words, and with the mark =mixed. For a beginning, the index reads all of its images first, 0.14 us '
    'for each. To check an image takes 1 us. 400 rows of 100 pages tell how many there are. The search checks the whole '
    'query for each image.';
