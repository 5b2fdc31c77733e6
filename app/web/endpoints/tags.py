"""Tags of the images, with counts (GET /v1/tags)."""

from starlette.requests import Request
from starlette.responses import Response

from app.catalogue.cursors import cursor_of
from app.catalogue.listing import TagQuery
from app.catalogue.models import TagPage
from app.database import queries
from app.web.operations import JSON, Answer, Tag, operation
from app.web.pagination import page
from app.web.parameters import parameters
from app.web.state import State

PATH = "/v1/tags"


@operation(
    "GET",
    PATH,
    "listTags",
    tag=Tag.FIGURES,
    scope="read",
    summary="List tags",
    description="Returns the tags that images have, with the number of images of each. Tags that differ only in "
    "case count as one tag, with the spelling of the oldest image that has it. The order is that of the Unicode "
    "code points in lower case.",
    query=TagQuery,
    answers=(Answer(200, "A page. If there is a next page, `Link` points to it.", {JSON: TagPage}, ("Link",)),),
)
async def list_tags(request: Request[State]) -> Response:
    query = parameters(request, TagQuery)
    rows = await queries.list_tags(
        request.state["reads"], prefix=query.first(), last=query.last(), after=query.after(), limit=query.limit + 1
    )
    cursor = cursor_of("tags", rows[query.limit - 1]["key"]) if len(rows) > query.limit else None
    return page(request, PATH, "tags", [row["json"] for row in rows[: query.limit] if row["json"]], cursor)
