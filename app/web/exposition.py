"""Exposition of the metrics in a format of Prometheus: coalesced, and cached for a second."""

import time
from collections.abc import Callable

from anyio import to_thread
from prometheus_client import exposition
from prometheus_client.openmetrics import exposition as open_metrics
from prometheus_client.registry import Collector

from app.database.database_metrics import DatabaseProbe
from app.observability.metrics import Metrics
from app.observability.multiprocess import all_workers
from app.single_flight import SingleFlight
from app.web.negotiation import quality

CACHE_TIME = 1.0  # seconds that a text is used again: to make one takes 45 ms of CPU
TEXT = "text/plain"
OPEN_METRICS = "application/openmetrics-text"
FORMATS: dict[str, tuple[Callable[[Collector], bytes], str]] = {
    TEXT: (exposition.generate_latest, exposition.CONTENT_TYPE_PLAIN_0_0_4),
    OPEN_METRICS: (open_metrics.generate_latest, open_metrics.CONTENT_TYPE_LATEST),
}


def choose(accept: str) -> str:
    """Return the format for an Accept header: OPEN_METRICS if the client prefers it, else TEXT.

    prometheus-client's choose_encoder() fails if the version in the header is not a number.
    """
    return OPEN_METRICS if quality(accept, OPEN_METRICS) > quality(accept, TEXT) else TEXT


class Exposition:
    """The metrics of all workers and of the database, as text. Callers at the same time share one rendering."""

    def __init__(self, measured: Metrics, probe: DatabaseProbe) -> None:
        self._measured = measured
        self._probe = probe
        self._flight: SingleFlight[str, bytes] = SingleFlight()
        self._texts: dict[str, tuple[float, bytes]] = {}  # by format, with time.monotonic() of its end

    async def text(self, format: str) -> bytes:
        """Return the metrics in one of FORMATS. They may be CACHE_TIME old."""
        made, text = self._texts.get(format, (0.0, b""))
        if text and time.monotonic() - made < CACHE_TIME:
            return text
        return await self._flight.share(format, lambda: self._render(format))

    async def _render(self, format: str) -> bytes:
        from_database = await self._probe.metrics()
        self._measured.publish()

        def work() -> bytes:
            collected = all_workers()
            collected.register(from_database)
            return FORMATS[format][0](collected)

        text = await to_thread.run_sync(work)
        self._texts[format] = time.monotonic(), text
        return text
