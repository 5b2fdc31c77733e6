-- Undoes it.
--
-- loses: nothing
-- Locks: ACCESS EXCLUSIVE on images.
-- Cost:  unknown.

ALTER TABLE images ALTER COLUMN description DROP NOT NULL;
