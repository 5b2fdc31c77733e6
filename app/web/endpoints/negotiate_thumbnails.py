"""The formats of thumbnails, and which one an Accept header asks for."""

from app.decoder.formats import THUMBNAIL_EXTENSIONS, ThumbnailType
from app.web.negotiation import quality, weights
from app.web.problems import ProblemError


def accepted(accept: str) -> ThumbnailType:
    """The format that an Accept header (RFC 9110, 12.5.1) prefers; no header, or an empty one, accepts all.

    WebP where all are as welcome. AVIF only where it is named: many who say */* cannot show it.
    Raises ProblemError 406.
    """
    named = weights(accept)
    welcome = {format: quality(accept, format) for format in THUMBNAIL_EXTENSIONS}
    welcome["image/avif"] = named.get("image/avif", 0.0)
    best = max(welcome, key=lambda format: welcome[format])  # the first of the best
    if welcome[best] == 0:
        raise ProblemError(406, detail=f"Thumbnails are {', '.join(THUMBNAIL_EXTENSIONS)}.")
    return best
