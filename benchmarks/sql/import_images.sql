-- import_images: statements of psql for the rows that the service imports over HTTP, from CSV, into the same table.
\copy images (filename, content_type, byte_size, width, height, content_sha256, title, description, tags, attributes, created_at) FROM pstdin WITH (FORMAT csv)
