-- Drops the trigger and its function. From then on content_sha256 is out of date, and 0041 has to fill it again.
--
-- loses: nothing
-- Locks: ACCESS EXCLUSIVE on images until the commit, for a catalog change: reads and writes wait that long.
-- Cost:  none.

DROP TRIGGER images_keep_content ON images;

DROP FUNCTION images_keep_content();
