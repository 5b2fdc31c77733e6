"""The formats of thumbnails, and which one an Accept header asks for."""

from typing import Literal

from app.negotiation import quality, weights
from app.problems import ProblemError

Format = Literal["image/avif", "image/webp", "image/jpeg"]

# In the order of our choice: AVIF is a third smaller than a JPEG that looks the same.
EXTENSIONS: dict[Format, str] = {"image/avif": "avif", "image/webp": "webp", "image/jpeg": "jpg"}


def accepted(accept: str) -> Format:
    """The format that an Accept header (RFC 9110, 12.5.1) prefers; no header, or an empty one, accepts all.

    WebP where all are as welcome. AVIF only where it is named: many who say */* cannot show it.
    Raises ProblemError 406.
    """
    named = weights(accept)
    welcome = {format: quality(accept, format) for format in EXTENSIONS}
    welcome["image/avif"] = named.get("image/avif", 0.0)
    best = max(welcome, key=lambda format: welcome[format])  # the first of the best
    if welcome[best] == 0:
        raise ProblemError(406, detail=f"Thumbnails are {', '.join(EXTENSIONS)}.")
    return best
