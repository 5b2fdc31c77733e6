-- Drops the function. images_word_query() does not call it any longer: the rollback of 0088 ran before.
--
-- loses: nothing
-- Locks: none.
-- Cost:  none.

DROP FUNCTION images_number_forms(text);
