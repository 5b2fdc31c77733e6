-- Creates the index of the tags that images have.
--
-- What:  image_terms (term), in the order of the characters' code points.
-- Why:   GET /v1/tags jumps in it from each term to the next, with one look-up for each tag, and counts the entries.
--        COLLATE "C" puts the tags with the same prefix side by side. The order of a language does not, so the primary
--        key does not either. A table of tags that the triggers fill would have three faults. Two transactions that add
--        the same new tags would wait for each other, and could deadlock. A tag that no image has would stay, or a tag
--        that is added and removed at once would be lost. The roles of services would need rights on it. Equal terms
--        share their entries, so the index is small.
-- Locks: SHARE UPDATE EXCLUSIVE on image_terms: reads and writes continue, of images too. The build waits twice for
--        transactions that are open already.
-- Cost:  two scans of the table, and a sort: 2.9 s and 19 MB for a million images with 1.9 tags each. For ten million
--        expect about ten times as much. If it fails, see 0005.
-- transactional: false
-- depends: 0022_index_images_name

CREATE INDEX CONCURRENTLY image_terms_term_idx ON image_terms (term COLLATE "C");
