-- Fill the keys by which titles are sorted.
--
-- What: title_key of the books that have none.
-- Why: the next release sorts by it. It writes the keys of new books itself.
-- Locks: the rows of one batch.
-- Cost: a new version of each row.
-- depends: 0002_index_books_author
-- backfill: books

UPDATE books
SET title_key = lower(title)
WHERE title_key IS NULL AND id BETWEEN $1 AND $2;
