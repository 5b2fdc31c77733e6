-- Drops the three defaults. From here on the INSERT of a release that leaves these columns out fails.
--
-- loses: nothing
-- Locks: ACCESS EXCLUSIVE on images for a catalog change.
-- Cost:  no scan and no rewrite, also with ten million rows.

ALTER TABLE images
    ALTER COLUMN id DROP DEFAULT,
    ALTER COLUMN tags DROP DEFAULT,
    ALTER COLUMN attributes DROP DEFAULT;
