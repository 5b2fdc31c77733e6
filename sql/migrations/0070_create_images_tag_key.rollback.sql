-- Drops both functions.
--
-- loses: nothing
-- Locks: none.
-- Cost:  none.

DROP FUNCTION images_merge_tags(text[], text[]);

DROP FUNCTION images_tag_key(text);
