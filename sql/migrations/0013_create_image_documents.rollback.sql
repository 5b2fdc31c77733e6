-- Drops the table and its functions. Nothing stands on them any more: 0014, the triggers, was rolled back before.
--
-- loses: nothing (each row follows from images)
-- Locks: none on images; ACCESS EXCLUSIVE on image_documents, which nothing reads by now.
-- Cost:  none.

DROP TABLE image_documents;

DROP FUNCTION images_query(text[], text);

DROP FUNCTION images_search_document(text, text, text, text[], text);
