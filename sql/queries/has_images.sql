-- has_images: one empty row if the table has an image, for `images wait`: an empty folder as the object store of a table
-- with images is a mistake.
-- Index: images_pkey, one entry.
SELECT
FROM images
ORDER BY id
LIMIT 1;
