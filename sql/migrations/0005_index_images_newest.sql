-- The index of the newest-first list.
--
-- What:  images (created_at DESC, id DESC).
-- Why:   GET /v1/images pages by (created_at, id): images of one moment need the id as tie-breaker, or a page would
--        skip or repeat some. With both in the index a page at any depth costs the page. The old index has created_at
--        alone; 0006 drops it once this one serves.
-- Locks: SHARE UPDATE EXCLUSIVE on images: reads and writes go on. It waits twice for the transactions that were
--        open when it began, so that a forgotten one holds it up; it holds up nobody.
-- Cost:  two scans of the table, and a sort: 0.7 s and 39 MB for a million rows.
--        It cannot run in a transaction. If it fails it leaves an INVALID index, which costs writes and serves nobody:
--        the next `yoyo apply` drops that and builds anew (under stock yoyo drop it by hand, CONCURRENTLY). IF NOT
--        EXISTS would take it for done.
-- transactional: false
-- depends: 0004_validate_images_checks

CREATE INDEX CONCURRENTLY images_created_at_id_idx ON images (created_at DESC, id DESC);
