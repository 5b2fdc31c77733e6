-- Resets the settings of autovacuum for images and image_terms.
--
-- loses: nothing
-- Locks: SHARE UPDATE EXCLUSIVE on both tables for a catalog change: reads and writes continue.
-- Cost:  none.

ALTER TABLE image_terms RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_insert_scale_factor);

ALTER TABLE images RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_insert_scale_factor);
