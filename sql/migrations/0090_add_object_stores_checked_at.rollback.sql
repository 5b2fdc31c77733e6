-- Drops the time of the last `images objects check`. The next check has no place for it, and still reports what it finds.
--
-- loses: nothing (the next check writes the time again)
-- Locks: ACCESS EXCLUSIVE on object_stores for a catalog change: a few milliseconds after it is granted.
-- Cost:  none.

ALTER TABLE object_stores DROP COLUMN checked_at;
