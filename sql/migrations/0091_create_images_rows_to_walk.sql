-- Creates images_rows_to_walk(): how many images a search reads in the order of the list before it asks the index.
--
-- What:  a function that estimates from 400 images, in 100 pages of image_words, how many match a query. A hash chooses
--        the pages, as in images_index_query(). If the first images in the order of the list probably fill a page before
--        so many are read, it returns this number, otherwise 0.
-- Why:   the index returns all matches, and the search sorts them. So a word that many images have was slow if the
--        newest images did not have it, for example after an upload of other pictures. At a million images, two words
--        that every third image has took 218 ms. Now the search reads the images in their order, and stops at the page.
--        It reads at most as many images as the index would return. So a wrong estimate at most doubles the time.
--        * Not the first images of the list alone: pictures that come together are alike.
--        * Not the statistics of ANALYZE: they do not know which words meet.
-- Locks: none.
-- Cost:  none, also with ten million rows. A search calls it if the first images do not fill the page: 0.3 ms. By name
--        and by size, each list with a filter calls it.
-- depends: 0090_add_object_stores_checked_at

CREATE FUNCTION images_rows_to_walk(query tsquery, page bigint)
RETURNS bigint
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
AS $$
DECLARE
    pages CONSTANT bigint := pg_relation_size('image_words') / current_setting('block_size')::bigint;
    -- four rows of each page, as one text, because that takes a third less time than to make each place
    places CONSTANT tid[] := (
        SELECT
            '{' || string_agg(
                format('"(%1$s,%2$s)","(%1$s,%3$s)","(%1$s,%4$s)","(%1$s,%5$s)"', block, line, line + 1, line + 2, line + 3),
                ','
            ) || '}'
        FROM (
            SELECT (hashint4extended(number, 0) & 2147483647) * pages >> 31 AS block, 1 + number % 8 AS line
            FROM generate_series(1, 100) AS number
        ) AS chosen
    );
    share float8;
    matches float8;
BEGIN
    SELECT avg((image_words.words @@ query)::integer)
    INTO share
    FROM image_words
    WHERE ctid = ANY (places);

    SELECT share * reltuples / relpages * pages
    INTO matches
    FROM pg_class
    WHERE oid = 'image_words'::regclass
        AND reltuples > 0
        AND relpages > 0;

    RETURN CASE WHEN matches * share > page THEN matches ELSE 0 END;
END
$$;

COMMENT ON FUNCTION images_rows_to_walk(tsquery, bigint) IS
    'How many images a search reads in the order of the list before it asks the index of image_words: as many as probably '
    'match the query, or 0 if these would not fill a page of so many images. 400 rows of 100 pages tell how many match. '
    'To read an image takes 1 us, and the index takes as long for each match. So the search takes at most twice the time '
    'of the index.';
