"""Metrics for Prometheus: the counts of all workers and the values from the database (GET /metrics)."""

from anyio import to_thread
from prometheus_client.exposition import choose_encoder
from pydantic import JsonValue
from starlette.requests import Request
from starlette.responses import Response

from app.observability.multiprocess import all_workers
from app.web.operations import Answer, Tag, operation
from app.web.state import State

TEXT: dict[str, JsonValue] = {"type": "string"}


@operation(
    "GET",
    "/metrics",
    "getMetrics",
    tag=Tag.SERVICE,
    scope=None,
    summary="Get the metrics for Prometheus",
    description="`Accept` chooses the format. The metrics contain nothing about single images or clients.",
    answers=(Answer(200, "The metrics.", {"text/plain": TEXT, "application/openmetrics-text": TEXT}),),
)
async def get_metrics(request: Request[State]) -> Response:
    """Return the metrics of all workers.

    The operation is public. When the database is down, the service cannot look up a token, but you need the metrics.
    """
    from_database = await request.state["database_probe"].metrics()
    request.state["metrics"].publish()
    encode, media_type = choose_encoder(request.headers.get("accept", ""))

    def work() -> bytes:
        collected = all_workers()
        collected.register(from_database)
        return encode(collected)

    return Response(await to_thread.run_sync(work), headers={"Content-Type": media_type})
