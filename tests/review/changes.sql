-- Ten changes as a release makes them, with the verdict that a DBA expects from the review.
-- A change begins with `-- CHANGE VERDICT: NAME`, and each of its migrations with `-- MIGRATION NAME`. The lines of a
-- header may follow. The rollback stands after `-- ROLLBACK`, if there is one.

-- CHANGE care: add an owner with a foreign key and a backfill

-- MIGRATION create_owners
CREATE TABLE owners (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    name text NOT NULL,
    CONSTRAINT owners_pkey PRIMARY KEY (id),
    CONSTRAINT owners_name_check CHECK (char_length(name) BETWEEN 1 AND 100)
);

INSERT INTO owners (id, name)
VALUES ('00000000-0000-4000-8000-000000000001', 'everybody');

GRANT SELECT ON owners TO images_app;
-- ROLLBACK
-- loses: the owners
-- rows to lose: SELECT count(*) FROM owners
DROP TABLE owners;

-- MIGRATION add_images_owner_id
ALTER TABLE images ADD COLUMN owner_id uuid;
-- ROLLBACK
-- loses: the owner of each image
-- rows to lose: SELECT count(owner_id) FROM images
ALTER TABLE images DROP COLUMN owner_id;

-- MIGRATION index_images_owner
-- transactional: false
CREATE INDEX CONCURRENTLY images_owner_idx ON images (owner_id);
-- ROLLBACK
-- transactional: false
-- loses: nothing
DROP INDEX CONCURRENTLY IF EXISTS images_owner_idx;

-- MIGRATION reference_owners
ALTER TABLE images ADD CONSTRAINT images_owner_fkey FOREIGN KEY (owner_id) REFERENCES owners (id) NOT VALID;
-- ROLLBACK
-- loses: nothing
ALTER TABLE images DROP CONSTRAINT images_owner_fkey;

-- MIGRATION fill_images_owner_id
-- backfill: images
UPDATE images
SET owner_id = '00000000-0000-4000-8000-000000000001'
WHERE owner_id IS NULL AND (created_at, id) BETWEEN ($1, $2) AND ($3, $4);
-- ROLLBACK
-- loses: nothing (the rollback of the column drops the values)
DO $$
BEGIN
    NULL;
END
$$;

-- MIGRATION validate_images_owner
ALTER TABLE images VALIDATE CONSTRAINT images_owner_fkey;
-- ROLLBACK
-- loses: nothing (a constraint that was validated stays so)
DO $$
BEGIN
    NULL;
END
$$;

-- CHANGE care: text to another type

-- MIGRATION add_images_color_bytes
ALTER TABLE images ADD COLUMN color_bytes bytea;
-- ROLLBACK
-- loses: the bytes of the colors, which color still has
-- rows to lose: SELECT count(color_bytes) FROM images
ALTER TABLE images DROP COLUMN color_bytes;

-- MIGRATION create_images_color_trigger
CREATE FUNCTION images_set_color_bytes() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    NEW.color_bytes := decode(substr(NEW.color, 2), 'hex');
    RETURN NEW;
END
$$;

CREATE TRIGGER images_color_bytes
    BEFORE INSERT OR UPDATE OF color ON images
    FOR EACH ROW
    EXECUTE FUNCTION images_set_color_bytes();
-- ROLLBACK
-- loses: nothing
DROP TRIGGER images_color_bytes ON images;
DROP FUNCTION images_set_color_bytes();

-- MIGRATION fill_images_color_bytes
-- backfill: images
UPDATE images
SET color_bytes = decode(substr(color, 2), 'hex')
WHERE color IS NOT NULL AND color_bytes IS NULL AND (created_at, id) BETWEEN ($1, $2) AND ($3, $4);
-- ROLLBACK
-- loses: nothing (the rollback of the column drops the values)
DO $$
BEGIN
    NULL;
END
$$;

-- CHANGE unsafe: a generated column

-- MIGRATION add_images_pixels
ALTER TABLE images ADD COLUMN pixels bigint GENERATED ALWAYS AS (width::bigint * height) STORED;
-- ROLLBACK
-- loses: nothing (it follows from width and height)
ALTER TABLE images DROP COLUMN pixels;

-- CHANGE care: partition by month

-- MIGRATION create_images_by_month
CREATE TABLE images_by_month (
    LIKE images INCLUDING DEFAULTS INCLUDING CONSTRAINTS,
    CONSTRAINT images_by_month_pkey PRIMARY KEY (created_at, id)
)
PARTITION BY RANGE (created_at);

CREATE TABLE images_before_2026 PARTITION OF images_by_month FOR VALUES FROM (MINVALUE) TO ('2026-01-01 00:00:00+00');
CREATE TABLE images_2026_01 PARTITION OF images_by_month
FOR VALUES FROM ('2026-01-01 00:00:00+00') TO ('2026-02-01 00:00:00+00');
CREATE TABLE images_after_2026_01 PARTITION OF images_by_month
FOR VALUES FROM ('2026-02-01 00:00:00+00') TO (MAXVALUE);

GRANT SELECT, INSERT, UPDATE, DELETE ON images_by_month TO images_app;
-- ROLLBACK
-- loses: the copies of the images
-- rows to lose: SELECT count(*) FROM images_by_month
DROP TABLE images_by_month;

-- MIGRATION fill_images_by_month
-- backfill: images
INSERT INTO images_by_month
SELECT *
FROM images
WHERE (created_at, id) BETWEEN ($1, $2) AND ($3, $4)
ON CONFLICT DO NOTHING;
-- ROLLBACK
-- loses: nothing (the rollback of the table drops the copies)
DO $$
BEGIN
    NULL;
END
$$;

-- CHANGE unsafe: drop a used column

-- MIGRATION drop_images_description
ALTER TABLE images DROP COLUMN description;
-- ROLLBACK
-- loses: nothing (the migration has lost the descriptions)
ALTER TABLE images ADD COLUMN description text;

-- CHANGE unsafe: rename a column

-- MIGRATION rename_images_title
ALTER TABLE images RENAME COLUMN title TO caption;
-- ROLLBACK
-- loses: nothing
ALTER TABLE images RENAME COLUMN caption TO title;

-- CHANGE care: NOT NULL for a column that may be empty

-- MIGRATION fill_images_capture
-- backfill: images
UPDATE images
SET capture = '{}'
WHERE capture IS NULL AND (created_at, id) BETWEEN ($1, $2) AND ($3, $4);
-- ROLLBACK
-- loses: nothing (an empty capture says that the file tells nothing)
DO $$
BEGIN
    NULL;
END
$$;

-- MIGRATION check_images_capture
ALTER TABLE images ADD CONSTRAINT images_capture_not_null CHECK (capture IS NOT NULL) NOT VALID;
-- ROLLBACK
-- loses: nothing
ALTER TABLE images DROP CONSTRAINT images_capture_not_null;

-- MIGRATION validate_images_capture
ALTER TABLE images VALIDATE CONSTRAINT images_capture_not_null;
-- ROLLBACK
-- loses: nothing (a constraint that was validated stays so)
DO $$
BEGIN
    NULL;
END
$$;

-- MIGRATION set_images_capture_not_null
ALTER TABLE images ALTER COLUMN capture SET NOT NULL;
ALTER TABLE images DROP CONSTRAINT images_capture_not_null;
-- ROLLBACK
-- loses: nothing
ALTER TABLE images ADD CONSTRAINT images_capture_not_null CHECK (capture IS NOT NULL) NOT VALID;
ALTER TABLE images ALTER COLUMN capture DROP NOT NULL;

-- CHANGE safe: an enum, and a value more

-- MIGRATION create_visibility
CREATE TYPE visibility AS ENUM ('private', 'public');

ALTER TABLE images ADD COLUMN visibility visibility NOT NULL DEFAULT 'public';
-- ROLLBACK
-- loses: the visibility of each image
-- rows to lose: SELECT count(*) FROM images WHERE visibility = 'private'
ALTER TABLE images DROP COLUMN visibility;
DROP TYPE visibility;

-- MIGRATION add_visibility_unlisted
-- irreversible: PostgreSQL cannot remove a value of an enum
ALTER TYPE visibility ADD VALUE IF NOT EXISTS 'unlisted' AFTER 'private';

-- CHANGE unsafe: another body for a function under an index

-- MIGRATION create_images_name_key
CREATE FUNCTION images_name_key(name text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN lower(name);
-- ROLLBACK
-- loses: nothing
DROP FUNCTION images_name_key(text);

-- MIGRATION index_images_name_key
-- transactional: false
CREATE INDEX CONCURRENTLY images_name_key_idx ON images (images_name_key(filename));
-- ROLLBACK
-- transactional: false
-- loses: nothing
DROP INDEX CONCURRENTLY IF EXISTS images_name_key_idx;

-- MIGRATION replace_images_name_key
CREATE OR REPLACE FUNCTION images_name_key(name text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN lower(btrim(name));
-- ROLLBACK
-- loses: nothing
CREATE OR REPLACE FUNCTION images_name_key(name text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN lower(name);

-- CHANGE unsafe: row level security without a policy for the service

-- MIGRATION secure_images
ALTER TABLE images ENABLE ROW LEVEL SECURITY;

CREATE POLICY images_readers ON images FOR SELECT TO images_app USING (true);
-- ROLLBACK
-- loses: nothing
DROP POLICY images_readers ON images;
ALTER TABLE images DISABLE ROW LEVEL SECURITY;
