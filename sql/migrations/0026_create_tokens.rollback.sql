-- Drops the tokens: with AUTH=token nobody is let in until there are new ones, and the release that has them.
--
-- loses: every token, in force or revoked
-- rows to lose: SELECT count(*) FROM tokens
-- Locks: ACCESS EXCLUSIVE on tokens; requests of a release that asks for tokens fail from then on.
-- Cost:  none.

DROP TABLE tokens;
