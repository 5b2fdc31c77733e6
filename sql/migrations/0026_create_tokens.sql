-- Creates the table of bearer tokens. The database has only the SHA-256 of each token.
--
-- What:  the table tokens, empty. `images token create` fills it, as the owner of the schema.
-- Why:   * A token has 256 random bits, so its hash needs no salt. The hash does not reveal the token to a reader of
--          this table or of a backup. The token contains the ID. The service finds the row by it, and compares the
--          hashes in constant time.
--        * Revoked tokens stay, so that you can see their names and when they were last used. The name of a valid token
--          is unique.
-- Locks: none on images.
-- Cost:  none, also with ten million images. There is one row for each client, and a look-up reads one page of the
--        primary key.
-- depends: 0025_sample_image_terms

CREATE TABLE tokens (
    id uuid NOT NULL,
    name text NOT NULL,
    scope text NOT NULL,
    sha256 bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz,
    revoked_at timestamptz,
    CONSTRAINT tokens_pkey PRIMARY KEY (id),
    CONSTRAINT tokens_name_check CHECK (char_length(name) BETWEEN 1 AND 100),
    CONSTRAINT tokens_scope_check CHECK (scope IN ('read', 'write', 'admin')),
    CONSTRAINT tokens_sha256_check CHECK (octet_length(sha256) = 32)
);

CREATE UNIQUE INDEX tokens_name_key ON tokens (name) WHERE revoked_at IS NULL;

COMMENT ON TABLE tokens IS
    'The bearer tokens of the API, and those that were revoked. No token can be made from what is here.';

COMMENT ON COLUMN tokens.id IS
    'Random, and part of the token.';

COMMENT ON COLUMN tokens.name IS
    'Whose it is, for people; unique among those in force.';

COMMENT ON COLUMN tokens.scope IS
    'What it allows: read; write, which may read; admin, which may do all.';

COMMENT ON COLUMN tokens.sha256 IS
    'SHA-256 of the token, as it is sent: 32 bytes.';

COMMENT ON COLUMN tokens.created_at IS
    'When it was made.';

COMMENT ON COLUMN tokens.last_used_at IS
    'When it was last used, to a minute; NULL: never.';

COMMENT ON COLUMN tokens.revoked_at IS
    'Since when it allows nothing; NULL: it is in force.';

COMMENT ON CONSTRAINT tokens_name_check ON tokens IS
    'At most 100 characters.';

COMMENT ON CONSTRAINT tokens_scope_check ON tokens IS
    'The scopes that the service knows.';

COMMENT ON CONSTRAINT tokens_sha256_check ON tokens IS
    'A digest, in binary: never the token.';

COMMENT ON INDEX tokens_pkey IS
    'One token by its id: find_token.';

COMMENT ON INDEX tokens_name_key IS
    'One token in force by its name: insert_token, revoke_token.';
