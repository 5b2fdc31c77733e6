-- Rolls back 0002_create_books.
--
-- loses: the books
-- rows to lose: SELECT count(*) FROM books
-- Locks: ACCESS EXCLUSIVE on books, for milliseconds.
-- Cost: none.

DROP TABLE books;
