-- Drops the table and its functions. The triggers do not write it by then: the rollback of 0059 ran before.
--
-- loses: nothing (each row follows from images)
-- Locks: none on images. ACCESS EXCLUSIVE on image_words, which no query reads by then.
-- Cost:  none.

DROP TABLE image_words;

DROP FUNCTION images_index_query(text[], text, tsquery);

DROP FUNCTION images_word_query(text[], text, text);

DROP FUNCTION images_word_document(text, text, text, text[], text);

DROP FUNCTION images_vector(text);

DROP FUNCTION images_words(text, boolean);

DROP FUNCTION images_fold(text);
