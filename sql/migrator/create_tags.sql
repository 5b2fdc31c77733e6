-- create_tags: creates the table of tags beside the ledger. A tag is a name for the migrations that are applied now, so
-- that `schema rollback --to` can return to them. Every role of the database may read it, as the ledger.
CREATE TABLE _yoyo_ledger_tags (
    name text NOT NULL,
    migration_ids text[] NOT NULL,
    digests text[] NOT NULL,
    tagged_at timestamptz NOT NULL DEFAULT now(),
    username text NOT NULL,
    hostname text NOT NULL,
    CONSTRAINT _yoyo_ledger_tags_pkey PRIMARY KEY (name)
);

COMMENT ON TABLE _yoyo_ledger_tags IS
    'Names for states of the schema: the migrations that were applied then, with their digests.';

GRANT SELECT ON _yoyo_ledger_tags TO PUBLIC;
