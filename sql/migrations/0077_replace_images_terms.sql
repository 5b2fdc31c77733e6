-- Replaces images_terms(): an image is listed only under the keys of its tags.
--
-- What:  the function of 0072, without the tags as they are written.
-- Why:   no release that runs now asks for them. GET /v1/tags then lists each tag once, under its key.
-- Locks: none. A running statement ends with the function that it has.
-- Cost:  none, also with ten million rows.
-- phase: contract
-- depends: 0076_vacuum_image_terms

-- allow: function-results because 0078 and 0079 write what is stored, and no release asks for it until then
CREATE OR REPLACE FUNCTION images_terms(tags text[], content_type text)
RETURNS text[]
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
AS $$
BEGIN
    RETURN ARRAY(
        SELECT DISTINCT 'tag:' || listed.key
        FROM unnest(tags) AS tag
        CROSS JOIN LATERAL (SELECT images_tag_key(tag)) AS listed (key)
        WHERE char_length(tag) <= 100
            AND listed.key <> ''
    ) || ('type:' || content_type);
END
$$;

COMMENT ON FUNCTION images_terms(text[], text) IS
    'What an image is listed under: tag:... for the key of each tag, type:... for the media type.';
