-- name_actor: sets the name of the user who runs an `images token` command, until the end of the transaction. The trigger tokens_record_event
-- records it.
-- $1 text  user and machine
-- Index: none.
-- example a user: 'alice@ops'
SELECT set_config('images.actor', $1, true) AS actor;
