-- Creates images_mixed_mark(): the mark of an image that has a word of two alphabets.
--
-- What:  a function that returns =mixed if in one word, other letters follow letters from a to z, as in gəlin.
-- Why:   a search whose last word is `fog` also finds foggy. images_index_queries (0097) asks the index for fog, and for
--        foga, fogb, ... as beginnings of words. That takes a third of the time of all words that begin with fog.
--        Letters after fog that are not from a to z cannot be listed. The mark finds the images that have such a word.
--        * Not a list of all words: each upload would look up each of its words.
--        `=` separates words, so no search asks for the mark.
-- Locks: none.
-- Cost:  none, also with ten million rows. Few images have such a word, except in some languages.
-- depends: 0093_replace_images_word_query

CREATE FUNCTION images_mixed_mark(words tsvector)
RETURNS tsvector
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
AS $$
BEGIN
    IF octet_length(words::text) > char_length(words::text)
        AND EXISTS (
            SELECT
            FROM unnest(tsvector_to_array(words)) AS word
            WHERE word ~ ('^[a-z]+[^a-z]' COLLATE "C")
        )
    THEN
        RETURN '''=mixed''';
    END IF;

    RETURN '';
END
$$;

COMMENT ON FUNCTION images_mixed_mark(tsvector) IS
    'The mark =mixed if a word begins with letters from a to z and goes on with others, otherwise empty.';
