"""The schema that create_all() of the former service created, and rows for it."""

CREATE_ALL = """
CREATE TABLE images (
    id UUID NOT NULL,
    filename VARCHAR(255) NOT NULL,
    content_type VARCHAR(100) NOT NULL,
    byte_size BIGINT NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    sha256 VARCHAR(64) NOT NULL,
    storage_key VARCHAR(512) NOT NULL,
    title VARCHAR(200),
    description TEXT,
    tags TEXT[] NOT NULL,
    attributes JSONB NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX ix_images_created_at ON images (created_at);
CREATE UNIQUE INDEX ix_images_sha256 ON images (sha256);
CREATE INDEX ix_images_tags ON images USING gin (tags);
"""

# These rows use the limits of the old types, and have values that only the old types allowed, such as empty arrays.
ROWS = """
INSERT INTO images
    (id, filename, content_type, byte_size, width, height, sha256, storage_key, title, description, tags, attributes)
SELECT
    gen_random_uuid(),
    repeat('é', 255),
    repeat('t', 100),
    -1,
    0,
    -2147483648,
    lpad(n::text, 64, 'F'),
    repeat('k', 512),
    CASE WHEN n % 3 = 0 THEN repeat('t', 200) END,
    CASE WHEN n % 3 = 1 THEN repeat('word ', 300000) END,
    CASE WHEN n % 2 = 0 THEN '{}'::text[] ELSE ARRAY['red', 'red', NULL, n::text] END,
    CASE WHEN n % 2 = 0 THEN '[]'::jsonb ELSE '{"a": {"b": null}}' END
FROM generate_series(1, 20) AS n
"""

# The same rows for the schema of today.
ROWS_NOW = ROWS.replace("sha256, storage_key", "content_sha256, own_key").replace(
    "lpad(n::text, 64, 'F')", "images_sha256_bytes(lpad(n::text, 64, 'F'))"
)
