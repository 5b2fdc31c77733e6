"""Metrics for Prometheus: the counts of all workers and the values from the database (GET /metrics)."""

from pydantic import JsonValue
from starlette.requests import Request
from starlette.responses import Response

from app.web import exposition
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
    description="`Accept` chooses the format. The metrics may be a second old. They contain nothing about single "
    "images or clients.",
    answers=(Answer(200, "The metrics.", {"text/plain": TEXT, "application/openmetrics-text": TEXT}),),
)
async def get_metrics(request: Request[State]) -> Response:
    """Return the metrics of all workers.

    The operation is public. When the database is down, the service cannot look up a token, but you need the metrics.
    """
    format = exposition.choose(request.headers.get("accept", ""))
    content = await request.state["exposition"].text(format)
    return Response(content, headers={"Content-Type": exposition.FORMATS[format][1]})
