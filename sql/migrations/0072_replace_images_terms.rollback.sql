-- Restores the function of 0012. The rollback of 0071 then deletes the terms of the keys.
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
    RETURN ARRAY(SELECT DISTINCT 'tag:' || tag FROM unnest(tags) AS tag WHERE char_length(tag) <= 100)
        || ('type:' || content_type);
END
$$;

COMMENT ON FUNCTION images_terms(text[], text) IS
    'What an image is listed under: tag:... for each tag, type:... for the media type.';
