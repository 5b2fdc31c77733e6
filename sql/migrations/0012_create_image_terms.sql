-- Where lists by tag and by media type will be read from: each term's images, in the order of every list.
--
-- What:  the table image_terms, one row for each tag and for the media type of each image, and the function that tells
--        which terms those are. Empty yet: 0014 keeps it, 0015 fills it.
-- Why:   GIN finds the images with a tag, but in no order: a page of the newest means to read and sort them all, or to
--        walk the list past all that lack the tag. Here a page of any term, at any depth, is as many entries of the
--        primary key as the page has images.
--        * No foreign key to images: it would want an index by image_id, as large as the table, to do what a trigger
--          does with the primary key.
--        * `tag:` and `type:` keep the tag "image/png" and the media type apart, and the words of 0013.
--        * No client can ask for a tag of more than 100 characters; an adopted row may have one too long for an index.
--        * PL/pgSQL, which plans once a session: in SQL it would be planned for each call, since it has a SELECT in it.
-- Locks: none on images.
-- Cost:  none yet. With 1.9 tags an image: 190 MB and an index of 160 MB for a million images.
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
