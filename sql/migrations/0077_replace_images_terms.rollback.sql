-- Restores the function of 0072. The rollback of 0076 then lists the images under their tags as they are written.
--
-- loses: nothing
-- Locks: none.
-- Cost:  none.

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
