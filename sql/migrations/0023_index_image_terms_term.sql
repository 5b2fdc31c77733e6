-- The index of the tags in use.
--
-- What:  image_terms (term), in the order of the characters' numbers.
-- Why:   GET /v1/tags leaps in it from each term to the next, a look-up a tag, and counts its entries. COLLATE "C" makes
--        the tags with a prefix neighbours, which they are in no language's order, and so not in the primary key.
--        Rather than a table of tags that the triggers fill: there, two transactions that give the same new tags would
--        wait for each other, up to a deadlock, or a tag that is given and taken away at once would be lost; a tag that
--        no image has any more would stay; and the roles of services would need rights on it.
--        Equal terms share their entries, so that the index is small.
-- Locks: SHARE UPDATE EXCLUSIVE on image_terms: reads and writes go on, of images too. It waits twice for transactions
--        already open.
-- Cost:  two scans of the table, and a sort: 2.9 s and 19 MB for a million images with 1.9 tags each. Should it fail, see
--        0005.
-- transactional: false
-- depends: 0022_index_images_name

CREATE INDEX CONCURRENTLY image_terms_term_idx ON image_terms (term COLLATE "C");
