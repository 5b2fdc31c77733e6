-- Takes the `=` of the terms away, after the rollback of 0083 has restored the function. A VACUUM needs no rollback.
--
-- loses: nothing
-- Locks: a thousand rows of image_words at a time, for less than 100 ms. They can be read. An edit or a DELETE of one
--        of their images waits that long.
-- Cost:  as 0084. If it is interrupted, the next `yoyo rollback` starts from the beginning, and skips the rows
--        without `=`.
-- transactional: false

DO $$
DECLARE
    last_created_at timestamptz := '-infinity';
    last_id uuid := '00000000-0000-0000-0000-000000000000';
BEGIN
    LOOP
        WITH batch AS MATERIALIZED (
            SELECT created_at, image_id
            FROM image_words
            WHERE (created_at, image_id) > (last_created_at, last_id)
            ORDER BY created_at, image_id
            LIMIT 1000
            FOR UPDATE
        ),

        written AS (
            UPDATE image_words
            SET words = (
                SELECT ts_delete(image_words.words, array_agg(term)) || array_to_tsvector(array_agg(substr(term, 2)))
                FROM unnest(tsvector_to_array(image_words.words)) AS term
                WHERE left(term, 1) = '='
            )
            FROM batch
            WHERE image_words.created_at = batch.created_at
                AND image_words.image_id = batch.image_id
                AND EXISTS (
                    SELECT
                    FROM unnest(tsvector_to_array(image_words.words)) AS term
                    WHERE left(term, 1) = '='
                )
        )

        SELECT created_at, image_id
        INTO last_created_at, last_id
        FROM batch
        ORDER BY created_at DESC, image_id DESC
        LIMIT 1;

        EXIT WHEN NOT FOUND;
        COMMIT;
    END LOOP;
END
$$;
