"""Timeline: the months in which images were taken (GET /v1/timeline)."""

from datetime import date

from starlette.requests import Request
from starlette.responses import Response

from app.catalogue.timeline import Month, Timeline, TimelineQuery
from app.database import queries
from app.web.operations import JSON, Answer, Tag, operation
from app.web.parameters import parameters
from app.web.state import State

EXACT_IMAGES = 200  # images of a month up to which they are counted


@operation(
    "GET",
    "/v1/timeline",
    "getTimeline",
    tag=Tag.FIGURES,
    scope="read",
    summary="List the months in which images were taken",
    description="Returns the months of UTC, latest first, and the number of images of each. Images without a time of "
    f"capture do not count. Above {EXACT_IMAGES} images of a month, the number is an estimate.",
    query=TimelineQuery,
    answers=(Answer(200, "The months.", {JSON: Timeline}),),
)
async def get_timeline(request: Request[State]) -> Response:
    query = parameters(request, TimelineQuery)
    before = date.fromisoformat(f"{query.before}-01") if query.before else date(9999, 12, 31)
    rows = await queries.list_months(request.state["reads"], before, query.limit + 1, EXACT_IMAGES)
    months = [Month(**row) for row in rows]
    following = months[query.limit - 1].month if len(months) > query.limit else None
    timeline = Timeline(months=months[: query.limit], next=following)
    return Response(timeline.model_dump_json(), media_type=JSON)
