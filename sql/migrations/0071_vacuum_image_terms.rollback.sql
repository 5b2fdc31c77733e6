-- Deletes the terms of the keys, after the rollback of 0072 has restored the function. A VACUUM needs no rollback.
--
-- It reads the images for their words, and then image_terms. So it also finds the terms of images that were edited or
-- deleted after the rollback of 0072. The restored function does not know the keys of their former tags.
--
-- loses: nothing
-- Locks: FOR SHARE on the images of a thousand rows at a time, for less than 100 ms. These images can be read, but not
--        edited or deleted.
-- Cost:  reads all images, and all of image_terms with the image of each row. If it is interrupted, the next
--        `yoyo rollback` starts from the beginning.
-- transactional: false

DO $$
DECLARE
    last_term text := '';
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

        words AS (
            INSERT INTO image_words (created_at, image_id, words)
            SELECT created_at, id, images_word_document(title, description, filename, tags, content_type)
            FROM batch
            WHERE EXISTS (SELECT FROM unnest(tags) AS tag WHERE images_tag_key(tag) <> tag)
            ON CONFLICT (created_at, image_id) DO UPDATE
            SET words = EXCLUDED.words
        )

        SELECT created_at, id
        INTO last_created_at, last_id
        FROM batch
        ORDER BY created_at DESC, id DESC
        LIMIT 1;

        EXIT WHEN NOT FOUND;
        COMMIT;
    END LOOP;

    last_created_at := '-infinity';
    last_id := '00000000-0000-0000-0000-000000000000';
    LOOP
        -- allow: many-rows-write because it deletes from a thousand rows
        WITH batch AS MATERIALIZED (
            SELECT term, created_at, image_id
            FROM image_terms
            WHERE (term, created_at, image_id) > (last_term, last_created_at, last_id)
            ORDER BY term, created_at, image_id
            LIMIT 1000
        ),

        surplus AS MATERIALIZED (
            SELECT batch.term, batch.created_at, batch.image_id
            FROM batch
            JOIN images ON images.id = batch.image_id AND images.created_at = batch.created_at
            WHERE batch.term <> ALL (images_terms(images.tags, images.content_type))
            ORDER BY images.created_at, images.id
            FOR SHARE OF images
        ),

        orphaned AS MATERIALIZED (
            SELECT term, created_at, image_id
            FROM batch
            WHERE NOT EXISTS (
                SELECT
                FROM images
                WHERE images.id = batch.image_id
                    AND images.created_at = batch.created_at
            )
        ),

        terms AS (
            DELETE FROM image_terms
            USING (TABLE surplus UNION ALL TABLE orphaned) AS gone
            WHERE image_terms.term = gone.term
                AND image_terms.created_at = gone.created_at
                AND image_terms.image_id = gone.image_id
        )

        SELECT term, created_at, image_id
        INTO last_term, last_created_at, last_id
        FROM batch
        ORDER BY term DESC, created_at DESC, image_id DESC
        LIMIT 1;

        EXIT WHEN NOT FOUND;
        COMMIT;
    END LOOP;
END
$$;
