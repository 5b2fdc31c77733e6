-- Restores the functions of 0038. From then on image_words is out of date. 0059 empties it, and 0060
-- fills it again.
--
-- loses: nothing
-- Locks: none on images.
-- Cost:  none.

CREATE OR REPLACE FUNCTION images_list_inserted()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM set_config('search_path', quote_ident(TG_TABLE_SCHEMA) || ', pg_temp', true);

    INSERT INTO image_terms (term, created_at, image_id)
    SELECT term, created_at, id
    FROM inserted
    CROSS JOIN LATERAL unnest(images_terms(tags, content_type)) AS term
    ON CONFLICT DO NOTHING;

    INSERT INTO image_documents (created_at, image_id, document)
    SELECT created_at, id, images_search_document(title, description, filename, tags, content_type)
    FROM inserted
    ON CONFLICT (created_at, image_id) DO UPDATE
    SET document = EXCLUDED.document
    WHERE image_documents.document <> EXCLUDED.document;

    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION images_list_updated()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
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

    PERFORM set_config('search_path', quote_ident(TG_TABLE_SCHEMA) || ', pg_temp', true);

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
        FROM unnest(images_terms(NEW.tags, NEW.content_type)) AS term
        ON CONFLICT DO NOTHING;
    END IF;

    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION images_list_deleted()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
BEGIN
    PERFORM set_config('search_path', quote_ident(TG_TABLE_SCHEMA) || ', pg_temp', true);

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

CREATE OR REPLACE FUNCTION images_list_truncated()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM set_config('search_path', quote_ident(TG_TABLE_SCHEMA) || ', pg_temp', true);

    TRUNCATE image_terms, image_documents;

    RETURN NULL;
END
$$;
