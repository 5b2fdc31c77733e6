-- find_own: whether the history has a migration of this project. Other programs use yoyo too.
-- :ids  the IDs of the project's migrations
SELECT EXISTS (SELECT FROM _yoyo_migration WHERE migration_id = ANY (:ids::text[]));
