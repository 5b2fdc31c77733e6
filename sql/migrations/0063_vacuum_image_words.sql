-- Vacuums image_words. Its rollback fills image_documents again.
--
-- What:  VACUUM.
-- Why:   0060 has filled the table, and images were edited meanwhile. The space of dead rows is free for new ones at
--        once. The rollback of 0065 makes image_documents without rows. They are filled beside the traffic, a thousand
--        images a transaction, so that needs a file of its own.
-- Locks: SHARE UPDATE EXCLUSIVE on image_words: reads and writes continue.
-- Cost:  reads the pages that autovacuum has not vacuumed yet, and then each index once.
-- transactional: false
-- phase: contract
-- depends: 0062_drop_image_documents_index

VACUUM image_words;
