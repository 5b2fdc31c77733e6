-- Creates the function that makes the full-text search document of an image.
--
-- What:  a function that takes title, description, filename, and tags, and returns a tsvector.
-- Why:   a function and an index on it (0008) instead of a generated column. A stored column would rewrite the table
--        under ACCESS EXCLUSIVE, and would store every word twice.
--        * 'simple' neither stems words nor drops stop words, because titles and tags come in any language.
--        * Weights: A title, B tags, C filename, D description.
--        * The parser reads "red-car.jpg" as the name of a host. With blanks for punctuation it is three words.
--        * PostgreSQL declares array_to_string() STABLE, because the output of some types depends on settings. For text
--          it does not, and an index needs an IMMUTABLE function.
--        * left() keeps a description of megabytes within tsvector's limit of 1 MB, so that no row is rejected.
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
