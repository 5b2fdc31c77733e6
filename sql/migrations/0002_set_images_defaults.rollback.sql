-- Takes the three defaults away again. A release that leaves the columns out of its INSERT fails from here on.
--
-- loses: nothing
-- Locks: ACCESS EXCLUSIVE on images, for the catalogue alone.
-- Cost:  no scan, no rewrite.

ALTER TABLE images
    ALTER COLUMN id DROP DEFAULT,
    ALTER COLUMN tags DROP DEFAULT,
    ALTER COLUMN attributes DROP DEFAULT;
