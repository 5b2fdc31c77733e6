-- Drops the table. The rollback of 0075 has given the images their tags back.
--
-- loses: nothing
-- Locks: none on images.
-- Cost:  none.

DROP TABLE merged_tags;
