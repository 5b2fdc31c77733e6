-- fill_books: inserts books, for a review. Each author has ten.
-- :first, :last  the numbers of the rows, from 1
INSERT INTO books (author_id, title)
SELECT 1 + number / 10, 'book ' || number
FROM generate_series(:first::bigint, :last::bigint) AS number;
