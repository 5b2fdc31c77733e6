-- can_read_hashes: returns whether the role images_app may read the hashes of all tokens, for `images token list`. After
-- an upgrade it may, until a DBA runs sql/roles.sql again.
-- Index: none, it reads the system catalog.
SELECT COALESCE(has_column_privilege(to_regrole('images_app'), to_regclass('tokens'), 'sha256', 'SELECT'), false)
    AS is_readable;
