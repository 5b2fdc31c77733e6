-- Drops the tokens. With AUTH=token the service then rejects every client, until there are new tokens and a release
-- that knows them.
--
-- loses: every token, valid or revoked
-- rows to lose: SELECT count(*) FROM tokens
-- Locks: ACCESS EXCLUSIVE on tokens. From then on the requests of a release that checks tokens fail.
-- Cost:  none.

DROP TABLE tokens;
