-- Creates the index of searches by words.
--
-- What:  GIN over image_words.words.
-- Why:   WHERE words @@ '...' then reads only the images that match, for any mix of words, tags, and type. Without
--        fastupdate, for the reasons of 0016.
-- Locks: SHARE UPDATE EXCLUSIVE on image_words: reads and writes continue, of images too. The build waits twice for
--        transactions that are open already.
-- Cost:  two scans of image_words: 16 s, 19 MB and 12 MB of WAL for 200,000 images, on the same machine. All grows with
--        the number of images. If it fails, see 0005.
-- transactional: false
-- depends: 0060_fill_image_words

CREATE INDEX CONCURRENTLY image_words_words_idx ON image_words
USING gin (words)
WITH (fastupdate = off);
