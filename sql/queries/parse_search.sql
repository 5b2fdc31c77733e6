-- parse_search: reads terms and words as a search does, after a search has failed. It reads no table, so only a
-- parameter can make it fail. For GET /v1/images?q= and GET /v1/images/export?q=.
-- $1 text[]  terms: tag:..., type:...; may be empty
-- $2 text    words in web-search syntax
-- Index: none, no table is read.
-- example a phrase: '{tag:street}', '"in the fog" -night'
SELECT numnode(images_query($1::text[], $2::text)) AS nodes;
