-- orphaned_terms.repair: deletes the rows of image_terms that are of no image, in a range of image_terms.
-- There is no image to lock. A session that is inserting the image keeps such a row, and its image cannot be seen yet.
-- So the table is locked: no session writes images while the rows are deleted. Parameters and indexes: as in
-- orphaned_terms.
LOCK TABLE images IN SHARE MODE;

DELETE FROM image_terms
WHERE (term, created_at, image_id) BETWEEN ($1, $2, $3) AND ($4, $5, $6)
    AND (
        SELECT images.id
        FROM images
        WHERE images.id = image_terms.image_id
            AND images.created_at = image_terms.created_at
    ) IS NULL;
