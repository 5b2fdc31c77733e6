-- Vacuums image_terms. Its rollback lists the images under their tags as they are written.
--
-- What:  VACUUM.
-- Why:   0075 has written images, and their triggers image_terms. The space of dead rows is free for new ones at once.
--        The rollback of 0077 restores a function that has more terms. They are filled beside the traffic, a thousand
--        images a transaction, so that needs a file of its own.
-- Locks: SHARE UPDATE EXCLUSIVE on image_terms: reads and writes continue.
-- Cost:  reads the pages that autovacuum has not vacuumed yet, and then each index once.
-- transactional: false
-- phase: contract
-- depends: 0075_merge_images_tags

VACUUM image_terms;
