-- Fills image_terms and image_documents with the images that were there before the triggers.
--
-- What:  the rows of both tables for all images, a thousand images a transaction, and then statistics.
-- Why:   one transaction for all would hold a lock on every row until the end. FOR SHARE, because otherwise an edit
--        between the reading of a row and the writing of its terms would be lost. With it each waits for the other, and
--        the one that waited sees the other's result. Rows that a trigger has written are kept.
-- Locks: FOR SHARE on a thousand images at a time, for about 60 ms. These images can be read, but not edited or
--        deleted.
-- Cost:  50 to 60 s and 1.3 GB of WAL for a million images. For ten million expect ten minutes. If it is interrupted,
--        the next `yoyo apply` starts from the beginning, skips the rows that exist, and continues.
-- transactional: false
-- depends: 0014_create_images_triggers

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
        ),

        terms AS (
            INSERT INTO image_terms (term, created_at, image_id)
            SELECT term, created_at, id
            FROM batch
            CROSS JOIN LATERAL unnest(images_terms(tags, content_type)) AS term
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

    ANALYZE image_terms;
    ANALYZE image_documents;
    COMMIT;
END
$$;
