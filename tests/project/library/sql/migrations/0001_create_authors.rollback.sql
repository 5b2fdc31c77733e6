-- Rolls back 0001_create_authors.
--
-- loses: the authors
-- rows to lose: SELECT count(*) FROM authors
-- Locks: ACCESS EXCLUSIVE on authors, for milliseconds.
-- Cost: none.

DROP TABLE authors;
