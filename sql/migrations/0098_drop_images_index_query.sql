-- Drops images_index_query().
--
-- What:  the function of 0089.
-- Why:   images_index_queries() of 0097 is in its place, and no release that runs now calls it.
-- Locks: none.
-- Cost:  none.
-- phase: contract
-- depends: 0097_create_images_index_queries

DROP FUNCTION images_index_query(text[], text, tsquery);
