-- Lists the images under their tags as they are written, after the rollback of 0077 has restored the function. A VACUUM
-- needs no rollback.
--
-- loses: nothing
-- Locks: FOR SHARE on a thousand images at a time, for less than 100 ms. These images can be read, but not edited or
--        deleted.
-- Cost:  as 0073. If it is interrupted, the next `yoyo rollback` starts from the beginning, and skips the terms that exist.
-- transactional: false

DO $$
DECLARE
    last_created_at timestamptz := '-infinity';
    last_id uuid := '00000000-0000-0000-0000-000000000000';
BEGIN
    LOOP
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

        terms AS (
            INSERT INTO image_terms (term, created_at, image_id)
            SELECT listed.term, changed.created_at, changed.id
            FROM changed
            CROSS JOIN LATERAL unnest(images_terms(changed.tags, changed.content_type)) AS listed (term)
            ON CONFLICT DO NOTHING
        ),

        words AS (
            INSERT INTO image_words (created_at, image_id, words)
            SELECT created_at, id, images_word_document(title, description, filename, tags, content_type)
            FROM changed
            ON CONFLICT (created_at, image_id) DO UPDATE
            SET words = EXCLUDED.words
            WHERE image_words.words <> EXCLUDED.words
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
