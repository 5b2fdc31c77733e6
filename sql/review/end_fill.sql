-- end_fill: gives the GIN indexes their setting again, and puts the collected rows into them. See begin_fill.
DO $$
DECLARE
    slow text;
BEGIN
    FOREACH slow IN ARRAY COALESCE(NULLIF(current_setting('review.slow'), '')::text[], '{}')
    LOOP
        EXECUTE 'ALTER INDEX ' || slow || ' SET (fastupdate = off)';
        PERFORM gin_clean_pending_list(slow::regclass);
    END LOOP;
END
$$;
