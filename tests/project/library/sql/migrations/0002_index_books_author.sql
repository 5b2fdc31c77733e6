-- Index the books of an author.
--
-- What: an index on books.
-- Why: list_books reads the books of one author.
-- Locks: SHARE UPDATE EXCLUSIVE on books: reads and writes continue.
-- Cost: two scans of books.
-- depends: 0001_create_authors
-- transactional: false

CREATE INDEX CONCURRENTLY books_author_id_id_idx ON books (author_id, id);
