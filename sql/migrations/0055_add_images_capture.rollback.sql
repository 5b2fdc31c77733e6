-- Drops the columns. A release that uses them then fails.
--
-- loses: the capture metadata, positions, colors and ThumbHashes (the bytes of the images have them)
-- rows to lose: SELECT count(*) FROM images WHERE num_nonnulls(capture, captured_at, location, color, thumbhash) > 0
-- Locks: ACCESS EXCLUSIVE on images for a catalog change: a few milliseconds after it is granted.
-- Cost:  the same for any number of rows.

ALTER TABLE images
    DROP COLUMN thumbhash,
    DROP COLUMN color,
    DROP COLUMN location,
    DROP COLUMN captured_at,
    DROP COLUMN capture;
