-- Replaces images_word_document(): the terms of tags and of the media type have `=` before them.
--
-- What:  the function of 0057, which stores =tag:beach and =type:image/png instead of tag:beach and type:image/png.
-- Why:   the words and the terms of an image are in one tsvector. The last word of a search is the beginning of a
--        word, and so `q=type` found each image, `q=t` too, and sort=relevance counted the terms. `=` separates words,
--        so no word that is stored or asked for begins with it.
--        * Not a search for words with a weight only, such as 'typ':*ABC. The index has no weights. It would return all
--          images, and each would be read.
--        * Not a column of its own for the terms. A search for words and tags would then read two indexes.
--        * image_terms has no words, so its terms stay as they are.
-- Locks: none. A running statement ends with the function that it has.
-- Cost:  none here, also with ten million rows. A row of image_words has one byte more for each term.
-- depends: 0082_vacuum_image_words

-- allow: function-results because 0084 writes what is stored, and images_word_query of 0081 finds both
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
