-- fill_authors: inserts authors, for a review.
-- :first, :last  the numbers of the rows, from 1
INSERT INTO authors (name)
SELECT 'author ' || number
FROM generate_series(:first, :last) AS number;
