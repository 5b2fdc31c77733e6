-- find_outside: finds an object that the migrations have created outside of the schema public. A baseline cannot create
-- it: another schema, or an object that is in no schema. It returns its kind and its name.
-- Objects with a lower oid than 16384 are those of PostgreSQL itself. An extension comes before its own objects.
SELECT what
FROM (
    SELECT 'extension ' || quote_ident(extname) AS what
    FROM pg_extension
    WHERE extname <> 'plpgsql'

    UNION ALL

    SELECT 'schema ' || quote_ident(nspname)
    FROM pg_namespace
    WHERE oid >= 16384 AND nspname !~ '^pg_' AND nspname <> 'public'

    UNION ALL

    SELECT 'event trigger ' || quote_ident(evtname)
    FROM pg_event_trigger

    UNION ALL

    SELECT 'publication ' || quote_ident(pubname)
    FROM pg_publication

    UNION ALL

    SELECT 'foreign-data wrapper ' || quote_ident(fdwname)
    FROM pg_foreign_data_wrapper

    UNION ALL

    SELECT 'server ' || quote_ident(srvname)
    FROM pg_foreign_server

    UNION ALL

    SELECT 'cast from ' || castsource::regtype || ' to ' || casttarget::regtype
    FROM pg_cast
    WHERE oid >= 16384

    UNION ALL

    SELECT 'language ' || quote_ident(lanname)
    FROM pg_language
    WHERE oid >= 16384 AND lanname <> 'plpgsql'
) AS found
ORDER BY what NOT LIKE 'extension %', what
LIMIT 1;
