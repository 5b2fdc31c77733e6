-- Vacuums image_words, before 0084 writes its rows. Its rollback takes the `=` away.
--
-- What:  VACUUM.
-- Why:   the space of dead rows is free for those that 0084 writes. The rollback of 0083 restores a function that
--        writes the terms without `=`. The rows of before are written again beside the traffic, a thousand a
--        transaction, so that needs a file of its own.
-- Locks: SHARE UPDATE EXCLUSIVE on image_words: reads and writes continue.
-- Cost:  reads the pages that autovacuum has not vacuumed yet, and then each index once.
-- transactional: false
-- depends: 0081_replace_images_word_query

VACUUM image_words;
