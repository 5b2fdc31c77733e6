-- Creates images_umlaut_forms(): the spelling of a German word with an umlaut, from the one with ae, oe or ue.
--
-- What:  a function that returns the other spelling of a word as images_fold() stores it: munchen for muenchen.
-- Why:   people without a German keyboard write Muenchen for München. images_word_query() (0093) asks for both.
--        * Not at the end of a word, as in blue. Not ue behind a, e or q, as in neuer, or quest. Not oe in a word of four
--          letters, as in poet. The rule also gives words that do not exist, such as isral. No text has them.
-- Locks: none.
-- Cost:  none, also with ten million rows.
-- depends: 0091_create_images_rows_to_walk

CREATE FUNCTION images_umlaut_forms(word text)
RETURNS text[]
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
AS $$
DECLARE
    given CONSTANT text COLLATE "C" := word;
    vowels CONSTANT text := CASE WHEN char_length(given) > 4 THEN '(a|o|(?<![aeq])u)' ELSE '(a|(?<![aeq])u)' END;
BEGIN
    RETURN array_remove(ARRAY[regexp_replace(given, vowels || 'e(?=[a-z])', '\1', 'g')], given);
END
$$;

COMMENT ON FUNCTION images_umlaut_forms(text) IS
    'A German word without accents, from its spelling with ae, oe or ue: munchen for muenchen. None for other words.';
