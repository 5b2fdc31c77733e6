-- Builds the index of the list by the time of capture.
--
-- What:  images (captured_at, created_at, id), in which an image without captured_at counts as infinitely old.
-- Why:   GET /v1/images?sort=captured walks it backwards: the images that were taken last, and then those without a time of
--        capture, newest first. GET /v1/timeline jumps through it from month to month. An image without a time is the last
--        entry of its part, as in images_created_at_id_idx, so its insertion finds its page in memory.
-- Locks: SHARE UPDATE EXCLUSIVE on images: reads and writes continue. The build waits twice for transactions that are
--        open already.
-- Cost:  two scans of the table, and a sort: as 0050 for as many rows, with entries of 40 bytes in place of 32. If it fails,
--        see 0005.
-- transactional: false
-- depends: 0061_index_image_words

CREATE INDEX CONCURRENTLY images_captured_at_created_at_id_idx ON images (
    COALESCE(captured_at, '-infinity'::timestamptz),
    created_at,
    id
);
