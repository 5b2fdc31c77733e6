-- The text of an image as full-text search sees it.
--
-- What:  a function from title, description, filename and tags to a tsvector.
-- Why:   a function and an index on it (0008), rather than a generated column: a stored column would rewrite the
--        table under ACCESS EXCLUSIVE, and would keep every word twice.
--        * 'simple' neither stems nor drops stop words: titles and tags come in any language.
--        * Weights: A title, B tags, C filename, D description.
--        * The parser reads "red-car.jpg" as a host's name; with blanks for punctuation it is three words.
--        * array_to_string() is only STABLE, as some types print by setting. For text it is immutable in fact, and
--          an index needs that word.
--        * left() keeps a description of megabytes within tsvector's limit of 1 MB, so that no row is refused.
-- Locks: none on images.
-- Cost:  none.
-- depends: 0006_drop_images_created_at_index

CREATE FUNCTION images_document(title text, description text, filename text, tags text[])
RETURNS tsvector
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN setweight(to_tsvector('simple', COALESCE(title, '')), 'A')
    || setweight(to_tsvector('simple', left(array_to_string(tags, ' '), 50000)), 'B')
    || setweight(to_tsvector('simple', translate(filename, './-_', '    ')), 'C')
    || setweight(to_tsvector('simple', left(COALESCE(description, ''), 50000)), 'D');
