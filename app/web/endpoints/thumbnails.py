"""GET /v1/images/{id}/thumbnail."""

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from app.catalogue.models import ThumbnailQuery
from app.catalogue.thumbnails import thumbnail_name
from app.web.conditional import not_modified
from app.web.endpoints.content import FOR_EVER, content_row
from app.web.endpoints.negotiate_thumbnails import accepted
from app.web.parameters import parameters


async def get_thumbnail(request: Request) -> Response:
    size = parameters(request, ThumbnailQuery).size
    format = accepted(",".join(request.headers.getlist("accept")))
    row = await content_row(request)
    headers = {
        "ETag": f'"{quote(row["sha256"], safe="")}-{thumbnail_name(size, format)}"',
        "Cache-Control": FOR_EVER,
        "Vary": "Accept",
    }
    if not_modified(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    content = await request.state["thumbnails"].get(row, size, format)
    headers |= {"Content-Type": format, "Content-Length": str(len(content))}
    return Response(None if request.method == "HEAD" else content, headers=headers)
