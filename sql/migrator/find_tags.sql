-- find_tags: finds out whether this database has the table of tags.
SELECT to_regclass('_yoyo_ledger_tags') IS NOT NULL AS has_tags;
