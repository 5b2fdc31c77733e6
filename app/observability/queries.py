"""app.observability.queries: to be described."""

from time import perf_counter

from app.observability import metrics
from app.observability.context import CONTEXT


def query(name: str, started: float, error: BaseException | None = None) -> None:
    """A statement has been run, or has failed."""
    seconds = perf_counter() - started
    metrics.QUERIES.observe(seconds, (name,))
    if error is not None:
        metrics.QUERY_ERRORS.add(1, (name, metrics.error_of(error)))
    waited(name, seconds)


def waited(name: str, seconds: float) -> None:
    """The request that this runs in has waited for a statement; what many wait for together runs in none."""
    context = CONTEXT.get()
    if context is not None:
        context.add_query(name, seconds)
