-- Fills sha256 and storage_key again, after the rollback of 0049 has added them. A VACUUM needs no rollback.
--
-- loses: nothing
-- Locks: FOR UPDATE on a thousand images at a time, for about 60 ms. These images can be read, but not edited or deleted.
-- Cost:  61 s and 217 MB of WAL for 200,000 images, on two cores with ten other processes. It leaves dead rows, as 0041.
--        If it is interrupted, the next `yoyo rollback` starts from the beginning, skips the rows that are filled, and
--        continues.
-- transactional: false

DO $$
DECLARE
    last_created_at timestamptz := '-infinity';
    last_id uuid := '00000000-0000-0000-0000-000000000000';
BEGIN
    LOOP
        WITH batch AS MATERIALIZED (
            SELECT id, created_at
            FROM images
            WHERE (created_at, id) > (last_created_at, last_id)
            ORDER BY created_at, id
            LIMIT 1000
            FOR UPDATE
        ),

        filled AS (
            UPDATE images
            SET
                sha256 = images_sha256_text(images.content_sha256),
                storage_key = images_storage_key(images.content_sha256, images.own_key)
            FROM batch
            WHERE images.id = batch.id
                AND images.sha256 IS NULL
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
