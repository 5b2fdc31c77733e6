-- Drops the triggers and their functions. From then on the two tables are out of date, and 0015 has to fill them again.
--
-- loses: nothing
-- Locks: ACCESS EXCLUSIVE on images until the commit, for a catalog change: reads and writes wait that long.
-- Cost:  none.

DROP TRIGGER images_list_truncated ON images;

DROP TRIGGER images_list_deleted ON images;

DROP TRIGGER images_list_updated ON images;

DROP TRIGGER images_list_inserted ON images;

DROP FUNCTION images_list_truncated();

DROP FUNCTION images_list_deleted();

DROP FUNCTION images_list_updated();

DROP FUNCTION images_list_inserted();
