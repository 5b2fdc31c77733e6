-- Drops the identity of the object store. The next apply and start make another one. The start then rejects the store,
-- which still has the old one, until `images objects adopt --replace ID`. Or insert the old one again before the start:
-- INSERT INTO object_stores (id) VALUES ('ID of catalogue.json in the store').
--
-- loses: the ID that the object store has too, in catalogue.json
-- rows to lose: SELECT count(*) FROM object_stores
-- Locks: ACCESS EXCLUSIVE on object_stores. A release that compares the IDs cannot do so from then on.
-- Cost:  none.

DROP TABLE object_stores;
