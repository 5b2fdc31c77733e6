-- list_books: returns the books of an author.
-- $1 bigint: the author
-- Index: books_author_id_id_idx
-- example first author: 1
SELECT
    id,
    title
FROM books
WHERE author_id = $1
ORDER BY id
LIMIT 100;
