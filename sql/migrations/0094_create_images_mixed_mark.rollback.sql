-- Takes the marks away, after the rollback of 0095 has restored the function that writes none. Then drops the function.
--
-- loses: nothing
-- Locks: the rows of image_words that have a mark, until the commit. They can be read. An edit or a DELETE of one of
--        their images waits that long.
-- Cost:  0.04 s for each 1,000 images that have a mark. Others are not read.

-- allow: many-rows-write because few images have the mark, except in languages that mix two alphabets
UPDATE image_words
SET words = ts_delete(words, '=mixed')
WHERE words @@ '''=mixed''';

DROP FUNCTION images_mixed_mark(tsvector);
