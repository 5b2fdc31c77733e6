-- Resets the fillfactor of images.
--
-- loses: nothing
-- Locks: SHARE UPDATE EXCLUSIVE on images for a catalog change: reads and writes continue.
-- Cost:  none. The free space of present pages stays until rows use it.

ALTER TABLE images RESET (fillfactor);
