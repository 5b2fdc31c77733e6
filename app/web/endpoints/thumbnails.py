"""Thumbnails: GET /v1/images/{id}/thumbnail, and the format that an Accept header asks for."""

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from app.catalogue.models import ThumbnailQuery
from app.catalogue.thumbnails import thumbnail_name
from app.decoder.formats import THUMBNAIL_EXTENSIONS, ThumbnailType
from app.web.conditional import not_modified, validators
from app.web.endpoints.content import FOR_EVER, content_row
from app.web.negotiation import quality, weights
from app.web.parameters import parameters
from app.web.problems import ProblemError


async def get_thumbnail(request: Request) -> Response:
    size = parameters(request, ThumbnailQuery).size
    format = accepted(",".join(request.headers.getlist("accept")))
    row = await content_row(request)
    headers = {
        **validators(f'"{quote(row["sha256"], safe="")}-{thumbnail_name(size, format)}"', row["created_at"]),
        "Cache-Control": FOR_EVER,
        "Vary": "Accept",
    }
    if not_modified(request, headers):
        return Response(status_code=304, headers=headers)
    content = await request.state["thumbnails"].get(row, size, format)
    headers |= {"Content-Type": format, "Content-Length": str(len(content))}
    return Response(None if request.method == "HEAD" else content, headers=headers)


def accepted(accept: str) -> ThumbnailType:
    """Return the format that an Accept header (RFC 9110, 12.5.1) prefers. No header, or an empty one, accepts all.

    The default is WebP. AVIF is chosen only if the header names it, because many clients send */* and cannot show it.
    Generated clients send application/problem+json, the type of our errors, although they expect a picture.

    Raises ProblemError: 406.
    """
    named = weights(accept)
    welcome = {format: quality(accept, format) for format in THUMBNAIL_EXTENSIONS}
    welcome["image/avif"] = named.get("image/avif", 0.0)
    best = max(welcome, key=lambda format: welcome[format])  # the first of the best
    if welcome[best] == 0 and named.get("application/problem+json"):
        return "image/webp"
    if welcome[best] == 0:
        raise ProblemError(406, detail=f"Thumbnails are {', '.join(THUMBNAIL_EXTENSIONS)}.")
    return best
