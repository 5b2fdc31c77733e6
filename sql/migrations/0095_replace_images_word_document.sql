-- Replaces images_word_document(): it marks an image that has a word of two alphabets.
--
-- What:  the function of 0083, which adds the mark that images_mixed_mark() of 0094 returns.
-- Why:   images_index_queries() of 0097 finds these images by their mark, and not by the beginning of the word.
-- Locks: none. A running statement ends with the function that it has.
-- Cost:  none here, also with ten million rows. Few images have such a word, except in some languages.
-- depends: 0094_create_images_mixed_mark

-- allow: function-results because 0096 marks what is stored, and no query asks for the mark before 0097
CREATE OR REPLACE FUNCTION images_word_document(
    title text,
    description text,
    filename text,
    tags text[],
    content_type text
)
RETURNS tsvector
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
AS $$
DECLARE
    words CONSTANT tsvector := setweight(images_vector(COALESCE(title, '')), 'A')
        || setweight(images_vector(array_to_string(tags, ' ')), 'B')
        || setweight(images_vector(filename), 'C')
        || setweight(images_vector(COALESCE(description, '')), 'D');
BEGIN
    RETURN words
        || array_to_tsvector(ARRAY(SELECT '=' || term FROM unnest(images_terms(tags, content_type)) AS term))
        || images_mixed_mark(words);
END
$$;

COMMENT ON FUNCTION images_word_document(text, text, text, text[], text) IS
    'What an image is found by: its words, weighted A title, B tags, C filename, D description, its terms, and the mark '
    '=mixed if it has a word of two alphabets. `=` is before each term, and in no word.';
