-- Drops image_documents and its functions.
--
-- What:  one table and three functions.
-- Why:   image_words has what it has, and no release that runs now reads it.
-- Locks: ACCESS EXCLUSIVE on image_documents, which no query reads. None on images.
-- Cost:  the same for any number of rows. Its space, 320 MB for a million images, is free at once.
-- phase: contract
-- depends: 0064_replace_images_trigger_functions

-- allow: drop-loses because each row follows from images, and the rollback of 0063 fills them again
DROP TABLE image_documents;

DROP FUNCTION images_query(text[], text);

DROP FUNCTION images_search_document(text, text, text, text[], text);

DROP FUNCTION images_document(text, text, text, text[]);
