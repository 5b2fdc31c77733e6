-- find_unusable: whether this role lacks a right on a table or sequence, or row security would filter its rows. The
-- answer has no row if neither is true, or if the table does not exist. Row security filters the rows of a role with
-- the rights of the owner, `is_own`, only if it is forced.
-- :name   the table or sequence, quoted as in SQL, and perhaps with its schema
-- :right  SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES or TRIGGER. A right on one column is enough here. If there
--         are several, with commas, one of them on the whole table is enough. USAGE is a right on a sequence.
SELECT
    pg_describe_object('pg_class'::regclass, oid, 0) AS object,
    pg_get_userbyid(relowner)::text AS owner,
    row_security_active(oid) AS is_filtered,
    pg_has_role(relowner, 'USAGE') AS is_own
FROM pg_class
WHERE oid = to_regclass(:name)
    AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    AND (
        row_security_active(oid)
        OR NOT CASE
            WHEN relkind = 'S' THEN :right ~ 'INSERT|DELETE|TRUNCATE|REFERENCES|TRIGGER' OR has_sequence_privilege(oid, :right)
            WHEN :right IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES') THEN has_any_column_privilege(oid, :right)
            WHEN current_setting('server_version_num')::integer < 170000 AND :right LIKE '%MAINTAIN%'
                THEN has_table_privilege(oid, replace(:right, ', MAINTAIN', ''))
            ELSE has_table_privilege(oid, :right)
        END
    );
