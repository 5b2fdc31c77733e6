-- find_volatile: whether one of these functions may change something. Then a plan does not run the block that calls it.
-- :names  names of functions, as an array
SELECT EXISTS (SELECT FROM pg_proc WHERE proname = ANY (:names::text[]) AND provolatile = 'v') AS is_volatile;
