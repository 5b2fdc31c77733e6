#!/bin/sh
# Without arguments: wait for PostgreSQL, migrate once (unless MIGRATE=false), become uvicorn. With arguments: become that
# command.
# WEB_CONCURRENCY, UVICORN_HOST, UVICORN_PORT and the like are uvicorn's own and keep their meaning.
set -eu

cd "$(dirname "$0")"

if [ "$#" -eq 0 ]; then
    # A shell passes no signal on while it waits for a child, and as PID 1 it would not even end.
    trap 'kill -TERM "$child"; wait "$child"' TERM INT
    images wait --migrate &
    child=$!
    wait "$child"
    trap - TERM INT
    # How many seconds running requests have to finish once it is told to stop; then they are cut off.
    export UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN="${UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN-30}"
    # glibc keeps an arena of freed memory for each thread, and buffers of up to 32 MiB in them, unless told otherwise.
    export MALLOC_ARENA_MAX="${MALLOC_ARENA_MAX-1}" MALLOC_MMAP_THRESHOLD_="${MALLOC_MMAP_THRESHOLD_-262144}" \
        MALLOC_TRIM_THRESHOLD_="${MALLOC_TRIM_THRESHOLD_-131072}"
    # The workers count in files that they share, which are of this start alone.
    PROMETHEUS_MULTIPROC_DIR="${PROMETHEUS_MULTIPROC_DIR:-$(mktemp -d "${TMPDIR:-/tmp}/images-metrics-XXXXXXXX")}"
    export PROMETHEUS_MULTIPROC_DIR UVICORN_LOG_CONFIG="${UVICORN_LOG_CONFIG:-app/logging.json}"
    set -- uvicorn --http app.web.server.protocol:HttpProtocol --factory app.main:from_environment
fi

exec "$@"
