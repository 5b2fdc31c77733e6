-- Drops the function. The release before does not call it.
--
-- loses: nothing
-- Locks: none.
-- Cost:  none.

DROP FUNCTION images_index_queries(text[], text, tsquery);
