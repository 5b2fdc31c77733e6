-- Drops the audit trail of tokens. PostgreSQL's log keeps its lines.
--
-- loses: the author and the time of each change of a token
-- rows to lose: SELECT count(*) FROM token_events
-- Locks: ACCESS EXCLUSIVE on tokens until the commit, for a catalog change: look-ups wait for 8 ms.
-- Cost:  none.

DROP TRIGGER tokens_record_event ON tokens;

DROP FUNCTION images_record_token_event();

DROP TABLE token_events;
