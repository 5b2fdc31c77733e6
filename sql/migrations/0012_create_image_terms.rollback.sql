-- Drops the table and its function. The triggers that used them are gone by then: the rollback of 0014 ran before.
--
-- loses: nothing (each row follows from images)
-- Locks: none on images. ACCESS EXCLUSIVE on image_terms, which no query reads by then.
-- Cost:  none.

DROP TABLE image_terms;

DROP FUNCTION images_terms(text[], text);
