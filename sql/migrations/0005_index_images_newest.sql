-- Creates the index of the newest-first list.
--
-- What:  images (created_at DESC, id DESC).
-- Why:   GET /v1/images pages by (created_at, id). Images of the same moment need the id as tie-breaker: otherwise a
--        page would skip or repeat some. With both columns in the index, the cost of a page does not depend on its
--        depth. The old index has only created_at. 0006 drops it when this index is there.
-- Locks: SHARE UPDATE EXCLUSIVE on images: reads and writes continue. The build waits twice for the transactions that
--        were open when it began. A forgotten transaction delays the build, and the build delays no other session.
-- Cost:  two scans of the table, and a sort: 0.7 s and 39 MB for a million rows. For ten million rows expect about ten
--        times as much. It cannot run in a transaction. If it fails, it leaves an INVALID index, which slows writes and
--        is not used. The next `yoyo apply` drops that index and builds it again. Under stock yoyo, drop it by hand,
--        CONCURRENTLY. IF NOT EXISTS would take the INVALID index for the finished one.
-- transactional: false
-- depends: 0004_validate_images_checks

CREATE INDEX CONCURRENTLY images_created_at_id_idx ON images (created_at DESC, id DESC);
