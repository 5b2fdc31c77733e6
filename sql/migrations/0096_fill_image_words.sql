-- Marks the images of before that have a word of two alphabets.
--
-- What:  image_words.words, in batches that commit.
-- Why:   the mark follows from the words, so the statement reads no image. It skips the rows that have the mark: the
--        triggers have written those since 0095. The statement reads its range as settings. Stock yoyo sets none, and so
--        writes all rows in one transaction.
-- Locks: the rows of one batch that get a mark, for 50 ms. They can be read. An edit or a DELETE of one of their images
--        waits that long.
-- Cost:  5.5 s for a million images without such a word. An image with one takes 0.1 ms more, and up to 14 kB of WAL.
-- backfill: image_words
-- depends: 0095_replace_images_word_document

UPDATE image_words
SET words = words || images_mixed_mark(words)
WHERE (created_at, image_id) BETWEEN (
    COALESCE(NULLIF(current_setting('backfill.p1', true), ''), '-infinity')::timestamptz,
    COALESCE(NULLIF(current_setting('backfill.p2', true), ''), '00000000-0000-0000-0000-000000000000')::uuid
) AND (
    COALESCE(NULLIF(current_setting('backfill.p3', true), ''), 'infinity')::timestamptz,
    COALESCE(NULLIF(current_setting('backfill.p4', true), ''), 'ffffffff-ffff-ffff-ffff-ffffffffffff')::uuid
)
    AND images_mixed_mark(words) <> ''
    AND NOT words @@ '''=mixed''';
