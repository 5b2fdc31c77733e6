-- Drops the table, its indexes, and every row in it.
--
-- loses: every row of images (the bytes stay in the object store)
-- rows to lose: SELECT count(*) FROM images
-- Locks: ACCESS EXCLUSIVE on images until its files are deleted. From then on requests fail, because there is no table.
-- Cost:  a few milliseconds for each gigabyte. This also drops a table that was adopted from create_all(). To return to
--        the former service, roll back to 0002 and stop there: that service knows the table in that state.

DROP TABLE images;
