-- Drops the table and its function. Nothing stands on them any more: 0014, the triggers, was rolled back before.
--
-- loses: nothing (each row follows from images)
-- Locks: none on images; ACCESS EXCLUSIVE on image_terms, which nothing reads by now.
-- Cost:  none.

DROP TABLE image_terms;

DROP FUNCTION images_terms(text[], text);
