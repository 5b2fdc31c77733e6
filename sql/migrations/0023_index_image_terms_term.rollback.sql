-- Drops the index of the tags. From here on the list of tags reads and sorts all of image_terms for each tag.
--
-- loses: nothing
-- Locks: SHARE UPDATE EXCLUSIVE on image_terms. The drop waits for the transactions that may still use the index.
-- Cost:  no scan. With IF EXISTS an interrupted drop can be repeated.
-- transactional: false

DROP INDEX CONCURRENTLY IF EXISTS image_terms_term_idx;
