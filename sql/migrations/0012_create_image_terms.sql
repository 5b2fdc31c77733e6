-- Creates the table for lists by tag and by media type: the images of each term, in the order of every list.
--
-- What:  the table image_terms, with one row for each tag and media type of each image, and the function
--        that returns these terms. The table is empty: the triggers of 0014 maintain it, and 0015 fills it.
-- Why:   GIN finds the images with a tag, but in no order. To show the newest page, PostgreSQL has to read and sort
--        them all, or to walk the list past all images without the tag. With this table, a page of any term at any
--        depth reads as many entries of the primary key as the page has images.
--        * No foreign key to images: it would need an index by image_id, as large as the table. A trigger does the same
--          with the primary key.
--        * `tag:` and `type:` separate the tag "image/png" from the media type, and both from the words of 0013.
--        * No client can ask for a tag of more than 100 characters. An adopted row may have one too long for an index.
--        * PL/pgSQL, which plans once a session. A function in SQL would be planned for each call, because it contains
--          a SELECT.
-- Locks: none on images.
-- Cost:  none yet. With 1.9 tags an image: 190 MB and an index of 160 MB for a million images, and ten times that for
--        ten million.
-- depends: 0011_comment_images

CREATE FUNCTION images_terms(tags text[], content_type text)
RETURNS text[]
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
AS $$
BEGIN
    RETURN ARRAY(SELECT DISTINCT 'tag:' || tag FROM unnest(tags) AS tag WHERE char_length(tag) <= 100)
        || ('type:' || content_type);
END
$$;

CREATE TABLE image_terms (
    term text NOT NULL,
    created_at timestamptz NOT NULL,
    image_id uuid NOT NULL,
    PRIMARY KEY (term, created_at, image_id)
);

COMMENT ON FUNCTION images_terms(text[], text) IS
    'What an image is listed under: tag:... for each tag, type:... for the media type.';

COMMENT ON TABLE image_terms IS
    'Each image once under each of its terms. Kept by the triggers of images, made of nothing but images.';

COMMENT ON COLUMN image_terms.term IS
    'tag:... or type:..., as images_terms(tags, content_type) has it.';

COMMENT ON COLUMN image_terms.created_at IS
    'That of the image: with image_id the order of every list.';

COMMENT ON COLUMN image_terms.image_id IS
    'images.id.';

COMMENT ON INDEX image_terms_pkey IS
    'The newest-first list of a term, read backwards: list_images_by_terms.';
