-- Vacuums image_terms, before 0073 adds terms to it. Its rollback deletes the terms of the keys.
--
-- What:  VACUUM.
-- Why:   the space of dead rows is free for the terms that 0073 adds. The rollback of 0072 restores a function that does
--        not have these terms. They are deleted beside the traffic, a thousand images a transaction, so that needs a
--        file of its own.
-- Locks: SHARE UPDATE EXCLUSIVE on image_terms: reads and writes continue.
-- Cost:  reads the pages that autovacuum has not vacuumed yet, and then each index once.
-- transactional: false
-- depends: 0070_create_images_tag_key

VACUUM image_terms;
