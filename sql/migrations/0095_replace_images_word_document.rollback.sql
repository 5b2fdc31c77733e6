-- Restores the function of 0083. The rollback of 0094 then takes the marks away.
--
-- loses: nothing
-- Locks: none. A running statement ends with the functions that it has.
-- Cost:  none.

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
BEGIN
    RETURN setweight(images_vector(COALESCE(title, '')), 'A')
        || setweight(images_vector(array_to_string(tags, ' ')), 'B')
        || setweight(images_vector(filename), 'C')
        || setweight(images_vector(COALESCE(description, '')), 'D')
        || array_to_tsvector(ARRAY(SELECT '=' || term FROM unnest(images_terms(tags, content_type)) AS term));
END
$$;

COMMENT ON FUNCTION images_word_document(text, text, text, text[], text) IS
    'What an image is found by: its words, weighted A title, B tags, C filename, D description, and its terms. `=` is '
    'before each term, and in no word.';
