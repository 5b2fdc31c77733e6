-- Rolls back 0003_index_books_author.
--
-- loses: nothing
-- Locks: SHARE UPDATE EXCLUSIVE on books: reads and writes continue.
-- Cost: none.
-- transactional: false

DROP INDEX CONCURRENTLY IF EXISTS books_author_id_id_idx;
