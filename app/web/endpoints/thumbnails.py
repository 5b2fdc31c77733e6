"""Thumbnails: GET /v1/images/{id}/thumbnail, and the format that an Accept header asks for."""

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from app.catalogue.models import ThumbnailQuery
from app.catalogue.thumbnails import thumbnail_name
from app.decoder.formats import THUMBNAIL_EXTENSIONS, ThumbnailType
from app.web.conditional import not_modified, validators
from app.web.endpoints.content import BYTES, CACHE_CONTROL, content_row
from app.web.negotiation import quality, weights
from app.web.operations import NOT_MODIFIED, READ_CONDITIONS, Answer, Tag, operation
from app.web.parameters import parameters
from app.web.problems import ProblemError
from app.web.state import State


@operation(
    "GET",
    "/v1/images/{id:uuid}/thumbnail",
    "getThumbnail",
    tag=Tag.CONTENT,
    scope="read",
    summary="Get a thumbnail",
    description="Returns a small copy of the image: upright, in sRGB, and without metadata. An image that is smaller "
    "than `size` is not enlarged. `Accept` chooses the format. The default is WebP. AVIF is sent only if `Accept` "
    "names it. In JPEG, transparent areas are white.",
    query=ThumbnailQuery,
    headers=READ_CONDITIONS,
    answers=(
        Answer(200, "The thumbnail.", dict.fromkeys(THUMBNAIL_EXTENSIONS, BYTES), ("ETag", "Last-Modified", "Vary")),
        NOT_MODIFIED,
    ),
    problems=(
        "404",
        "404 image-not-found",
        "404 content-missing",
        "404 no-thumbnail",
        "406",
        "412",
        "503 busy",
        "503 storage-unavailable",
    ),
)
async def get_thumbnail(request: Request[State]) -> Response:
    size = parameters(request, ThumbnailQuery).size
    format = accepted(",".join(request.headers.getlist("accept")))
    row = await content_row(request)
    headers = {
        **validators(f'"{quote(row["sha256"], safe="")}-{thumbnail_name(size, format)}"', row["created_at"]),
        "Cache-Control": CACHE_CONTROL,
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
