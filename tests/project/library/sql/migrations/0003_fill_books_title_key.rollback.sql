-- Empties the keys.
--
-- loses: nothing (the keys come from the titles)
-- Locks: ROW EXCLUSIVE on books, and its rows, until the end.
-- Cost: a new version of each row, in one transaction.

-- allow: many-rows-write because the library has few books
UPDATE books
SET title_key = NULL
WHERE title_key IS NOT NULL;
