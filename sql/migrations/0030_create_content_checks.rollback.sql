-- Drops the results of `images objects check --verify`.
--
-- loses: when the bytes of each image were last verified, and which were found to be wrong
-- rows to lose: SELECT count(*) FROM content_checks
-- Locks: ACCESS EXCLUSIVE on content_checks. From then on, uploads of known bytes by a release that reads it fail.
-- Cost:  none.

DROP TABLE content_checks;
