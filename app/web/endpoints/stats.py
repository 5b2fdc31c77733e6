"""Statistics: totals of the catalogue (GET /v1/stats)."""

from starlette.requests import Request
from starlette.responses import Response

from app.catalogue.models import Stats
from app.database import queries
from app.web.operations import JSON, Answer, Tag, operation
from app.web.state import State

EXACT_IMAGES = 10_000  # up to this number of images, all are read and every total is exact


@operation(
    "GET",
    "/v1/stats",
    "getStats",
    tag=Tag.FIGURES,
    scope="read",
    summary="Get the totals of the catalogue",
    description=f"Returns the numbers of images, bytes, media types, and tags. With more than {EXACT_IMAGES:,} images, "
    "the service estimates the totals and lists the estimated fields in `estimated`.",
    answers=(Answer(200, "The totals.", {JSON: Stats}),),
)
async def read_stats(request: Request[State]) -> Response:
    return Response(await queries.read_stats(request.state["reads"], EXACT_IMAGES), media_type=JSON)
