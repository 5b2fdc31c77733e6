-- Restores the function of 0088.
--
-- loses: nothing
-- Locks: none. A running statement ends with the function that it has.
-- Cost:  none.

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
    element record;
    pieces text[];
    forms text[]; -- the plural or the singular of a single word
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
            translate(images_fold(words), '“”„«»', '"""""'),
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
            FROM unnest(images_words(element.value, true)) WITH ORDINALITY AS asked (word, place)
            WHERE word IS NOT NULL
            ORDER BY place
        );
        CONTINUE WHEN pieces = '{}';

        forms := CASE
            WHEN element.is_bare AND NOT element.is_excluded AND cardinality(pieces) = 1
                THEN images_number_forms(btrim(pieces[1], ''''))
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
    'What finds the images with all the terms and the words, each also in the plural or the singular: phrases in quotes, '
    '`or`, and `-` to exclude. The last word is the beginning of a word. NULL, which finds none, for words that are none; '
    'words may be NULL. part: whole; rest, without the last word if something else is asked too; last, only the last word, '
    'or NULL if the rest has it.';
