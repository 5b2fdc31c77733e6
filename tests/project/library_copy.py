"""A copy of the library with two more migrations, which have everything that a baseline has to keep."""

import shutil
from pathlib import Path

LIBRARY = Path(__file__).parent / "library"
HEADER = "-- {}.\n--\n-- What: {}.\n-- Why: a test.\n-- Locks: short ones.\n-- Cost: none.\n-- depends: {}\n\n"

LEND = """\
CREATE TABLE loans (
    id bigint DEFAULT 0 NOT NULL,
    "Reader's name" text DEFAULT 'public.nobody' NOT NULL,
    kind text NOT NULL,
    CONSTRAINT loans_pkey PRIMARY KEY (id)
);
CREATE SEQUENCE loans_number OWNED BY loans.id;
ALTER TABLE loans ALTER COLUMN id SET DEFAULT nextval('loans_number');
ALTER TABLE loans ALTER COLUMN kind SET STATISTICS 500;
ALTER TABLE loans SET (fillfactor = 70);
COMMENT ON COLUMN loans.kind IS 'É: public.books; or {loans} "quoted"';
INSERT INTO loans ("Reader's name", kind) VALUES ('public.books', 'é; --'), ('O''Hara', '$$');
CREATE FUNCTION count_loans(kind text) RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
    SELECT count(*) FROM loans WHERE loans.kind = count_loans.kind;
END;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $function$
BEGIN
    NEW.kind := NEW.kind || ' public.x;';
    RETURN NEW;
END
$function$;
CREATE TRIGGER loans_touch BEFORE UPDATE ON loans FOR EACH ROW EXECUTE FUNCTION touch();
CREATE VIEW lent AS SELECT kind, count_loans(kind) AS loans FROM loans;
REVOKE ALL ON FUNCTION count_loans(text) FROM PUBLIC;
GRANT SELECT ON books TO PUBLIC;
DO $$
BEGIN
    IF to_regrole('library_reader') IS NOT NULL THEN
        GRANT SELECT ON books, lent TO library_reader;
        GRANT UPDATE (kind) ON loans TO library_reader;
        GRANT EXECUTE ON FUNCTION count_loans(text) TO library_reader;
    END IF;
END
$$;
"""
LEND_BACK = """\
-- loses: the loans
-- rows to lose: SELECT count(*) FROM loans

DROP VIEW lent;
DROP FUNCTION count_loans(text);
DROP TABLE loans;
DROP FUNCTION touch();
REVOKE SELECT ON books FROM PUBLIC;
"""


def copy_library(folder: Path) -> Path:
    """Copy the library into a folder, with the migrations 0004_lend_books and 0005_count_pages."""
    library = folder / "library"
    shutil.copytree(LIBRARY, library)
    migrations = library / "sql" / "migrations"
    lend = HEADER.format("Lend books", "loans", "0003_fill_books_title_key")
    (migrations / "0004_lend_books.sql").write_text(lend + LEND)
    (migrations / "0004_lend_books.rollback.sql").write_text(LEND_BACK)
    pages = HEADER.format("Count pages", "a column", "0004_lend_books")
    (migrations / "0005_count_pages.sql").write_text(f"{pages}ALTER TABLE books ADD COLUMN pages bigint;\n")
    (migrations / "0005_count_pages.rollback.sql").write_text(
        "-- loses: the pages\n-- rows to lose: SELECT count(*) FROM books WHERE pages IS NOT NULL\n\n"
        "ALTER TABLE books DROP COLUMN pages;\n"
    )
    return library
