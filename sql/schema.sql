-- The schema after all migrations, as one text. Generated: do not edit, write a migration and then
--     .venv/bin/images schema dump > sql/schema.sql
-- A test holds this file to be what the migrations make.

CREATE FUNCTION images_document(title text, description text, filename text, tags text[]) RETURNS tsvector
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (((setweight(to_tsvector('simple'::regconfig, COALESCE(title, ''::text)), 'A'::"char") || setweight(to_tsvector('simple'::regconfig, "left"(array_to_string(tags, ' '::text), 50000)), 'B'::"char")) || setweight(to_tsvector('simple'::regconfig, translate(filename, './-_'::text, '    '::text)), 'C'::"char")) || setweight(to_tsvector('simple'::regconfig, "left"(COALESCE(description, ''::text), 50000)), 'D'::"char"));

COMMENT ON FUNCTION images_document(title text, description text, filename text, tags text[]) IS 'The words of an image for full-text search, weighted A title, B tags, C filename, D description.';

CREATE FUNCTION images_list_deleted() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    DELETE FROM image_terms
    USING deleted CROSS JOIN LATERAL unnest(images_terms(deleted.tags, deleted.content_type)) AS gone
    WHERE image_terms.term = gone
        AND image_terms.created_at = deleted.created_at
        AND image_terms.image_id = deleted.id;

    DELETE FROM image_documents
    USING deleted
    WHERE image_documents.created_at = deleted.created_at
        AND image_documents.image_id = deleted.id;

    RETURN NULL;
END
$$;

COMMENT ON FUNCTION images_list_deleted() IS 'Takes the deleted images out of image_terms and image_documents.';

CREATE FUNCTION images_list_inserted() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    INSERT INTO image_terms (term, created_at, image_id)
    SELECT term, created_at, id
    FROM inserted
    CROSS JOIN LATERAL unnest(images_terms(tags, content_type)) AS term;

    INSERT INTO image_documents (created_at, image_id, document)
    SELECT created_at, id, images_search_document(title, description, filename, tags, content_type)
    FROM inserted;

    RETURN NULL;
END
$$;

COMMENT ON FUNCTION images_list_inserted() IS 'Lists the inserted images in image_terms and image_documents.';

CREATE FUNCTION images_list_truncated() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    TRUNCATE image_terms, image_documents;

    RETURN NULL;
END
$$;

COMMENT ON FUNCTION images_list_truncated() IS 'Empties image_terms and image_documents.';

CREATE FUNCTION images_list_updated() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE
    new_document tsvector;
BEGIN
    IF (OLD.id, OLD.filename, OLD.content_type, OLD.title, OLD.description, OLD.tags, OLD.created_at)
        IS NOT DISTINCT FROM
        (NEW.id, NEW.filename, NEW.content_type, NEW.title, NEW.description, NEW.tags, NEW.created_at)
    THEN
        RETURN NULL;
    END IF;

    new_document := images_search_document(NEW.title, NEW.description, NEW.filename, NEW.tags, NEW.content_type);

    UPDATE image_documents
    SET
        created_at = NEW.created_at,
        image_id = NEW.id,
        document = new_document
    WHERE created_at = OLD.created_at
        AND image_id = OLD.id;

    IF NOT FOUND THEN
        INSERT INTO image_documents (created_at, image_id, document)
        VALUES (NEW.created_at, NEW.id, new_document);
    END IF;

    IF (OLD.tags, OLD.content_type, OLD.created_at, OLD.id)
        IS DISTINCT FROM (NEW.tags, NEW.content_type, NEW.created_at, NEW.id)
    THEN
        DELETE FROM image_terms
        WHERE term = ANY (images_terms(OLD.tags, OLD.content_type))
            AND created_at = OLD.created_at
            AND image_id = OLD.id;

        INSERT INTO image_terms (term, created_at, image_id)
        SELECT term, NEW.created_at, NEW.id
        FROM unnest(images_terms(NEW.tags, NEW.content_type)) AS term;
    END IF;

    RETURN NULL;
END
$$;

COMMENT ON FUNCTION images_list_updated() IS 'Lists a changed image anew in image_terms and image_documents.';

CREATE FUNCTION images_query(terms text[], words text) RETURNS tsquery
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    SELECT
        CASE
            WHEN words IS NULL THEN listed
            WHEN numnode(searched) > 0 THEN COALESCE(listed && searched, searched)
        END
    FROM (
        SELECT string_agg('''' || replace(replace(term, '\', '\\'), '''', '''''') || '''', ' & ')::tsquery
        FROM unnest(terms) AS term
    ) AS terms_listed (listed)
    CROSS JOIN websearch_to_tsquery('simple', words) AS searched;
$$;

COMMENT ON FUNCTION images_query(terms text[], words text) IS 'What finds the images with all the terms and the words, in web-search syntax: NULL, which finds none, for words that are none; words may be NULL.';

CREATE FUNCTION images_terms(tags text[], content_type text) RETURNS text[]
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    AS $$
BEGIN
    RETURN ARRAY(SELECT DISTINCT 'tag:' || tag FROM unnest(tags) AS tag WHERE char_length(tag) <= 100)
        || ('type:' || content_type);
END
$$;

COMMENT ON FUNCTION images_terms(tags text[], content_type text) IS 'What an image is listed under: tag:... for each tag, type:... for the media type.';

CREATE FUNCTION images_search_document(title text, description text, filename text, tags text[], content_type text) RETURNS tsvector
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (images_document(title, description, filename, tags) || array_to_tsvector(images_terms(tags, content_type)));

COMMENT ON FUNCTION images_search_document(title text, description text, filename text, tags text[], content_type text) IS 'What an image is found by: its words, weighted as images_document has them, and its terms.';

CREATE TABLE image_documents (
    created_at timestamp with time zone NOT NULL,
    image_id uuid NOT NULL,
    document tsvector NOT NULL
);

COMMENT ON TABLE image_documents IS 'The document of each image. Kept by the triggers of images, made of nothing but images.';

COMMENT ON COLUMN image_documents.created_at IS 'That of the image: with image_id the order of every list.';

COMMENT ON COLUMN image_documents.image_id IS 'images.id.';

COMMENT ON COLUMN image_documents.document IS 'images_search_document(title, description, filename, tags, content_type).';

CREATE TABLE image_terms (
    term text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    image_id uuid NOT NULL
);
ALTER TABLE ONLY image_terms ALTER COLUMN term SET STATISTICS 1000;

COMMENT ON TABLE image_terms IS 'Each image once under each of its terms. Kept by the triggers of images, made of nothing but images.';

COMMENT ON COLUMN image_terms.term IS 'tag:... or type:..., as images_terms(tags, content_type) has it.';

COMMENT ON COLUMN image_terms.created_at IS 'That of the image: with image_id the order of every list.';

COMMENT ON COLUMN image_terms.image_id IS 'images.id.';

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

CREATE TABLE tokens (
    id uuid NOT NULL,
    name text NOT NULL,
    scope text NOT NULL,
    sha256 bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    last_used_at timestamp with time zone,
    revoked_at timestamp with time zone,
    CONSTRAINT tokens_name_check CHECK (((char_length(name) >= 1) AND (char_length(name) <= 100))),
    CONSTRAINT tokens_scope_check CHECK ((scope = ANY (ARRAY['read'::text, 'write'::text, 'admin'::text]))),
    CONSTRAINT tokens_sha256_check CHECK ((octet_length(sha256) = 32))
);

COMMENT ON TABLE tokens IS 'The bearer tokens of the API, and those that were revoked. No token can be made from what is here.';

COMMENT ON COLUMN tokens.id IS 'Random, and part of the token.';

COMMENT ON COLUMN tokens.name IS 'Whose it is, for people; unique among those in force.';

COMMENT ON COLUMN tokens.scope IS 'What it allows: read; write, which may read; admin, which may do all.';

COMMENT ON COLUMN tokens.sha256 IS 'SHA-256 of the token, as it is sent: 32 bytes.';

COMMENT ON COLUMN tokens.created_at IS 'When it was made.';

COMMENT ON COLUMN tokens.last_used_at IS 'When it was last used, to a minute; NULL: never.';

COMMENT ON COLUMN tokens.revoked_at IS 'Since when it allows nothing; NULL: it is in force.';

COMMENT ON CONSTRAINT tokens_name_check ON tokens IS 'At most 100 characters.';

COMMENT ON CONSTRAINT tokens_scope_check ON tokens IS 'The scopes that the service knows.';

COMMENT ON CONSTRAINT tokens_sha256_check ON tokens IS 'A digest, in binary: never the token.';

ALTER TABLE ONLY image_documents
    ADD CONSTRAINT image_documents_pkey PRIMARY KEY (created_at, image_id);

ALTER TABLE ONLY image_terms
    ADD CONSTRAINT image_terms_pkey PRIMARY KEY (term, created_at, image_id);

ALTER TABLE ONLY images
    ADD CONSTRAINT images_pkey PRIMARY KEY (id);

ALTER TABLE ONLY tokens
    ADD CONSTRAINT tokens_pkey PRIMARY KEY (id);

CREATE INDEX image_documents_document_idx ON image_documents USING gin (document) WITH (fastupdate=off);

COMMENT ON INDEX image_documents_pkey IS 'The newest and the oldest documents, and that of one image: list_images_by_words and the lists by filters.';

COMMENT ON INDEX image_terms_pkey IS 'The newest-first list of a term, read backwards: list_images_by_terms.';

CREATE INDEX image_terms_term_idx ON image_terms USING btree (term COLLATE "C");

COMMENT ON INDEX image_terms_term_idx IS 'The tags with a prefix, and how many images have each: list_tags; the same of media types: read_stats.';

CREATE INDEX images_byte_size_id_created_at_idx ON images USING btree (byte_size DESC, id DESC) INCLUDE (created_at);

COMMENT ON INDEX images_byte_size_id_created_at_idx IS 'The largest-first list and its keyset pages: list_images_largest, list_images_largest_matching.';

CREATE INDEX images_created_at_id_idx ON images USING btree (created_at DESC, id DESC);

COMMENT ON INDEX images_created_at_id_idx IS 'The newest-first and, read backwards, the oldest-first list, and the images of a time: list_images, list_images_oldest, list_images_largest, list_images_by_name, read_stats.';

CREATE INDEX images_filename_id_created_at_idx ON images USING btree (filename COLLATE "C", id) INCLUDE (created_at);

COMMENT ON INDEX images_filename_id_created_at_idx IS 'The list by name and its keyset pages: list_images_by_name, list_images_by_name_matching.';

COMMENT ON INDEX images_pkey IS 'One image by its id: get_image, update_image, delete_image; and each image of a page of the lists by filters.';

CREATE UNIQUE INDEX images_sha256_key ON images USING btree (sha256);

COMMENT ON INDEX images_sha256_key IS 'One content, one row: insert_image, get_image_by_sha256.';

CREATE UNIQUE INDEX tokens_name_key ON tokens USING btree (name) WHERE (revoked_at IS NULL);

COMMENT ON INDEX tokens_name_key IS 'One token in force by its name: insert_token, revoke_token.';

COMMENT ON INDEX tokens_pkey IS 'One token by its id: find_token.';

CREATE TRIGGER images_list_deleted AFTER DELETE ON images REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT EXECUTE FUNCTION images_list_deleted();

CREATE TRIGGER images_list_inserted AFTER INSERT ON images REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION images_list_inserted();

CREATE TRIGGER images_list_truncated AFTER TRUNCATE ON images FOR EACH STATEMENT EXECUTE FUNCTION images_list_truncated();

CREATE TRIGGER images_list_updated AFTER UPDATE OF id, filename, content_type, title, description, tags, created_at ON images FOR EACH ROW EXECUTE FUNCTION images_list_updated();

-- The same in a line for each thing, as sql/inspect/schema.sql tells it, for `images schema status` to find drift by:
-- column image_documents.created_at: timestamp with time zone, not null
-- column image_documents.document: tsvector, not null
-- column image_documents.image_id: uuid, not null
-- column image_terms.created_at: timestamp with time zone, not null
-- column image_terms.image_id: uuid, not null
-- column image_terms.term: text, not null
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
-- column tokens.created_at: timestamp with time zone, not null, default now()
-- column tokens.id: uuid, not null
-- column tokens.last_used_at: timestamp with time zone
-- column tokens.name: text, not null
-- column tokens.revoked_at: timestamp with time zone
-- column tokens.scope: text, not null
-- column tokens.sha256: bytea, not null
-- constraint image_documents.image_documents_pkey: PRIMARY KEY (created_at, image_id)
-- constraint image_terms.image_terms_pkey: PRIMARY KEY (term, created_at, image_id)
-- constraint images.images_content_type_check: CHECK ((char_length(content_type) <= 100))
-- constraint images.images_filename_check: CHECK ((char_length(filename) <= 255))
-- constraint images.images_pkey: PRIMARY KEY (id)
-- constraint images.images_sha256_check: CHECK ((char_length(sha256) <= 64))
-- constraint images.images_storage_key_check: CHECK ((char_length(storage_key) <= 512))
-- constraint images.images_title_check: CHECK ((char_length(title) <= 200))
-- constraint tokens.tokens_name_check: CHECK (((char_length(name) >= 1) AND (char_length(name) <= 100)))
-- constraint tokens.tokens_pkey: PRIMARY KEY (id)
-- constraint tokens.tokens_scope_check: CHECK ((scope = ANY (ARRAY['read'::text, 'write'::text, 'admin'::text])))
-- constraint tokens.tokens_sha256_check: CHECK ((octet_length(sha256) = 32))
-- function images_document(text,text,text,text[]): CREATE OR REPLACE FUNCTION images_document(title text, description text, filename text, tags text[]) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN (((setweight(to_tsvector('simple'::regconfig, COALESCE(title, ''::text)), 'A'::"char") || setweight(to_tsvector('simple'::regconfig, "left"(array_to_string(tags, ' '::text), 50000)), 'B'::"char")) || setweight(to_tsvector('simple'::regconfig, translate(filename, './-_'::text, ' '::text)), 'C'::"char")) || setweight(to_tsvector('simple'::regconfig, "left"(COALESCE(description, ''::text), 50000)), 'D'::"char")) 
-- function images_list_deleted(): CREATE OR REPLACE FUNCTION images_list_deleted() RETURNS trigger LANGUAGE plpgsql AS $function$ BEGIN DELETE FROM image_terms USING deleted CROSS JOIN LATERAL unnest(images_terms(deleted.tags, deleted.content_type)) AS gone WHERE image_terms.term = gone AND image_terms.created_at = deleted.created_at AND image_terms.image_id = deleted.id; DELETE FROM image_documents USING deleted WHERE image_documents.created_at = deleted.created_at AND image_documents.image_id = deleted.id; RETURN NULL; END $function$ 
-- function images_list_inserted(): CREATE OR REPLACE FUNCTION images_list_inserted() RETURNS trigger LANGUAGE plpgsql AS $function$ BEGIN INSERT INTO image_terms (term, created_at, image_id) SELECT term, created_at, id FROM inserted CROSS JOIN LATERAL unnest(images_terms(tags, content_type)) AS term; INSERT INTO image_documents (created_at, image_id, document) SELECT created_at, id, images_search_document(title, description, filename, tags, content_type) FROM inserted; RETURN NULL; END $function$ 
-- function images_list_truncated(): CREATE OR REPLACE FUNCTION images_list_truncated() RETURNS trigger LANGUAGE plpgsql AS $function$ BEGIN TRUNCATE image_terms, image_documents; RETURN NULL; END $function$ 
-- function images_list_updated(): CREATE OR REPLACE FUNCTION images_list_updated() RETURNS trigger LANGUAGE plpgsql AS $function$ DECLARE new_document tsvector; BEGIN IF (OLD.id, OLD.filename, OLD.content_type, OLD.title, OLD.description, OLD.tags, OLD.created_at) IS NOT DISTINCT FROM (NEW.id, NEW.filename, NEW.content_type, NEW.title, NEW.description, NEW.tags, NEW.created_at) THEN RETURN NULL; END IF; new_document := images_search_document(NEW.title, NEW.description, NEW.filename, NEW.tags, NEW.content_type); UPDATE image_documents SET created_at = NEW.created_at, image_id = NEW.id, document = new_document WHERE created_at = OLD.created_at AND image_id = OLD.id; IF NOT FOUND THEN INSERT INTO image_documents (created_at, image_id, document) VALUES (NEW.created_at, NEW.id, new_document); END IF; IF (OLD.tags, OLD.content_type, OLD.created_at, OLD.id) IS DISTINCT FROM (NEW.tags, NEW.content_type, NEW.created_at, NEW.id) THEN DELETE FROM image_terms WHERE term = ANY (images_terms(OLD.tags, OLD.content_type)) AND created_at = OLD.created_at AND image_id = OLD.id; INSERT INTO image_terms (term, created_at, image_id) SELECT term, NEW.created_at, NEW.id FROM unnest(images_terms(NEW.tags, NEW.content_type)) AS term; END IF; RETURN NULL; END $function$ 
-- function images_query(text[],text): CREATE OR REPLACE FUNCTION images_query(terms text[], words text) RETURNS tsquery LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $function$ SELECT CASE WHEN words IS NULL THEN listed WHEN numnode(searched) > 0 THEN COALESCE(listed && searched, searched) END FROM ( SELECT string_agg('''' || replace(replace(term, '\', '\\'), '''', '''''') || '''', ' & ')::tsquery FROM unnest(terms) AS term ) AS terms_listed (listed) CROSS JOIN websearch_to_tsquery('simple', words) AS searched; $function$ 
-- function images_search_document(text,text,text,text[],text): CREATE OR REPLACE FUNCTION images_search_document(title text, description text, filename text, tags text[], content_type text) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN (images_document(title, description, filename, tags) || array_to_tsvector(images_terms(tags, content_type))) 
-- function images_terms(text[],text): CREATE OR REPLACE FUNCTION images_terms(tags text[], content_type text) RETURNS text[] LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $function$ BEGIN RETURN ARRAY(SELECT DISTINCT 'tag:' || tag FROM unnest(tags) AS tag WHERE char_length(tag) <= 100) || ('type:' || content_type); END $function$ 
-- index image_documents_document_idx: CREATE INDEX image_documents_document_idx ON image_documents USING gin (document) WITH (fastupdate=off)
-- index image_documents_pkey: CREATE UNIQUE INDEX image_documents_pkey ON image_documents USING btree (created_at, image_id)
-- index image_terms_pkey: CREATE UNIQUE INDEX image_terms_pkey ON image_terms USING btree (term, created_at, image_id)
-- index image_terms_term_idx: CREATE INDEX image_terms_term_idx ON image_terms USING btree (term COLLATE "C")
-- index images_byte_size_id_created_at_idx: CREATE INDEX images_byte_size_id_created_at_idx ON images USING btree (byte_size DESC, id DESC) INCLUDE (created_at)
-- index images_created_at_id_idx: CREATE INDEX images_created_at_id_idx ON images USING btree (created_at DESC, id DESC)
-- index images_filename_id_created_at_idx: CREATE INDEX images_filename_id_created_at_idx ON images USING btree (filename COLLATE "C", id) INCLUDE (created_at)
-- index images_pkey: CREATE UNIQUE INDEX images_pkey ON images USING btree (id)
-- index images_sha256_key: CREATE UNIQUE INDEX images_sha256_key ON images USING btree (sha256)
-- index tokens_name_key: CREATE UNIQUE INDEX tokens_name_key ON tokens USING btree (name) WHERE (revoked_at IS NULL)
-- index tokens_pkey: CREATE UNIQUE INDEX tokens_pkey ON tokens USING btree (id)
-- table image_documents: kind r, persistence p
-- table image_terms: kind r, persistence p
-- table images: kind r, persistence p
-- table tokens: kind r, persistence p
-- trigger images.images_list_deleted: CREATE TRIGGER images_list_deleted AFTER DELETE ON images REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT EXECUTE FUNCTION images_list_deleted()
-- trigger images.images_list_inserted: CREATE TRIGGER images_list_inserted AFTER INSERT ON images REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION images_list_inserted()
-- trigger images.images_list_truncated: CREATE TRIGGER images_list_truncated AFTER TRUNCATE ON images FOR EACH STATEMENT EXECUTE FUNCTION images_list_truncated()
-- trigger images.images_list_updated: CREATE TRIGGER images_list_updated AFTER UPDATE OF id, filename, content_type, title, description, tags, created_at ON images FOR EACH ROW EXECUTE FUNCTION images_list_updated()
