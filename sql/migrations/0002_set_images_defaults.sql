-- Lets PostgreSQL fill in id, tags and attributes when an INSERT leaves them out.
--
-- What:  defaults for three columns. gen_random_uuid() is built in; uuidv7() would need PostgreSQL 18.
-- Why:   the ORM filled them in its own process, so every other client (psql, a backfill, the new release) had to
--        know how. A default is known to all of them.
-- Locks: ACCESS EXCLUSIVE on images, for the catalogue alone: about a millisecond once it is granted.
-- Cost:  no scan, no rewrite, whatever the number of rows: a default concerns rows to come.
-- depends: 0001_create_images

ALTER TABLE images
    ALTER COLUMN id SET DEFAULT gen_random_uuid(),
    ALTER COLUMN tags SET DEFAULT '{}',
    ALTER COLUMN attributes SET DEFAULT '{}';
