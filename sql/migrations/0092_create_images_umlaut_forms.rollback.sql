-- Removes the function of 0092. images_word_query() no longer calls it.
--
-- loses: nothing
-- Locks: none.
-- Cost:  none.

DROP FUNCTION images_umlaut_forms(text);
