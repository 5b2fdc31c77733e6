"""What the service counts and measures, for Prometheus: GET /metrics.

Right across workers: prometheus-client's multiprocess mode, with a file for each worker in PROMETHEUS_MULTIPROC_DIR.
Writing there costs 4 µs each time, so that what happens with every request is counted here in plain numbers (0.4 µs),
which go there each second and when they are asked for. A worker that is killed takes its last second with it.
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
from app.observability.multiprocess import folder, forget_the_dead, registry
from app.observability.tally import Count, Durations

INTERVAL = 1.0  # seconds between two times that the numbers are handed on
METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS", "PUT"})
OTHER = "other"
TEMPORARY = "images-metrics-"  # what entrypoint.sh calls a folder that it makes

prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]


if (files := folder()) is not None:
    files.mkdir(parents=True, exist_ok=True)  # the last worker before this one may have removed it


class Connections(NamedTuple):
    """What a pool tells of itself."""

    used: int
    idle: int
    most: int
    waiting: int


class Pool(Protocol):
    def connections(self) -> Connections: ...


def gauge(name: str, documentation: str, *labels: str) -> Gauge:
    """The sum of what the workers that live have set."""
    return Gauge(name, documentation, labels, registry=registry, multiprocess_mode="livesum")


REQUESTS = Durations(
    "images_http_request_duration_seconds",
    "From a request's head to the last byte of its answer.",
    *("route", "method", "status"),
)
SENT = Count("images_http_response_body_bytes", "Bytes of the bodies of answers.", "route")
RUNNING = gauge("images_http_requests_in_progress", "Requests that have come and are not answered yet.")
QUERIES = Durations(
    "images_database_query_duration_seconds",
    "What a message with a statement of sql/queries/ took; it may be of up to 16 calls at once.",
    "query",
)
QUERY_ERRORS = Count(
    "images_database_query_errors",
    "Messages that failed, by the class of their SQLSTATE or what went wrong on the way.",
    *("query", "error"),
)
ACQUIRED = Durations("images_database_acquire_duration_seconds", "What getting a connection took, in vain too.", "pool")
CONNECTIONS = gauge("images_database_connections", "Connections that are open.", "pool", "state")
MOST_CONNECTIONS = gauge("images_database_connections_max", "Connections that there may be.", "pool")
WAITING = gauge("images_database_connections_waiting", "Who waits for a connection.", "pool")
UPLOADS = Counter("images_uploads", "Uploads by what became of them.", ["result"], registry=registry)
UPLOADED = Counter("images_upload_bytes", "Bytes of the images that were new or known.", registry=registry)
THUMBNAILS = Counter("images_thumbnails_made", "Thumbnails that were not in the store.", registry=registry)
DECODERS = Counter("images_decoder_starts", "Processes that were started to decode images.", registry=registry)
DECODER_FAILURES = Counter("images_decoder_failures", "Those that did not end well.", ["reason"], registry=registry)
LINES_DROPPED = Counter("images_log_lines_dropped", "Lines of the log that nobody read in time.", registry=registry)
STARTS = Counter("images_worker_starts", "Workers that were started.", registry=registry)
WORKERS = gauge("images_workers", "Workers that live.")

HANDED_ON = (REQUESTS, SENT, QUERIES, QUERY_ERRORS, ACQUIRED)

for result in ("new", "known", "refused", "failed"):
    UPLOADS.labels(result)
for reason in ("time", "memory", "crash", "start"):
    DECODER_FAILURES.labels(reason)


def error_of(error: BaseException) -> str:
    """A value of the label `error`: the class of the SQLSTATE (57 is a time-out or a shutdown), or a word."""
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
    """Counts an upload by what the endpoint says of it; one that ends in an error by that."""
    found: dict[str, Any] = {}
    try:
        yield found
    except BaseException as error:
        problem = getattr(error, "problem", None)
        rejected = isinstance(error, RejectedImageError) or (problem is not None and problem.status < 500)
        UPLOADS.labels("refused" if rejected else "failed").inc()
        raise
    UPLOADS.labels("new" if found["new"] else "known").inc()
    UPLOADED.inc(found["bytes"])


class Metrics:
    """What is measured while the application runs, by pools of these names; handed on each second."""

    def __init__(self, pools: Mapping[str, Pool], log: Handler | None) -> None:
        self._pools = pools
        self._log = log
        self._dropped = 0
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        forget_the_dead()
        STARTS.inc()
        WORKERS.set(1)
        self._tick()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._timer is not None
        self._timer.cancel()
        self.hand_on()
        if (files := folder()) is not None:
            mark_process_dead(os.getpid())  # type: ignore[no-untyped-call]
            if files.name.startswith(TEMPORARY) and not any(files.glob("gauge_live*")):  # the last of all workers
                shutil.rmtree(files, ignore_errors=True)

    def _tick(self) -> None:
        self.hand_on()
        self._timer = asyncio.get_running_loop().call_later(INTERVAL, self._tick)

    def hand_on(self) -> None:
        for tally in HANDED_ON:
            tally.hand_on()
        RUNNING.set(progress.running)
        if self._log is not None:
            LINES_DROPPED.inc(self._log.dropped - self._dropped)
            self._dropped = self._log.dropped
        for name, pool in self._pools.items():
            connections = pool.connections()
            CONNECTIONS.labels(name, "used").set(connections.used)
            CONNECTIONS.labels(name, "idle").set(connections.idle)
            MOST_CONNECTIONS.labels(name).set(connections.most)
            WAITING.labels(name).set(connections.waiting)


class _Progress:
    running = 0  # requests of this process


progress = _Progress()
