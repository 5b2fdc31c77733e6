-- Drops the table, its indexes and every row in it.
--
-- loses: every row of images (the bytes stay in the object store)
-- rows to lose: SELECT count(*) FROM images
-- Locks: ACCESS EXCLUSIVE on images until its files are unlinked; requests fail from then on, there is no table.
-- Cost:  a few milliseconds a gigabyte. A table that was adopted from create_all() goes as well: to return to the
--        former service, roll back down to 0002 and stop there; the table is then as that service knows it.

DROP TABLE images;
