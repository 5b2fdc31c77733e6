-- Create the table of books.
--
-- What: the table books.
-- Why: the library lends them.
-- Locks: none on an existing table.
-- Cost: none.
-- depends: 0001_create_authors

CREATE TABLE books (
    id bigint GENERATED ALWAYS AS IDENTITY,
    author_id bigint NOT NULL,
    title text NOT NULL,
    CONSTRAINT books_pkey PRIMARY KEY (id)
);

COMMENT ON TABLE books IS 'The books of the library.';
