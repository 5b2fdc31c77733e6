-- Replaces images_word_query(): it also finds München for Muenchen, and Muenchen for München.
--
-- What:  the function of 0088, which also asks for the other spelling of a word with an umlaut. As with the plural, it does
--        so for each single word that is in no quotes and is not excluded. The other spelling is a whole word.
-- Why:   people without a German keyboard write `Muenchen`, and so do the names of many files.
--        * Not for stored words: each row of image_words would have to be written again.
-- Locks: none. A running statement ends with the function that it has.
-- Cost:  none here, also with ten million rows. A search for such a word asks the index for one more key.
-- depends: 0092_create_images_umlaut_forms

-- allow: function-replaced because it finds the images of before and others, and both releases call it in the same way
CREATE OR REPLACE FUNCTION images_word_query(terms text[], words text, part text)
RETURNS tsquery
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
AS $$
DECLARE
    listed CONSTANT text := (
        SELECT string_agg('''=' || replace(replace(term, '\', '\\'), '''', '''''') || '''', ' & ')
        FROM unnest(terms) AS term
    );
    mark CONSTANT text := convert_from('\xee8080', 'UTF8'); -- U+E000, of no script. It follows each umlaut, because ü is also written ue
    folded CONSTANT text := images_fold(
        CASE
            WHEN octet_length(words) = char_length(words) THEN words
            ELSE regexp_replace(
                translate(normalize(words, NFC), mark, ' '), '[äöüÄÖÜ]' COLLATE "C", '\&' || mark, 'g'
            )
        END
    );
    element record;
    pieces text[];
    forms text[]; -- the plural or the singular of a single word, and the other spelling of its umlauts
    phrase text;
    last_word text;
    choices text; -- those before the last `or`
    choice text;
    has_more boolean := listed IS NOT NULL; -- there is something else to find the images of this choice by
    is_after_or boolean := true;
BEGIN
    IF words IS NULL THEN
        RETURN listed::tsquery;
    END IF;

    FOR element IN
        SELECT
            parts[1] <> '' AS is_excluded,
            COALESCE(parts[2], parts[3]) AS value,
            parts[2] IS NULL AS is_bare,
            number = max(number) OVER () AS is_last
        FROM regexp_matches(
            translate(folded, '“”„«»', '"""""'),
            '(-*)(?:"([^"]*)"?|([^[:space:]"]+))' COLLATE "C",
            'g'
        ) WITH ORDINALITY AS found (parts, number)
        ORDER BY number
    LOOP
        IF element.value = 'or' AND element.is_bare AND NOT (element.is_excluded OR element.is_last OR is_after_or) THEN
            choices := concat_ws(' | ', choices, choice);
            choice := NULL;
            has_more := false;
            is_after_or := true;
            CONTINUE;
        END IF;

        pieces := ARRAY(
            SELECT
                COALESCE(' <' || place - lag(place) OVER (ORDER BY place) || '> ', '')
                || '''' || left(word, 500) || ''''
                || CASE WHEN octet_length(word) > 1 AND char_length(word) = 1 THEN ':*' ELSE '' END
            FROM unnest(images_words(replace(element.value, mark, ''), true)) WITH ORDINALITY AS asked (word, place)
            WHERE word IS NOT NULL
            ORDER BY place
        );
        CONTINUE WHEN pieces = '{}';

        forms := CASE
            WHEN element.is_bare AND NOT element.is_excluded AND cardinality(pieces) = 1
                THEN images_number_forms(btrim(pieces[1], ''''))
                    || images_umlaut_forms(btrim(pieces[1], ''''))
                    || CASE
                        WHEN strpos(element.value, mark) > 0
                            THEN ARRAY[left((images_words(replace(element.value, mark, 'e'), true))[1], 500)]
                    END
        END;
        IF element.is_last AND element.is_bare AND NOT element.is_excluded THEN
            forms := ARRAY(SELECT form FROM unnest(forms) AS form WHERE NOT starts_with(form, btrim(pieces[1], '''')));
            IF has_more OR cardinality(pieces) > 1 THEN
                last_word := rtrim(regexp_replace(pieces[cardinality(pieces)], '^ <[0-9]+> ', ''), ':*') || ':*'
                    || COALESCE(' | ''' || NULLIF(array_to_string(forms, ''' | '''), '') || '''', '');
            END IF;
            IF part = 'rest' AND last_word IS NOT NULL THEN
                pieces := trim_array(pieces, 1);
            ELSE
                pieces[cardinality(pieces)] := rtrim(pieces[cardinality(pieces)], ':*') || ':*';
            END IF;
        END IF;

        IF cardinality(forms) > 0 AND cardinality(pieces) > 0 THEN
            pieces[1] := '(' || pieces[1] || ' | ''' || array_to_string(forms, ''' | ''') || ''')';
        END IF;

        phrase := array_to_string(pieces, '');
        choice := concat_ws(
            ' & ', choice, CASE WHEN element.is_excluded THEN '!(' || phrase || ')' ELSE NULLIF(phrase, '') END
        );
        has_more := has_more OR NOT element.is_excluded;
        is_after_or := false;
    END LOOP;

    choices := concat_ws(' | ', choices, NULLIF(choice, ''));
    IF part = 'last' THEN
        RETURN last_word::tsquery;
    ELSIF choices <> '' THEN
        RETURN concat_ws(' & ', listed, '(' || choices || ')')::tsquery;
    ELSIF part = 'rest' AND NOT is_after_or THEN
        RETURN listed::tsquery;
    END IF;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION images_word_query(text[], text, text) IS
    'What finds the images with all the terms and the words, each also in the plural or the singular, and with an umlaut '
    'or ae, oe, ue: phrases in quotes, `or`, and `-` to exclude. The last word is the beginning of a word. NULL, which '
    'finds none, for words that are none; words may be NULL. part: whole; rest, without the last word if something else '
    'is asked too; last, only the last word, or NULL if the rest has it.';
