-- orphaned_documents.repair: deletes the rows of image_documents that are of no image, in a range of them.
-- There is no image to lock. A session that is inserting the image keeps such a row, and its image cannot be seen yet.
-- So the table is locked: no session writes images while the rows are deleted. Parameters and indexes: as in
-- orphaned_documents.
LOCK TABLE images IN SHARE MODE;

DELETE FROM image_documents
WHERE (created_at, image_id) BETWEEN ($1, $2) AND ($3, $4)
    AND (
        SELECT images.id
        FROM images
        WHERE images.id = image_documents.image_id
            AND images.created_at = image_documents.created_at
    ) IS NULL;
