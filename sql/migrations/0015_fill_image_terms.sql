-- Lists the images that were there before the triggers.
--
-- What:  the rows of image_terms and image_documents for all images, a thousand images a transaction; then statistics.
-- Why:   in one transaction it would hold a lock on every row it had seen until the end. FOR SHARE, because an edit
--        between the reading of a row and the writing of its terms would be undone by it: this way either waits for
--        the other, and what waits sees what the other has done. What a trigger has listed is left as it is.
-- Locks: on each thousand images in turn FOR SHARE, which lets them be read, but not edited or deleted, for some 60 ms.
-- Cost:  50 to 60 s and 1.3 GB of WAL for a million images. It may be repeated: should it be interrupted, the next
--        `yoyo apply` begins anew, passes over what is listed, and goes on.
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
