-- Drops the index of searches by words. From here on a search that few images match reads the words of all.
--
-- loses: nothing
-- Locks: SHARE UPDATE EXCLUSIVE on image_words. The drop waits for the transactions that may still use the index.
-- Cost:  no scan. With IF EXISTS an interrupted drop can be repeated.
-- transactional: false

DROP INDEX CONCURRENTLY IF EXISTS image_words_words_idx;
