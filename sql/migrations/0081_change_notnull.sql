-- Requires a description.
--
-- What:  Requires a description.
-- Why:   a trial.
-- Locks: ACCESS EXCLUSIVE on images.
-- Cost:  unknown.
-- depends: 0080_replace_images_word_query

UPDATE images SET description = '' WHERE description IS NULL;
ALTER TABLE images ALTER COLUMN description SET NOT NULL;
