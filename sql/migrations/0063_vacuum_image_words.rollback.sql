-- Fills image_documents again, after the rollback of 0065 has made it. A VACUUM needs no rollback.
--
-- loses: nothing
-- Locks: FOR SHARE on a thousand images at a time, for about 60 ms. These images can be read, but not edited or
--        deleted.
-- Cost:  as 0015: 50 to 60 s for a million images. If it is interrupted, the next `yoyo rollback` starts from the
--        beginning, skips the rows that exist, and continues.
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

        documents AS (
            INSERT INTO image_documents (created_at, image_id, document)
            SELECT created_at, id, images_search_document(title, description, filename, tags, content_type)
            FROM batch
            ON CONFLICT DO NOTHING
        )

        SELECT created_at, id
        INTO last_created_at, last_id
        FROM batch
        ORDER BY created_at DESC, id DESC
        LIMIT 1;

        EXIT WHEN NOT FOUND;
        COMMIT;
    END LOOP;

    ANALYZE image_documents;
    COMMIT;
END
$$;
