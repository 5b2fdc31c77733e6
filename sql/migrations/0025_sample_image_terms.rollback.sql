-- Resets the number of rows that ANALYZE reads to that of any table. The present statistics stay until the next
-- ANALYZE.
--
-- loses: nothing
-- Locks: SHARE UPDATE EXCLUSIVE on image_terms for a catalog change: reads and writes continue.
-- Cost:  none.

ALTER TABLE image_terms ALTER COLUMN term SET STATISTICS -1;
