"""Metrics of the service for Prometheus, declared and published: GET /metrics.

The numbers are right across workers: in prometheus-client's multiprocess mode, each worker has a file in
PROMETHEUS_MULTIPROC_DIR. Writing to it costs 4 µs each time. The metrics of every request are therefore counted in
plain numbers (0.4 µs). They are published once a second, and before an answer to GET /metrics. The last second of a
worker that is killed is lost.

The metrics of the database's state and of its migrations are declared in app/database/database_metrics.py.
"""

import asyncio
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol, Self

import asyncpg
import prometheus_client
from prometheus_client import Counter, Gauge
from prometheus_client.multiprocess import mark_process_dead

from app.errors import RejectedImageError
from app.observability.logs import Handler
from app.observability.multiprocess import folder, forget_dead_workers, registry, reserve
from app.observability.tally import Count, Durations

PUBLISH_INTERVAL = 1.0  # seconds
METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS", "PUT"})
OTHER = "other"
TEMPORARY_PREFIX = "images-metrics-"  # of the folder that entrypoint.sh makes

prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]


if (files := folder()) is not None:
    reserve(files)


class Connections(NamedTuple):
    """Numbers of connections of a pool. `waiting` is the number of callers in its queue."""

    used: int
    idle: int
    most: int
    waiting: int


class Pool(Protocol):
    """Pool of connections that can be measured."""

    def connections(self) -> Connections: ...


def gauge(name: str, documentation: str, *labels: str) -> Gauge:
    """Return a gauge that is the sum over the living workers."""
    return Gauge(name, documentation, labels, registry=registry, multiprocess_mode="livesum")


REQUESTS = Durations(
    "images_http_request_duration_seconds",
    "Time from the head of a request to the last byte of its response.",
    *("route", "method", "status"),
)
SENT = Count("images_http_response_body_bytes", "Bytes of response bodies.", "route")
RUNNING = gauge("images_http_requests_in_progress", "Requests that are not answered yet.")
QUERIES = Durations(
    "images_database_query_duration_seconds",
    "Time of a message with a statement of sql/queries/. One message may hold up to 16 calls.",
    "query",
)
QUERY_ERRORS = Count(
    "images_database_query_errors",
    "Messages that failed, by SQLSTATE class, timeout, connection, cancelled, or other.",
    *("query", "error"),
)
ACQUIRED = Durations(
    "images_database_acquire_duration_seconds", "Time to get a database connection, including failed attempts.", "pool"
)
CONNECTIONS = gauge("images_database_connections", "Open database connections, by state (used, idle).", "pool", "state")
MOST_CONNECTIONS = gauge("images_database_connections_max", "Maximum number of database connections.", "pool")
WAITING = gauge("images_database_connections_waiting", "Requests that wait for a database connection.", "pool")
UPLOADS = Counter("images_uploads", "Uploads, by result (new, known, rejected, failed).", ["result"], registry=registry)
UPLOADED = Counter("images_upload_bytes", "Bytes of uploaded images, new or known.", registry=registry)
CONTENT_FAULTS = Counter(
    "images_content_faults",
    "Downloads that failed because the object store has no bytes, or another number of bytes.",
    registry=registry,
)
THUMBNAILS = Counter(
    "images_thumbnails_made", "Thumbnails that were made because the object store had none.", registry=registry
)
DECODERS = Counter("images_decoder_starts", "Decoder processes that were started.", registry=registry)
DECODER_FAILURES = Counter(
    "images_decoder_failures",
    "Decoder failures, by reason (time, memory, forbidden, crash, start).",
    ["reason"],
    registry=registry,
)
DECODER_QUEUE = gauge(
    "images_decoder_queue", "Images that wait for a decoder, by queue (uploads, thumbnails, large).", "queue"
)
DECODER_WAIT = Durations(
    "images_decoder_wait_seconds",
    "Time that an image waited for a decoder, by queue (uploads, thumbnails, large).",
    "queue",
)
DECODER_QUEUE_LEFT = Counter(
    "images_decoder_queue_left",
    "Images that were not decoded, because the wait was too long (busy) or the client disconnected (canceled).",
    ["reason"],
    registry=registry,
)
LINES_DROPPED = Counter(
    "images_log_lines_dropped", "Log lines that were dropped because stderr was not read in time.", registry=registry
)
STARTS = Counter("images_worker_starts", "Worker processes that were started.", registry=registry)
WORKERS = gauge("images_workers", "Worker processes that are running.")

TALLIES = (REQUESTS, SENT, QUERIES, QUERY_ERRORS, ACQUIRED, DECODER_WAIT)

requests_running = 0  # requests that this process is answering; app/web/server/request_log.py counts them

for result in ("new", "known", "rejected", "failed"):
    UPLOADS.labels(result)
for reason in ("time", "memory", "forbidden", "crash", "start"):
    DECODER_FAILURES.labels(reason)
for reason in ("busy", "canceled"):
    DECODER_QUEUE_LEFT.labels(reason)


def error_of(error: BaseException) -> str:
    """Return the value of the label `error`: the class of the SQLSTATE (57 is a time-out or a shutdown), or a word."""
    match error:
        case asyncpg.PostgresError():
            return str(error.sqlstate or "XX")[:2]
        case asyncio.CancelledError():
            return "cancelled"
        case TimeoutError():
            return "timeout"
        case OSError() | asyncpg.InterfaceError() | asyncpg.InternalClientError():
            return "connection"
    return OTHER


@contextmanager
def measured_upload() -> Iterator[dict[str, Any]]:
    """Count an upload. The caller sets `new` and `bytes`. An exception counts as rejected or failed."""
    outcome: dict[str, Any] = {}
    try:
        yield outcome
    except BaseException as error:
        problem = getattr(error, "problem", None)
        rejected = isinstance(error, RejectedImageError) or (problem is not None and problem.status < 500)
        UPLOADS.labels("rejected" if rejected else "failed").inc()
        raise
    UPLOADS.labels("new" if outcome["new"] else "known").inc()
    UPLOADED.inc(outcome["bytes"])


class Metrics:
    """Publisher of the metrics while the application runs, once a second. `pools` are named as in the label `pool`."""

    def __init__(self, pools: Mapping[str, Pool], log: Handler | None) -> None:
        self._pools = pools
        self._log = log
        self._dropped = 0
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        forget_dead_workers()
        STARTS.inc()
        WORKERS.set(1)
        self._tick()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._timer is not None
        self._timer.cancel()
        self.publish()
        if (files := folder()) is not None:
            mark_process_dead(os.getpid())  # type: ignore[no-untyped-call]
            if files.name.startswith(TEMPORARY_PREFIX) and not any(
                files.glob("gauge_live*")
            ):  # this was the last worker
                shutil.rmtree(files, ignore_errors=True)

    def _tick(self) -> None:
        self.publish()
        self._timer = asyncio.get_running_loop().call_later(PUBLISH_INTERVAL, self._tick)

    def publish(self) -> None:
        """Publish the numbers of this worker."""
        for tally in TALLIES:
            tally.publish()
        RUNNING.set(requests_running)
        if self._log is not None:
            LINES_DROPPED.inc(self._log.dropped - self._dropped)
            self._dropped = self._log.dropped
        for name, pool in self._pools.items():
            connections = pool.connections()
            CONNECTIONS.labels(name, "used").set(connections.used)
            CONNECTIONS.labels(name, "idle").set(connections.idle)
            MOST_CONNECTIONS.labels(name).set(connections.most)
            WAITING.labels(name).set(connections.waiting)
