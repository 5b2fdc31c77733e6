-- Creates image_documents and its functions again, without rows. The rollback of 0063 fills it.
--
-- loses: nothing (each row follows from images)
-- Locks: none on images.
-- Cost:  none.

CREATE FUNCTION images_document(title text, description text, filename text, tags text[])
RETURNS tsvector
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN setweight(to_tsvector('simple', COALESCE(title, '')), 'A')
    || setweight(to_tsvector('simple', left(array_to_string(tags, ' '), 50000)), 'B')
    || setweight(to_tsvector('simple', translate(filename, './-_', '    ')), 'C')
    || setweight(to_tsvector('simple', left(COALESCE(description, ''), 50000)), 'D');

COMMENT ON FUNCTION images_document(text, text, text, text[]) IS
    'The words of an image for full-text search, weighted A title, B tags, C filename, D description.';

CREATE FUNCTION images_search_document(
    title text,
    description text,
    filename text,
    tags text[],
    content_type text
)
RETURNS tsvector
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN images_document(title, description, filename, tags) || array_to_tsvector(images_terms(tags, content_type));

CREATE FUNCTION images_query(terms text[], words text)
RETURNS tsquery
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
AS $$
    SELECT
        CASE
            WHEN words IS NULL THEN listed
            WHEN numnode(searched) > 0 THEN COALESCE(listed && searched, searched)
        END
    FROM (
        SELECT string_agg('''' || replace(replace(term, '\', '\\'), '''', '''''') || '''', ' & ')::tsquery
        FROM unnest(terms) AS term
    ) AS terms_listed (listed)
    CROSS JOIN websearch_to_tsquery('simple', words) AS searched;
$$;

CREATE TABLE image_documents (
    created_at timestamptz NOT NULL,
    image_id uuid NOT NULL,
    document tsvector NOT NULL,
    PRIMARY KEY (created_at, image_id)
);

COMMENT ON FUNCTION images_search_document(text, text, text, text[], text) IS
    'What an image is found by: its words, weighted as images_document has them, and its terms.';

COMMENT ON FUNCTION images_query(text[], text) IS
    'What finds the images with all the terms and the words, in web-search syntax: NULL, which finds none, for words that '
    'are none; words may be NULL.';

COMMENT ON TABLE image_documents IS
    'The document of each image. Kept by the triggers of images, made of nothing but images.';

COMMENT ON COLUMN image_documents.created_at IS
    'That of the image: with image_id the order of every list.';

COMMENT ON COLUMN image_documents.image_id IS
    'images.id.';

COMMENT ON COLUMN image_documents.document IS
    'images_search_document(title, description, filename, tags, content_type).';

COMMENT ON INDEX image_documents_pkey IS
    'The newest and the oldest documents, and that of one image: list_images_by_words and the lists by filters.';

-- allow: hidden-ddl because roles belong to the cluster, and GRANT to a role that does not exist would fail
DO $$
BEGIN
    IF to_regrole('images_app') IS NOT NULL THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON image_documents TO images_app;
    END IF;
END
$$;
