-- Creates images_number_forms(): the plural of an English word, or its singular.
--
-- What:  a function that returns the other forms of a word by the rules of English: boat for boats, cities for city.
-- Why:   people write `boats` for an image that is called "Fishing boat". images_word_query() (0088) asks for all forms.
--        * Not a dictionary of PostgreSQL. Texts come in any language, a dictionary differs by version of the server, and
--          each stored word would have to change.
--        * The rules may also give words that do not exist, such as beache. No text has them.
-- Locks: none.
-- Cost:  none, also with ten million rows.
-- depends: 0086_replace_images_index_query

CREATE FUNCTION images_number_forms(word text)
RETURNS text[]
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
AS $$
DECLARE
    given CONSTANT text COLLATE "C" := word;
    with_f CONSTANT text := '(cal|dwar|el|hal|hoo|lea|loa|scar|shea|shel|hie|whar|wol)';
    with_fe CONSTANT text := '(kni|li|wi)';
BEGIN
    IF given !~ '^[a-z]{3,}$' OR given IN ('new', 'news') THEN
        RETURN '{}';
    ELSIF right(given, 1) <> 's' THEN
        RETURN CASE
            WHEN given ~ '[^aeiou]y$' THEN ARRAY[left(given, -1) || 'ies'] -- city
            WHEN given ~ (with_f || 'f$') THEN ARRAY[given || 's', left(given, -1) || 'ves'] -- leaf
            WHEN given ~ (with_fe || 'fe$') THEN ARRAY[given || 's', left(given, -2) || 'ves'] -- knife
            WHEN given ~ '(ch|sh|x|z|o)$' THEN ARRAY[given || 's', given || 'es'] -- photo, beach
            ELSE ARRAY[given || 's']
        END;
    END IF;

    RETURN CASE
        WHEN given ~ '[a-z][^aeiou]ies$' THEN ARRAY[left(given, -3) || 'y', left(given, -1)] -- cities, movies
        WHEN given ~ (with_f || 'ves$') THEN ARRAY[left(given, -3) || 'f', left(given, -1)] -- leaves
        WHEN given ~ (with_fe || 'ves$') THEN ARRAY[left(given, -3) || 'fe', left(given, -1)] -- knives, olives
        WHEN given ~ '[a-z](ch|sh|s|x|z|o)es$' THEN ARRAY[left(given, -2), left(given, -1)] -- beaches, houses
        WHEN given ~ '[a-z]{2}[aiun]s$' THEN ARRAY[left(given, -1), given || 'es'] -- cameras, lens
        WHEN given ~ '[a-z]{3}s$' AND given !~ 'ss$' THEN ARRAY[left(given, -1)] -- boats
        ELSE ARRAY[given || 'es'] -- glass, bus
    END;
END
$$;

COMMENT ON FUNCTION images_number_forms(text) IS
    'The other forms of an English word, by rules: of the plural the singular, and of the singular the plural. None for a '
    'word with other letters than a to z.';
