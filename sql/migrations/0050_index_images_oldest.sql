-- Builds the index of the newest-first list in ascending order.
--
-- What:  images (created_at, id). 0051 gives it the name of the present index, which is the same in descending order.
-- Why:   each upload is newer than all others. In descending order it is the first entry, and PostgreSQL splits a full
--        page in half, so that each page stays half empty. In ascending order it is the last entry, and PostgreSQL
--        leaves nine tenths of the page behind. After 400,000 uploads with edits and removals the index had 16 MB
--        instead of 29 MB. Fillfactor 80 and 100 gave larger ones. PostgreSQL reads an index backwards as well.
-- Locks: SHARE UPDATE EXCLUSIVE on images: reads and writes continue. The build waits twice for transactions that are
--        open already.
-- Cost:  two scans of the table, and a sort: 1.7 s, 15 MB and 13 MB of WAL for 360,000 images on a busy machine. For ten
--        million expect about thirty times as much. Until 0052, images has both indexes. If it fails, see 0005.
-- transactional: false
-- depends: 0045_require_images_content_sha256

CREATE INDEX CONCURRENTLY images_created_at_id_idx1 ON images (created_at, id);
