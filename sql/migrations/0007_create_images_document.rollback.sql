-- Drops the function. Nothing stands on it any more: 0008, the index, was rolled back before.
--
-- loses: nothing
-- Locks: none on images.
-- Cost:  none.

DROP FUNCTION images_document(text, text, text, text[]);
