-- Where searches will be answered: the document of each image, ready made, in the order of every list.
--
-- What:  the table image_documents, one row for each image; the function that makes a document, of the words of 0007 and
--        the terms of 0012; and the one that makes a query of terms and words. Empty yet: 0014 keeps it, 0015 fills it,
--        0016 gives it its index.
-- Why:   what many images match is found among the newest, and to look there each one's document is needed: made anew it
--        takes 8 us, here it is read. What few match is found by the index. Terms among the words, since a search is
--        for words and tags and type at once, and one look-up answers it.
--        * A table beside images, rather than a column of it: a new column would write every row anew, and make
--          every list read it. And an edit of a title leaves the indexes of images alone: none is on a column that
--          changes, once 0019 and 0020 have dropped those of the words and tags.
--        * No foreign key, as in 0012.
-- Locks: none on images.
-- Cost:  none yet. 320 MB and an index of 40 MB for a million images, half of which have a title and a third a
--        description.
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
