-- Rolls back 0001_create_authors.
--
-- loses: the authors and the books
-- rows to lose: SELECT (SELECT count(*) FROM authors) + (SELECT count(*) FROM books)
-- Locks: ACCESS EXCLUSIVE on authors and books, for milliseconds.
-- Cost: none.

DROP TABLE books;
DROP TABLE authors;
