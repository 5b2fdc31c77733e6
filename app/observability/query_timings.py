"""Query timings: of each statement of sql/queries/, for the metrics and for the log line of the request."""

from time import perf_counter

from app.observability import metrics
from app.observability.context import CONTEXT


def record_query(name: str, started: float, error: BaseException | None = None) -> None:
    """Record a statement that began at `started` (perf_counter) and has ended now, or has failed with `error`."""
    seconds = perf_counter() - started
    metrics.QUERIES.observe(seconds, (name,))
    if error is not None:
        metrics.QUERY_ERRORS.add(1, (name, metrics.error_of(error)))
    add_to_request(name, seconds)


def add_to_request(name: str, seconds: float) -> None:
    """Add the time to the current request. A query that several requests share runs outside of any request."""
    context = CONTEXT.get()
    if context is not None:
        context.add_query(name, seconds)
