-- Creates the table for searches: the search document of each image, in the order of every list.
--
-- What:  the table image_documents, with one row for each image. One function makes a document from the words of 0007
--        and the terms of 0012. Another function makes a query from terms and words. The table is empty: the triggers
--        of 0014 maintain it, 0015 fills it, and 0016 adds its index.
-- Why:   if many images match, a search reads the newest documents until a page is full. To make a document takes 8 us,
--        and here it is stored. If few images match, the index finds them. A document contains the terms too, because a
--        search can combine words, tags, and a type, and one look-up then answers it.
--        * A table beside images instead of a column of it: a new column would rewrite every row, and every list would
--          read it. An edit of a title does not touch the indexes of images after 0019 and 0020, because no index is on
--          a column that changes.
--        * No foreign key, as in 0012.
-- Locks: none on images.
-- Cost:  none yet. 320 MB and an index of 40 MB for a million images, and ten times that for ten million. Half of the
--        measured images have a title, and a third have a description.
-- depends: 0012_create_image_terms

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
    'The newest documents, and that of one image: list_images_by_words, list_images_by_terms.';
