-- Vacuums images and image_terms after a fiftieth of their rows has changed, instead of a fifth.
--
-- What:  autovacuum_vacuum_scale_factor and autovacuum_vacuum_insert_scale_factor 0.02 of images and image_terms. The
--        pauses of autovacuum stay those of the server.
-- Why:   * The oldest-first list reads past the index entries of removed images until VACUUM removes them. After 28,000
--          removed images, its first page read 12,265 pages, and 26 after VACUUM. On a replica each such page does.
--          Autovacuum waits until a fifth of the images is dead: 20 million of 100 million. Now it waits for 2 million.
--        * The lists by size and name skip images in index entries. If an image is newer than the last VACUUM, they read
--          its page for that. At 100 million images, these were up to 20 million.
--        * Not image_documents: a VACUUM of its GIN index writes each changed page to the WAL in full, and no list needs
--          it. With 0.02 it wrote 217 MB of WAL while 190,000 images were uploaded, and without it 37 MB.
-- Locks: SHARE UPDATE EXCLUSIVE on both tables for a catalog change: reads and writes continue.
-- Cost:  none here. While 190,000 images were uploaded and edited beside 200,000, autovacuum of images took 5.0 s of CPU
--        time instead of 1.0 s. Autovacuum of image_terms took 3.5 s instead of 0.9 s. Both wrote 2 MB more WAL.
-- depends: 0053_set_images_fillfactor

ALTER TABLE images SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.02);

ALTER TABLE image_terms SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.02);
