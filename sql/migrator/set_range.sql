-- set_range: gives a backfill the range of its next batch, if its statement reads settings and no parameters. They end
-- with the transaction.
-- :names  names of the settings.
-- :ends   their values: the first and the last key of the batch.
SELECT set_config(name, value, true)
FROM unnest(:names::text[], :ends::text[]) AS given (name, value);
