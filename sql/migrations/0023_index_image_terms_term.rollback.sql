-- Drops the index of the tags in use. From here on the list of tags reads and sorts all of image_terms for each tag.
--
-- loses: nothing
-- Locks: SHARE UPDATE EXCLUSIVE on image_terms; it waits for the transactions that may still use the index.
-- Cost:  no scan. IF EXISTS, so that it may be repeated when it was interrupted halfway.
-- transactional: false

DROP INDEX CONCURRENTLY IF EXISTS image_terms_term_idx;
