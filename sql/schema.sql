-- The schema after all migrations, as one text. Generated: do not edit, write a migration and then
--     .venv/bin/images schema dump > sql/schema.sql
-- A test holds this file to be what the migrations make.

CREATE FUNCTION images_document(title text, description text, filename text, tags text[]) RETURNS tsvector
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (((setweight(to_tsvector('simple'::regconfig, COALESCE(title, ''::text)), 'A'::"char") || setweight(to_tsvector('simple'::regconfig, "left"(array_to_string(tags, ' '::text), 50000)), 'B'::"char")) || setweight(to_tsvector('simple'::regconfig, translate(filename, './-_'::text, '    '::text)), 'C'::"char")) || setweight(to_tsvector('simple'::regconfig, "left"(COALESCE(description, ''::text), 50000)), 'D'::"char"));

COMMENT ON FUNCTION images_document(title text, description text, filename text, tags text[]) IS 'The words of an image for full-text search, weighted A title, B tags, C filename, D description.';

CREATE TABLE images (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    filename text NOT NULL,
    content_type text NOT NULL,
    byte_size bigint NOT NULL,
    width integer NOT NULL,
    height integer NOT NULL,
    sha256 text NOT NULL,
    storage_key text NOT NULL,
    title text,
    description text,
    tags text[] DEFAULT '{}'::text[] NOT NULL,
    attributes jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT images_content_type_check CHECK ((char_length(content_type) <= 100)),
    CONSTRAINT images_filename_check CHECK ((char_length(filename) <= 255)),
    CONSTRAINT images_sha256_check CHECK ((char_length(sha256) <= 64)),
    CONSTRAINT images_storage_key_check CHECK ((char_length(storage_key) <= 512)),
    CONSTRAINT images_title_check CHECK ((char_length(title) <= 200))
);

COMMENT ON TABLE images IS 'One row for each distinct content: the same bytes are stored once. The row is the truth; the bytes lie in the object store under storage_key, written before the row is committed and removed after it is gone.';

COMMENT ON COLUMN images.id IS 'The image in URLs. Random, says nothing of order or age.';

COMMENT ON COLUMN images.filename IS 'The name that the client gave, for people; not unique, not a path, not where the bytes are.';

COMMENT ON COLUMN images.content_type IS 'The media type as found in the bytes; of an adopted row, as the former service was told.';

COMMENT ON COLUMN images.byte_size IS 'The size of the content in bytes.';

COMMENT ON COLUMN images.width IS 'Pixels across, as displayed: with EXIF orientation applied.';

COMMENT ON COLUMN images.height IS 'Pixels down, as displayed: with EXIF orientation applied.';

COMMENT ON COLUMN images.sha256 IS 'SHA-256 of the content, 64 hexadecimal digits in lower case. Unique: the identity of the content.';

COMMENT ON COLUMN images.storage_key IS 'The content in the object store, relative to STORAGE_URL.';

COMMENT ON COLUMN images.title IS 'A heading for people; NULL where nobody gave one.';

COMMENT ON COLUMN images.description IS 'Text for people; NULL where nobody gave one.';

COMMENT ON COLUMN images.tags IS 'Words to find the image by, in the order that the client gave; may be empty.';

COMMENT ON COLUMN images.attributes IS 'A JSON object of the client''s own making. Not searched: no index.';

COMMENT ON COLUMN images.created_at IS 'When the image was first stored. With id the order of every list; not promised to be unique.';

COMMENT ON COLUMN images.updated_at IS 'When the row was last changed. Each change moves it forward, so that it serves as the ETag.';

COMMENT ON CONSTRAINT images_content_type_check ON images IS 'At most 100 characters.';

COMMENT ON CONSTRAINT images_filename_check ON images IS 'At most 255 characters, as most file systems allow.';

COMMENT ON CONSTRAINT images_sha256_check ON images IS 'At most 64 characters; the form is the application''s to keep, adopted rows may differ.';

COMMENT ON CONSTRAINT images_storage_key_check ON images IS 'At most 512 characters.';

COMMENT ON CONSTRAINT images_title_check ON images IS 'At most 200 characters.';

ALTER TABLE ONLY images
    ADD CONSTRAINT images_pkey PRIMARY KEY (id);

CREATE INDEX images_content_type_created_at_id_idx ON images USING btree (content_type, created_at DESC, id DESC);

COMMENT ON INDEX images_content_type_created_at_id_idx IS 'The newest-first list of one media type: list_images_by_content_type.';

CREATE INDEX images_created_at_id_idx ON images USING btree (created_at DESC, id DESC);

COMMENT ON INDEX images_created_at_id_idx IS 'The newest-first list and its keyset pages: list_images.';

CREATE INDEX images_document_idx ON images USING gin (images_document(title, description, filename, tags));

COMMENT ON INDEX images_document_idx IS 'Full-text search over images_document(title, description, filename, tags).';

COMMENT ON INDEX images_pkey IS 'One image by its id: get_image, update_image, delete_image.';

CREATE UNIQUE INDEX images_sha256_key ON images USING btree (sha256);

COMMENT ON INDEX images_sha256_key IS 'One content, one row: insert_image, get_image_by_sha256.';

CREATE INDEX images_tags_idx ON images USING gin (tags);

COMMENT ON INDEX images_tags_idx IS 'Images that have all the given tags: list_images_by_tags and its sibling by content type.';

-- The same in a line for each thing, as sql/inspect/schema.sql tells it, for `images schema status` to find drift by:
-- column images.attributes: jsonb, not null, default '{}'::jsonb
-- column images.byte_size: bigint, not null
-- column images.content_type: text, not null
-- column images.created_at: timestamp with time zone, not null, default now()
-- column images.description: text
-- column images.filename: text, not null
-- column images.height: integer, not null
-- column images.id: uuid, not null, default gen_random_uuid()
-- column images.sha256: text, not null
-- column images.storage_key: text, not null
-- column images.tags: text[], not null, default '{}'::text[]
-- column images.title: text
-- column images.updated_at: timestamp with time zone, not null, default now()
-- column images.width: integer, not null
-- constraint images.images_content_type_check: CHECK ((char_length(content_type) <= 100))
-- constraint images.images_filename_check: CHECK ((char_length(filename) <= 255))
-- constraint images.images_pkey: PRIMARY KEY (id)
-- constraint images.images_sha256_check: CHECK ((char_length(sha256) <= 64))
-- constraint images.images_storage_key_check: CHECK ((char_length(storage_key) <= 512))
-- constraint images.images_title_check: CHECK ((char_length(title) <= 200))
-- function images_document(text,text,text,text[]): CREATE OR REPLACE FUNCTION images_document(title text, description text, filename text, tags text[]) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN (((setweight(to_tsvector('simple'::regconfig, COALESCE(title, ''::text)), 'A'::"char") || setweight(to_tsvector('simple'::regconfig, "left"(array_to_string(tags, ' '::text), 50000)), 'B'::"char")) || setweight(to_tsvector('simple'::regconfig, translate(filename, './-_'::text, ' '::text)), 'C'::"char")) || setweight(to_tsvector('simple'::regconfig, "left"(COALESCE(description, ''::text), 50000)), 'D'::"char")) 
-- index images_content_type_created_at_id_idx: CREATE INDEX images_content_type_created_at_id_idx ON images USING btree (content_type, created_at DESC, id DESC)
-- index images_created_at_id_idx: CREATE INDEX images_created_at_id_idx ON images USING btree (created_at DESC, id DESC)
-- index images_document_idx: CREATE INDEX images_document_idx ON images USING gin (images_document(title, description, filename, tags))
-- index images_pkey: CREATE UNIQUE INDEX images_pkey ON images USING btree (id)
-- index images_sha256_key: CREATE UNIQUE INDEX images_sha256_key ON images USING btree (sha256)
-- index images_tags_idx: CREATE INDEX images_tags_idx ON images USING gin (tags)
-- table images: kind r, persistence p
