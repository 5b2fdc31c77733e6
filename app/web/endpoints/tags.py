"""GET /v1/tags: the tags that images have."""

from starlette.requests import Request
from starlette.responses import Response

from app.catalogue.cursors import cursor_of
from app.catalogue.listing import TagQuery
from app.database import queries
from app.web.pagination import page
from app.web.parameters import parameters

PATH = "/v1/tags"


async def list_tags(request: Request) -> Response:
    query = parameters(request, TagQuery)
    rows = await queries.list_tags(
        request.state["reads"], prefix=query.prefix, last=query.last(), after=query.after(), limit=query.limit + 1
    )
    cursor = cursor_of("tags", rows[query.limit - 1]["tag"]) if len(rows) > query.limit else None
    return page(request, PATH, "tags", [row["json"] for row in rows[: query.limit]], cursor)
