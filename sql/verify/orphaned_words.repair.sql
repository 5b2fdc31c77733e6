-- orphaned_words.repair: deletes the rows of image_words that are of no image, in a range of them.
-- There is no image to lock. A session that is inserting the image keeps such a row, and its image cannot be seen yet.
-- So the table is locked: no session writes images while the rows are deleted. Parameters and indexes: as in
-- orphaned_words.
LOCK TABLE images IN SHARE MODE;

DELETE FROM image_words
WHERE (created_at, image_id) BETWEEN ($1, $2) AND ($3, $4)
    AND (
        SELECT images.id
        FROM images
        WHERE images.id = image_words.image_id
            AND images.created_at = image_words.created_at
    ) IS NULL;
