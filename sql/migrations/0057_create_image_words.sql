-- Creates the table of searches by words: the words of each image as people write them, in the order of every list.
--
-- What:  the table image_words, with one row for each image, and the functions that make its words and that ask for
--        them. The table is empty: the triggers of 0059 maintain it, 0060 fills it, and 0061 adds its index.
-- Why:   image_documents (0013) takes its words from PostgreSQL's parser. It reads "IMG_000123.jpg" as the name of a
--        host and "-4711" as a number, and keeps "Café" apart from "cafe", and 東京タワー in one piece. In image_words:
--        * One function, images_fold, changes the case and removes accents, for the words that are stored and for those
--          that are asked. It does not use `unaccent`: its dictionary is a file of the server, which differs by server
--          and which no dump contains. Nor does it use the collation of the database, which also differs.
--        * A word is a run of letters or a run of digits. So "IMG_000123.jpg" has three words. A number with zeros
--          before it is stored without them too, at the same place.
--        * In scripts without blanks between words, such as Chinese, Japanese and Thai, each pair of neighbors is a
--          word, and the last character. So any part of the text is found. An emoji is a word.
--        * The last word of a search is the beginning of a word, unless it is in quotes.
--        A table of its own, and not a column of image_documents: a release that reads that table still runs. When
--        it is dropped, its space is free at once. A tsvector has the places of the words, for phrases, and their
--        weights: A title, B tags, C filename, D description.
-- Locks: none on images.
-- Cost:  none yet. 324 MB, a primary key of 39 MB and an index of 89 MB for a million images, as image_documents has.
-- depends: 0056_index_images_capture

CREATE FUNCTION images_fold(value text)
RETURNS text
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
AS $$
DECLARE
    -- accents, points of Hebrew and Arabic, soft hyphens, marks without width, variants and skin tones of emoji
    marks CONSTANT text :=
        E'\\u00ad\\u0300-\\u036f\\u0483-\\u0489\\u0591-\\u05bd\\u05bf\\u05c1\\u05c2\\u05c4\\u05c5\\u05c7'
        '\\u0610-\\u061a\\u0640\\u064b-\\u065f\\u0670\\u06d6-\\u06dc\\u06df-\\u06e4\\u06e7\\u06e8'
        '\\u06ea-\\u06ed\\u1ab0-\\u1aff\\u1dc0-\\u1dff\\u200b-\\u200f\\u202a-\\u202e\\u2060-\\u206f'
        '\\u20d0-\\u20ff\\ufe00-\\ufe0f\\ufe20-\\ufe2f\\ufeff\\U0001f3fb-\\U0001f3ff'
        '\\U000e0000-\\U000e01ef';
    folded text;
BEGIN
    IF octet_length(value) = char_length(value) THEN
        RETURN lower(value COLLATE "C");
    END IF;

    folded := lower(regexp_replace(normalize(value, NFKD), '[' || marks || ']+' COLLATE "C", '', 'g') COLLATE "C");
    IF octet_length(folded) = char_length(folded) THEN
        RETURN folded;
    END IF;

    -- letters that have no accent to remove, and digits of other scripts
    folded := translate(
        folded,
        'ÆÐØÞĐĦŁŊŒŦƁƂƄƆƇƉƊƋƎƏƐƑƓƔƖƗƘƜƝƟƢƤƦƧƩƬƮƱƲƳƵƷƸƼǤǶǷȜȠȢȤȺȻȽȾɁɃɄɅɆɈɊɌɎͰͲͶͿΑΒΓΔΕΖΗΘ'
                'ΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩςϏϘϚϜϞЂЄЅІЈЉЊЋЏАБВГДЕЖЗИКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯѠѢѤѦѨѪѬѮѰѲѴѸѺѼ'
                'ѾҀҊҌҎҐҒҔҖҘҚҜҞҠҢҤҦҨҪҬҮҰҲҴҶҸҺҼҾӀӃӅӇӉӋӍӔӘӠӨӶӺӼӾԀԂԄԆԈԊԌԎԐԒԔԖԘԚԜԞԠԢԤԦԨԪԬԮԱԲԳԴԵԶԷԸ'
                'ԹԺԻԼԽԾԿՀՁՂՃՄՅՆՇՈՉՊՋՌՍՎՏՐՑՒՓՔՕՖøđðħłŧı٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹०१२३४५६७८९',
        'ædoþdhlŋœtɓƃƅɔƈɖɗƌǝəɛƒɠɣɩɨƙɯɲɵƣƥʀƨʃƭʈʊʋƴƶʒƹƽǥƕƿȝƞȣȥⱥȼƚⱦɂƀʉʌɇɉɋɍɏͱͳͷϳαβγδεζηθ'
                'ικλμνξοπρστυφχψωσϗϙϛϝϟђєѕіјљњћџабвгдежзиклмнопрстуфхцчшщъыьэюяѡѣѥѧѩѫѭѯѱѳѵѹѻѽ'
                'ѿҁҋҍҏґғҕҗҙқҝҟҡңҥҧҩҫҭүұҳҵҷҹһҽҿӏӄӆӈӊӌӎӕәӡөӷӻӽӿԁԃԅԇԉԋԍԏԑԓԕԗԙԛԝԟԡԣԥԧԩԫԭԯաբգդեզէը'
                'թժիլխծկհձղճմյնշոչպջռսվտրցւփքօֆoddhlti012345678901234567890123456789'
    );
    folded := replace(replace(folded, 'ß', 'ss'), 'ẞ', 'ss');
    folded := replace(replace(replace(folded, 'æ', 'ae'), 'œ', 'oe'), 'þ', 'th');
    RETURN normalize(folded, NFC);
END
$$;

CREATE FUNCTION images_words(value text, is_asked boolean)
RETURNS text[]
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
AS $$
DECLARE
    -- punctuation, symbols and blanks
    separators CONSTANT text :=
        E'\\u0001-\\u002f\\u003a-\\u0060\\u007b-\\u00bf\\u00d7\\u00f7\\u02b0-\\u02ff\\u055a-\\u055f\\u0589'
        '\\u058a\\u05be\\u05c0\\u05c3\\u05c6\\u05f3\\u05f4\\u0606-\\u060f\\u061b-\\u061f\\u066a-\\u066d'
        '\\u06d4\\u0700-\\u070d\\u0964\\u0965\\u0970\\u0e3f\\u0e4f\\u0e5a\\u0e5b\\u0f01-\\u0f14'
        '\\u0f3a-\\u0f3d\\u104a-\\u104f\\u10fb\\u1361-\\u1368\\u1400\\u166d\\u166e\\u1680\\u169b\\u169c'
        '\\u17d4-\\u17db\\u1800-\\u180e\\u2000-\\u25ff\\u27c0-\\u2aff\\u2e00-\\u2fff\\u3000-\\u3004'
        '\\u3008-\\u3020\\u302a-\\u3030\\u3036\\u3037\\u303d-\\u303f\\u309b\\u309c\\u30a0\\u30fb\\ud7ff'
        '\\ue000-\\uf8ff\\ufd3e\\ufd3f\\ufe10-\\ufe1f\\ufe30-\\ufe6f\\uff00-\\uffff'
        '\\U000f0000-\\U0010ffff';
    -- Thai, Lao, Tibetan, Burmese, Khmer, Chinese, Japanese and Korean
    unspaced CONSTANT text :=
        E'\\u0e01-\\u0e3a\\u0e40-\\u0e4e\\u0e81-\\u0ece\\u0f40-\\u0fbc\\u1000-\\u103f\\u1050-\\u108f'
        '\\u1780-\\u17d3\\u3005-\\u3007\\u3021-\\u3029\\u3031-\\u3035\\u3038-\\u303c\\u3041-\\u3096'
        '\\u309d-\\u309f\\u30a1-\\u30fa\\u30fc-\\u31bf\\u31f0-\\u31ff\\u3400-\\u4dbf\\u4e00-\\ua4cf'
        '\\uac00-\\ud7fe\\uf900-\\ufaff\\U00016fe0-\\U0001b2ff\\U00020000-\\U0003ffff';
    emoji CONSTANT text :=
        E'\\u2600-\\u27bf\\u2b00-\\u2bff\\U0001f000-\\U0001faff';
    words CONSTANT text[] := array_remove(
        string_to_array(
            regexp_replace(
                images_fold(value),
                '([0-9]+|[' || emoji || ']|[' || unspaced || ']+)|[' || separators || ']+' COLLATE "C",
                E' \\1 ',
                'g'
            ),
            ' '
        ),
        ''
    );
BEGIN
    IF array_to_string(words, '') !~ ('[' || unspaced || ']' COLLATE "C") THEN
        RETURN words;
    END IF;

    RETURN ARRAY(
        SELECT CASE WHEN number IS NULL THEN word ELSE pair END
        FROM unnest(words) WITH ORDINALITY AS listed (word, place)
        LEFT JOIN LATERAL (
            SELECT
                letter || COALESCE(
                    lead(letter) OVER (ORDER BY number), CASE WHEN number = 1 OR NOT is_asked THEN '' END
                ) AS pair,
                number
            FROM string_to_table(word, NULL) WITH ORDINALITY AS letters (letter, number)
            WHERE word ~ ('^[' || unspaced || ']' COLLATE "C")
        ) AS pairs ON true
        ORDER BY place, number
    );
END
$$;

CREATE FUNCTION images_vector(value text)
RETURNS tsvector
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
AS $$
DECLARE
    folded text := left(value, 40000);
BEGIN
    IF octet_length(folded) = char_length(folded) THEN
        folded := lower(folded COLLATE "C");
    ELSE
        folded := left(images_fold(folded), 40000);
    END IF;

    -- Without numbers like 007 and a1, the parser of PostgreSQL finds the same words in a third of the time. It skips a
    -- word of more than 2,046 bytes.
    IF octet_length(folded) = char_length(folded)
        AND char_length(folded) < 2000
        AND folded !~ ('[0-9][a-z]|[a-z][0-9]|(?:^|[^0-9])0[0-9]' COLLATE "C")
    THEN
        RETURN to_tsvector('simple', regexp_replace(folded, '[^a-z0-9 ]+' COLLATE "C", ' ', 'g'));
    END IF;

    RETURN COALESCE(
        (
            SELECT
                string_agg(
                    format(
                        CASE WHEN word ~ '^0+[1-9]' THEN '''%1$s'':%2$s ''%3$s'':%2$s' ELSE '''%1$s'':%2$s' END,
                        left(word, 500),
                        place,
                        ltrim(left(word, 500), '0')
                    ),
                    ' '
                )::tsvector
            FROM unnest(images_words(folded, false)) WITH ORDINALITY AS listed (word, place)
        ),
        ''
    );
END
$$;

CREATE FUNCTION images_word_document(title text, description text, filename text, tags text[], content_type text)
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
        || array_to_tsvector(images_terms(tags, content_type));
END
$$;

CREATE FUNCTION images_word_query(terms text[], words text, part text)
RETURNS tsquery
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
AS $$
DECLARE
    listed CONSTANT text := (
        SELECT string_agg('''' || replace(replace(term, '\', '\\'), '''', '''''') || '''', ' & ')
        FROM unnest(terms) AS term
    );
    element record;
    pieces text[];
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

        IF element.is_last AND element.is_bare AND NOT element.is_excluded THEN
            last_word := rtrim(regexp_replace(pieces[cardinality(pieces)], '^ <[0-9]+> ', ''), ':*') || ':*';
            IF part = 'rest' AND (has_more OR cardinality(pieces) > 1) THEN
                pieces := trim_array(pieces, 1);
            ELSE
                pieces[cardinality(pieces)] := rtrim(pieces[cardinality(pieces)], ':*') || ':*';
            END IF;
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

CREATE FUNCTION images_index_query(terms text[], words text, whole tsquery)
RETURNS tsquery
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
AS $$
DECLARE
    rest tsquery;
    last_word tsquery;
    of_rest bigint;
    of_last_word bigint;
BEGIN
    IF numnode(whole) > 1 THEN
        rest := images_word_query(terms, words, 'rest');
        last_word := images_word_query(terms, words, 'last');
    END IF;

    IF rest IS NULL OR last_word IS NULL THEN
        RETURN whole;
    END IF;

    WITH ends (first, last) AS MATERIALIZED (
        SELECT
            (
                SELECT created_at
                FROM image_words
                WHERE created_at > '-infinity'
                ORDER BY created_at, image_id
                LIMIT 1
            ),
            (
                SELECT created_at
                FROM image_words
                WHERE created_at < 'infinity'
                ORDER BY created_at DESC, image_id DESC
                LIMIT 1
            )
    )

    SELECT
        count(*) FILTER (WHERE image.words @@ rest),
        count(*) FILTER (WHERE image.words @@ last_word)
    INTO of_rest, of_last_word
    FROM ends
    CROSS JOIN generate_series(0, 9) AS tenth
    CROSS JOIN LATERAL (
        SELECT image_words.words
        FROM image_words
        WHERE created_at >= first + tenth * (last - first) / 10
            AND created_at <= 'infinity'
        ORDER BY created_at, image_id
        LIMIT 20
    ) AS image;

    RETURN CASE WHEN of_last_word > 7 * of_rest THEN rest ELSE whole END;
END
$$;

CREATE TABLE image_words (
    created_at timestamptz NOT NULL,
    image_id uuid NOT NULL,
    words tsvector NOT NULL,
    PRIMARY KEY (created_at, image_id)
);

COMMENT ON FUNCTION images_fold(text) IS
    'A text without accents and in lower case, for words that are stored and for words that are asked.';

COMMENT ON FUNCTION images_words(text, boolean) IS
    'The words of a text, in their order. is_asked: NULL for the last character of a text without blanks, because the '
    'pair before it says the same.';

COMMENT ON FUNCTION images_vector(text) IS
    'The words of a text with their places, and numbers also without the zeros before them.';

COMMENT ON FUNCTION images_word_document(text, text, text, text[], text) IS
    'What an image is found by: its words, weighted A title, B tags, C filename, D description, and its terms.';

COMMENT ON FUNCTION images_word_query(text[], text, text) IS
    'What finds the images with all the terms and the words: phrases in quotes, `or`, and `-` to exclude. The last word '
    'is the beginning of a word. NULL, which finds none, for words that are none; words may be NULL. part: whole; rest, '
    'without the last word if something else is asked too; last, only the last word.';

COMMENT ON FUNCTION images_index_query(text[], text, tsquery) IS
    'What the index of image_words is asked for: the whole query, or all but its last word if that begins many more '
    'words than the rest finds. The index reads all of these words first: 0.14 us for each. To check an image takes '
    '1 us. 200 images of all times tell how many there are. The query checks the whole for each image.';

COMMENT ON TABLE image_words IS
    'The words of each image. Kept by the triggers of images, made of nothing but images.';

COMMENT ON COLUMN image_words.created_at IS
    'That of the image: with image_id the order of every list.';

COMMENT ON COLUMN image_words.image_id IS
    'images.id.';

COMMENT ON COLUMN image_words.words IS
    'images_word_document(title, description, filename, tags, content_type).';

COMMENT ON INDEX image_words_pkey IS
    'The newest and the oldest images, and the words of one image: list_images_by_words and the lists by filters.';
