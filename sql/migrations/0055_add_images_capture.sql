-- Adds what the bytes of an image tell: how, when and where it was taken, and what to paint before its thumbnail.
--
-- What:  five columns, all NULL in present rows. An upload fills them. `images backfill capture` fills them in others.
-- Why:   * capture is an object for people: cameras, lenses, captions. captured_at is for sorting and filters.
--        * location stands apart from capture, because LOCATION can hide it, or keep it out.
--        * The release before does not read the columns. An image that it stores has NULL, as one from before.
-- Locks: ACCESS EXCLUSIVE on images for a catalog change: a few milliseconds after it is granted.
-- Cost:  the same for any number of rows. No rewrite and no scan, because the columns are NULL in present rows.
-- depends: 0054_set_images_autovacuum

ALTER TABLE images
    ADD COLUMN capture jsonb,
    ADD COLUMN captured_at timestamptz,
    ADD COLUMN location jsonb,
    ADD COLUMN color text,
    ADD COLUMN thumbhash bytea;

COMMENT ON COLUMN images.capture IS
    'How the picture was taken, by its EXIF, XMP and IPTC; {}: they say nothing; NULL: they have not been read.';

COMMENT ON COLUMN images.captured_at IS
    'captured_at of capture. If the file does not say its offset from UTC, this is its local time as if it were UTC.';

COMMENT ON COLUMN images.location IS
    'The position of the camera: latitude and longitude in degrees, altitude_m in meters; NULL: not known, or LOCATION=strip.';

COMMENT ON COLUMN images.color IS
    'The dominant color as #rrggbb.';

COMMENT ON COLUMN images.thumbhash IS
    'The ThumbHash: some 25 bytes for the lowest frequencies of the picture.';
