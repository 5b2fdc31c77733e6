-- Create the table of authors.
--
-- What: the table authors.
-- Why: each book has one.
-- Locks: none on an existing table.
-- Cost: none.

CREATE TABLE authors (
    id bigint GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL,
    CONSTRAINT authors_pkey PRIMARY KEY (id),
    CONSTRAINT authors_name_check CHECK (length(name) BETWEEN 1 AND 200)
);
