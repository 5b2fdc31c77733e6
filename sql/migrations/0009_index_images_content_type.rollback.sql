-- Drops the index of the list of one media type. That list reads past images of other types from here on.
--
-- loses: nothing
-- Locks: SHARE UPDATE EXCLUSIVE on images; it waits for the transactions that may still use the index.
-- Cost:  no scan. IF EXISTS, so that it may be repeated when it was interrupted halfway.
-- transactional: false

DROP INDEX CONCURRENTLY IF EXISTS images_content_type_created_at_id_idx;
