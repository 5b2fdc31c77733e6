-- Deletes the terms of tags as they are written.
--
-- What:  the rows of image_terms whose tag is not a key, in batches that commit.
-- Why:   no release that runs now asks for them, and the triggers no longer write them. GET /v1/tags walks over them, so
--        until then its pages can have fewer tags than the client asks for. The statement reads its range as settings.
--        Stock yoyo sets none, and so deletes all of them in one transaction. Each term is before `u`.
-- Locks: the rows of one batch, for 50 ms. An edit or a DELETE of an image of them waits that long.
-- Cost:  6.5 s for 708,000 rows, of which it deletes 127,000, on two cores with 13 other processes.
-- backfill: image_terms
-- phase: contract
-- depends: 0077_replace_images_terms

DELETE FROM image_terms
WHERE (term, created_at, image_id) BETWEEN (
    COALESCE(NULLIF(current_setting('backfill.p1', true), ''), '')::text,
    COALESCE(NULLIF(current_setting('backfill.p2', true), ''), '-infinity')::timestamptz,
    COALESCE(NULLIF(current_setting('backfill.p3', true), ''), '00000000-0000-0000-0000-000000000000')::uuid
) AND (
    COALESCE(NULLIF(current_setting('backfill.p4', true), ''), 'u')::text,
    COALESCE(NULLIF(current_setting('backfill.p5', true), ''), 'infinity')::timestamptz,
    COALESCE(NULLIF(current_setting('backfill.p6', true), ''), 'ffffffff-ffff-ffff-ffff-ffffffffffff')::uuid
)
    AND left(term, 4) = 'tag:'
    AND images_tag_key(substr(term, 5)) <> substr(term, 5);
