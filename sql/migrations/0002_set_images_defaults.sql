-- Sets defaults for id, tags, and attributes, so that an INSERT can leave them out.
--
-- What:  defaults for three columns. gen_random_uuid() is built in. uuidv7() would need PostgreSQL 18.
-- Why:   the ORM filled these columns in its own process. Every other client, such as psql, a backfill, or the new
--        release, had to do the same. A default works for all of them.
-- Locks: ACCESS EXCLUSIVE on images for a catalog change: about a millisecond after it is granted.
-- Cost:  no scan and no rewrite, also with ten million rows: a default applies only to new rows.
-- depends: 0001_create_images

ALTER TABLE images
    ALTER COLUMN id SET DEFAULT gen_random_uuid(),
    ALTER COLUMN tags SET DEFAULT '{}',
    ALTER COLUMN attributes SET DEFAULT '{}';
