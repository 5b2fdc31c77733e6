#!/bin/sh
# Start the service: wait for PostgreSQL, migrate once (unless MIGRATE=false), become uvicorn. Health probes are answered
# from the first moment. With arguments, become that command instead.
# uvicorn reads WEB_CONCURRENCY, UVICORN_HOST, UVICORN_PORT and its other variables by itself.
set -eu

cd "$(dirname "$0")"

if [ "$#" -eq 0 ]; then
    if ! command -v images > /dev/null; then
        echo "error: the command images is not in PATH." >&2
        echo "hint: in a checkout: PATH=\$PWD/.venv/bin:\$PATH ./entrypoint.sh" >&2
        exit 2
    fi
    # uvicorn fails if this is set and empty.
    [ -n "${WEB_CONCURRENCY-}" ] || unset WEB_CONCURRENCY
    # Seconds that running requests have to finish after SIGTERM. Then they are cut off.
    export UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN="${UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN-30}"
    # By default, glibc keeps an arena of freed memory for each thread, with buffers of up to 32 MiB.
    export MALLOC_ARENA_MAX="${MALLOC_ARENA_MAX-1}" MALLOC_MMAP_THRESHOLD_="${MALLOC_MMAP_THRESHOLD_-262144}" \
        MALLOC_TRIM_THRESHOLD_="${MALLOC_TRIM_THRESHOLD_-131072}"
    # The workers share their metrics in files, in a new folder for each start.
    PROMETHEUS_MULTIPROC_DIR="${PROMETHEUS_MULTIPROC_DIR:-$(mktemp -d "${TMPDIR:-/tmp}/images-metrics-XXXXXXXX")}"
    export PROMETHEUS_MULTIPROC_DIR UVICORN_LOG_CONFIG="${UVICORN_LOG_CONFIG:-app/logging.json}"
    set -- python -m app.cli.start python -m app.supervisor --http app.worker:HttpProtocol --factory app.worker:create
fi

exec "$@"
