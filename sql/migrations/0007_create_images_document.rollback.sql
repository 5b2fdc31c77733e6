-- Drops the function. Its index is gone by then: the rollback of 0008 ran before.
--
-- loses: nothing
-- Locks: none on images.
-- Cost:  none.

DROP FUNCTION images_document(text, text, text, text[]);
