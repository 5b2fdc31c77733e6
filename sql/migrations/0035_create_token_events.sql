-- Creates the audit trail of tokens: a row, and a line in PostgreSQL's log, for each change of a token.
--
-- What:  the table token_events, a trigger on tokens that writes to it, and the trigger's function.
-- Why:   * A trigger also records what psql or an earlier release does. It ignores last_used_at.
--        * role is the one that connected. actor is what the `images token` command says about its user: a claim.
--        * images_app has no right on the table. The owner of the schema can change it, but not PostgreSQL's log.
--        * The function finds token_events in the schema of tokens, because its search_path is fixed.
-- Locks: SHARE ROW EXCLUSIVE on tokens until the commit, 4 ms: look-ups continue, and the record of a last use waits.
-- Cost:  none, also with ten million images. There are a few rows for each client.
-- depends: 0034_create_token_functions

CREATE TABLE token_events (
    id bigint GENERATED ALWAYS AS IDENTITY,
    happened_at timestamptz NOT NULL DEFAULT now(),
    action text NOT NULL,
    token_id uuid NOT NULL,
    name text NOT NULL,
    role text NOT NULL DEFAULT SESSION_USER,
    actor text,
    token jsonb NOT NULL,
    CONSTRAINT token_events_pkey PRIMARY KEY (id),
    CONSTRAINT token_events_action_check CHECK (action IN ('create', 'rotate', 'change', 'revoke', 'delete'))
);

COMMENT ON TABLE token_events IS
    'The audit trail of tokens: each time that one was made, rotated, changed, revoked or deleted.';

COMMENT ON COLUMN token_events.id IS
    'In the order in which they happened.';

COMMENT ON COLUMN token_events.happened_at IS
    'When the transaction began.';

COMMENT ON COLUMN token_events.action IS
    'What happened: create, rotate, change, revoke or delete.';

COMMENT ON COLUMN token_events.token_id IS
    'The ID of the token, as in tokens.';

COMMENT ON COLUMN token_events.name IS
    'The name of the token.';

COMMENT ON COLUMN token_events.role IS
    'The role that connected to PostgreSQL.';

COMMENT ON COLUMN token_events.actor IS
    'The user and the machine, as `images token` says: a claim. NULL: another program.';

COMMENT ON COLUMN token_events.token IS
    'The token afterwards, without its hashes.';

COMMENT ON CONSTRAINT token_events_action_check ON token_events IS
    'The actions that the trigger knows.';

COMMENT ON INDEX token_events_pkey IS
    'The order of the events.';

CREATE FUNCTION images_record_token_event()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    hidden CONSTANT text[] := ARRAY['sha256', 'former_sha256', 'last_used_at'];
    before CONSTANT jsonb := to_jsonb(OLD) - hidden;
    after CONSTANT jsonb := to_jsonb(NEW) - hidden;
    actor CONSTANT text := nullif(left(current_setting('images.actor', true), 200), '');
    token CONSTANT jsonb := COALESCE(after, before);
    action text;
BEGIN
    action := CASE
        WHEN TG_OP = 'INSERT' THEN 'create'
        WHEN TG_OP = 'DELETE' THEN 'delete'
        WHEN OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL THEN 'revoke'
        WHEN OLD.sha256 <> NEW.sha256 THEN 'rotate'
        WHEN before <> after OR OLD.former_sha256 IS DISTINCT FROM NEW.former_sha256 THEN 'change'
    END;

    IF action IS NOT NULL THEN
        EXECUTE format(
            'INSERT INTO %I.token_events (action, token_id, name, actor, token) VALUES ($1, $2, $3, $4, $5)',
            TG_TABLE_SCHEMA
        )
        USING action, (token ->> 'id')::uuid, token ->> 'name', actor, token;

        RAISE LOG 'images: % of token % (%) by role %, %',
            action, token -> 'name', token ->> 'id', to_json(SESSION_USER), COALESCE(to_json(actor)::text, 'another program');
    END IF;

    RETURN NULL;
END
$$;

REVOKE ALL ON FUNCTION images_record_token_event() FROM PUBLIC;

COMMENT ON FUNCTION images_record_token_event() IS
    'Records a change of a token in token_events and in the log.';

-- allow: new-trigger because tokens has a row for each client, and the record of a last use can wait
CREATE TRIGGER tokens_record_event
AFTER INSERT OR DELETE OR UPDATE OF
    id, name, scope, sha256, created_at, revoked_at, note, expires_at, rotated_at, former_sha256, former_expires_at,
    requests_per_second, upload_bytes_per_day
ON tokens
FOR EACH ROW
EXECUTE FUNCTION images_record_token_event();
