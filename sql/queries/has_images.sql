-- has_images: returns one empty row if the table has an image. It is for `images wait`: if the table has images, an empty
-- folder as the object store is a mistake.
-- Index: images_pkey, one entry.
SELECT
FROM images
ORDER BY id
LIMIT 1;
