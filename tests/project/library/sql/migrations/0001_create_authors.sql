-- Create the tables of authors and their books.
--
-- What: the tables authors and books.
-- Why: the library lends them.
-- Locks: none on an existing table.
-- Cost: none.

CREATE TABLE authors (
    id bigint GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL,
    CONSTRAINT authors_pkey PRIMARY KEY (id),
    CONSTRAINT authors_name_check CHECK (length(name) BETWEEN 1 AND 200)
);

CREATE TABLE books (
    id bigint GENERATED ALWAYS AS IDENTITY,
    author_id bigint NOT NULL,
    title text NOT NULL,
    title_key text,
    CONSTRAINT books_pkey PRIMARY KEY (id)
);

COMMENT ON TABLE books IS 'The books of the library.';
