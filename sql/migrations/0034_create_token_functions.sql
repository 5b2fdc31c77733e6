-- Creates the functions through which the service uses tokens: it finds one by its ID, and counts what it uses.
--
-- What:  four functions that run with the rights of their owner (SECURITY DEFINER). 0036 lets images_app execute them.
-- Why:   * With SELECT on tokens, images_app can read the hashes of all tokens. With these functions it can read only
--          that of a token whose random ID it knows. It needs no right on a table, and so it cannot list the IDs.
--        * The bodies are BEGIN ATOMIC: PostgreSQL resolved their names when it created them. With the fixed
--          search_path, no table or operator of a caller can take the place of another.
--        * All times are those of PostgreSQL's clock. The clocks of the workers do not matter.
-- Locks: ACCESS SHARE on tokens and token_usage until the commit: no reader or writer waits.
-- Cost:  none, also with ten million images. Each call reads one row by a primary key.
-- depends: 0033_create_token_usage

CREATE FUNCTION images_find_token(token uuid)
RETURNS TABLE (
    scope text,
    sha256 bytea,
    expires_in double precision,
    former_sha256 bytea,
    former_expires_in double precision,
    requests_per_second bigint,
    upload_bytes_per_day bigint,
    upload_bytes bigint,
    day_ends_in double precision
)
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT
        tokens.scope,
        tokens.sha256,
        EXTRACT(epoch FROM tokens.expires_at - now())::double precision,
        tokens.former_sha256,
        EXTRACT(epoch FROM tokens.former_expires_at - now())::double precision,
        tokens.requests_per_second,
        tokens.upload_bytes_per_day,
        COALESCE(token_usage.upload_bytes, 0),
        EXTRACT(epoch FROM date_trunc('day', now(), 'UTC') + interval '24 hours' - now())::double precision
    FROM tokens
    LEFT JOIN token_usage
        ON token_usage.token_id = tokens.id
            AND token_usage.upload_day = (now() AT TIME ZONE 'UTC')::date
    WHERE tokens.id = images_find_token.token
        AND tokens.revoked_at IS NULL;
END;

CREATE FUNCTION images_touch_token(token uuid)
RETURNS timestamptz
LANGUAGE sql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    UPDATE tokens
    SET last_used_at = now()
    WHERE tokens.id = (
        SELECT used.id
        FROM tokens AS used
        WHERE used.id = images_touch_token.token
            AND used.revoked_at IS NULL
            AND (used.last_used_at IS NULL OR used.last_used_at < now() - interval '1 minute')
        FOR NO KEY UPDATE SKIP LOCKED
    )
    RETURNING tokens.last_used_at;
END;

CREATE FUNCTION images_take_requests(token uuid, wanted bigint)
RETURNS TABLE (granted bigint, remaining bigint, wait double precision)
LANGUAGE sql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO token_usage (token_id)
    SELECT tokens.id
    FROM tokens
    WHERE tokens.id = images_take_requests.token
        AND tokens.requests_per_second IS NOT NULL
    ON CONFLICT (token_id) DO NOTHING;

    -- A bucket that the clock has put more than a second ahead is empty now, and full in a second.
    UPDATE token_usage
    SET full_at = bucket.full_at + interval '1 second' * (bucket.granted / bucket.rate)
    FROM (
        SELECT
            level.token_id,
            level.full_at,
            level.rate,
            level.available,
            LEAST(floor(level.available + 0.001), images_take_requests.wanted)::double precision AS granted
        FROM (
            SELECT
                locked.token_id,
                locked.rate,
                LEAST(GREATEST(locked.full_at, locked.moment), locked.moment + interval '1 second') AS full_at,
                locked.rate * (1 - EXTRACT(
                    epoch FROM
                    LEAST(GREATEST(locked.full_at, locked.moment), locked.moment + interval '1 second') - locked.moment
                ))::double precision AS available
            FROM (
                SELECT
                    token_usage.token_id,
                    token_usage.full_at,
                    tokens.requests_per_second::double precision AS rate,
                    clock_timestamp() AS moment
                FROM token_usage
                JOIN tokens ON tokens.id = token_usage.token_id
                WHERE token_usage.token_id = images_take_requests.token
                    AND tokens.requests_per_second IS NOT NULL
                FOR NO KEY UPDATE OF token_usage
            ) AS locked
        ) AS level
    ) AS bucket
    WHERE token_usage.token_id = bucket.token_id
    RETURNING
        bucket.granted::bigint,
        floor(bucket.available + 0.001 - bucket.granted)::bigint,
        GREATEST((1 - bucket.available + bucket.granted) / bucket.rate, 0);
END;

CREATE FUNCTION images_count_upload_bytes(token uuid, bytes bigint, day date)
RETURNS TABLE (granted boolean, remaining bigint, today date, day_ends_in double precision)
LANGUAGE sql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO token_usage (token_id)
    SELECT tokens.id
    FROM tokens
    WHERE tokens.id = images_count_upload_bytes.token
        AND tokens.upload_bytes_per_day IS NOT NULL
    ON CONFLICT (token_id) DO NOTHING;

    UPDATE token_usage
    SET
        upload_day = counted.today,
        upload_bytes = counted.used + CASE WHEN counted.fits THEN counted.bytes ELSE 0 END
    FROM (
        SELECT
            used.token_id,
            used.quota,
            used.today,
            used.used,
            used.bytes,
            used.bytes <= 0 OR used.used + used.bytes <= used.quota AS fits,
            used.day_ends_in
        FROM (
            SELECT
                locked.token_id,
                locked.quota,
                locked.today,
                locked.day_ends_in,
                CASE WHEN locked.upload_day = locked.today THEN locked.upload_bytes ELSE 0 END AS used,
                CASE
                    WHEN images_count_upload_bytes.bytes > 0 THEN images_count_upload_bytes.bytes
                    WHEN images_count_upload_bytes.day = locked.today AND locked.upload_day = locked.today
                        THEN GREATEST(images_count_upload_bytes.bytes, -locked.upload_bytes)
                    ELSE 0
                END AS bytes
            FROM (
                SELECT
                    token_usage.token_id,
                    token_usage.upload_day,
                    token_usage.upload_bytes,
                    tokens.upload_bytes_per_day AS quota,
                    (clock_timestamp() AT TIME ZONE 'UTC')::date AS today,
                    EXTRACT(
                        epoch FROM
                        date_trunc('day', clock_timestamp(), 'UTC') + interval '24 hours' - clock_timestamp()
                    )::double precision AS day_ends_in
                FROM token_usage
                JOIN tokens ON tokens.id = token_usage.token_id
                WHERE token_usage.token_id = images_count_upload_bytes.token
                    AND tokens.upload_bytes_per_day IS NOT NULL
                FOR NO KEY UPDATE OF token_usage
            ) AS locked
        ) AS used
    ) AS counted
    WHERE token_usage.token_id = counted.token_id
    RETURNING
        counted.fits,
        GREATEST(counted.quota - token_usage.upload_bytes, 0),
        counted.today,
        counted.day_ends_in;
END;

REVOKE ALL ON FUNCTION
    images_find_token(uuid),
    images_touch_token(uuid),
    images_take_requests(uuid, bigint),
    images_count_upload_bytes(uuid, bigint, date)
FROM PUBLIC;

COMMENT ON FUNCTION images_find_token(uuid) IS
    'A token that is not revoked, by its ID.';

COMMENT ON FUNCTION images_touch_token(uuid) IS
    'Records that a token is in use, at most once a minute. If its row is locked, it records nothing and does not wait.';

COMMENT ON FUNCTION images_take_requests(uuid, bigint) IS
    'Takes requests for a worker from those that the token may send. wait: seconds until there is one more.';

COMMENT ON FUNCTION images_count_upload_bytes(uuid, bigint, date) IS
    'Counts bytes of a body, if the day of UTC has as many left. A negative number gives bytes of that day back.';
