-- Replaces images_terms(): an image is also listed under the keys of its tags.
--
-- What:  the function of 0012, with two terms for a tag that differs from its key: tag:Beach and tag:beach.
-- Why:   the release of before asks for the tag as it is written, and the next one for its key. A tag in lower case is
--        its own key, so it has one term, as before.
-- Locks: none. A running statement ends with the function that it has.
-- Cost:  none here, also with ten million rows. From now on an image has one row more in image_terms for each tag that
--        differs from its key. 2 us of CPU for each tag of an image that is written.
-- depends: 0071_vacuum_image_terms

-- allow: function-results because it returns the terms of before too, and 0073 fills those that it adds
CREATE OR REPLACE FUNCTION images_terms(tags text[], content_type text)
RETURNS text[]
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
AS $$
BEGIN
    RETURN ARRAY(
        SELECT DISTINCT 'tag:' || listed.term
        FROM unnest(tags) AS tag
        CROSS JOIN LATERAL (VALUES (tag), (NULLIF(images_tag_key(tag), ''))) AS listed (term)
        WHERE char_length(tag) <= 100
            AND listed.term IS NOT NULL
    ) || ('type:' || content_type);
END
$$;

COMMENT ON FUNCTION images_terms(text[], text) IS
    'What an image is listed under: tag:... for each tag and for its key, type:... for the media type.';
