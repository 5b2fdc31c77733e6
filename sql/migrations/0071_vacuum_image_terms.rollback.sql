-- Deletes the terms of the keys, after the rollback of 0072 has restored the function. A VACUUM needs no rollback.
--
-- loses: nothing
-- Locks: FOR SHARE on a thousand images at a time, for less than 100 ms. These images can be read, but not edited or
--        deleted.
-- Cost:  reads all images once. If it is interrupted, the next `yoyo rollback` starts from the beginning.
-- transactional: false

DO $$
DECLARE
    last_created_at timestamptz := '-infinity';
    last_id uuid := '00000000-0000-0000-0000-000000000000';
BEGIN
    LOOP
        -- allow: many-rows-write because it deletes the terms of a thousand images
        WITH batch AS MATERIALIZED (
            SELECT id, created_at, title, description, filename, tags, content_type
            FROM images
            WHERE (created_at, id) > (last_created_at, last_id)
            ORDER BY created_at, id
            LIMIT 1000
            FOR SHARE
        ),

        changed AS MATERIALIZED (
            SELECT *
            FROM batch
            WHERE EXISTS (SELECT FROM unnest(tags) AS tag WHERE images_tag_key(tag) <> tag)
        ),

        words AS (
            INSERT INTO image_words (created_at, image_id, words)
            SELECT created_at, id, images_word_document(title, description, filename, tags, content_type)
            FROM changed
            ON CONFLICT (created_at, image_id) DO UPDATE
            SET words = EXCLUDED.words
        ),

        surplus (term, created_at, id) AS MATERIALIZED (
            SELECT 'tag:' || images_tag_key(tag), created_at, id
            FROM changed
            CROSS JOIN LATERAL unnest(tags) AS tag
            WHERE 'tag:' || images_tag_key(tag) <> ALL (images_terms(tags, content_type))
        ),

        terms AS (
            DELETE FROM image_terms
            USING surplus
            WHERE image_terms.term = surplus.term
                AND image_terms.created_at = surplus.created_at
                AND image_terms.image_id = surplus.id
        )

        SELECT created_at, id
        INTO last_created_at, last_id
        FROM batch
        ORDER BY created_at DESC, id DESC
        LIMIT 1;

        EXIT WHEN NOT FOUND;
        COMMIT;
    END LOOP;
END
$$;
