"""GET /v1/stats: the catalogue in figures."""

from starlette.requests import Request
from starlette.responses import Response

from app.database import queries

FEW = 10_000  # images, up to which all are read and every figure is exact


async def read_stats(request: Request) -> Response:
    return Response(await queries.read_stats(request.state["reads"], FEW), media_type="application/json")
