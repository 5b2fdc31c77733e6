-- Drops the table. The rollback of 0075 has given the images their tags back.
--
-- loses: nothing (the images have these tags again)
-- Locks: none on images.
-- Cost:  none.

DROP TABLE merged_tags;
