-- Drops the table and its functions. The triggers that used them are gone by then: the rollback of 0014 ran before.
--
-- loses: nothing (each row follows from images)
-- Locks: none on images. ACCESS EXCLUSIVE on image_documents, which no query reads by then.
-- Cost:  none.

DROP TABLE image_documents;

DROP FUNCTION images_query(text[], text);

DROP FUNCTION images_search_document(text, text, text, text[], text);
