"""The formats of thumbnails, and which one an Accept header asks for."""

import re
from typing import Literal

from app.problems import ProblemError

Format = Literal["image/avif", "image/webp", "image/jpeg"]

# In the order of our choice: AVIF is a third smaller than a JPEG that looks the same.
EXTENSIONS: dict[Format, str] = {"image/avif": "avif", "image/webp": "webp", "image/jpeg": "jpg"}


def accepted(accept: str) -> Format:
    """The format that an Accept header (RFC 9110, 12.5.1) prefers; no header, or an empty one, accepts all.

    WebP where all are as welcome. AVIF only where it is named: many who say */* cannot show it.
    Raises ProblemError 406.
    """
    weights: dict[str, float] = {}
    for media_range in accept.lower().split(",") if accept.strip() else ["*/*"]:
        name, *parameters = (token.strip() for token in media_range.split(";"))
        weight = next((token[2:] for token in parameters if token.startswith("q=")), "1")
        if re.fullmatch(r"(0(\.\d{0,3})?|1(\.0{0,3})?)", weight):
            weights[name] = float(weight)
    anything = weights.get("image/*", weights.get("*/*", 0.0))
    welcome = {format: weights.get(format, 0.0 if format == "image/avif" else anything) for format in EXTENSIONS}
    best = max(welcome, key=lambda format: welcome[format])  # the first of the best
    if welcome[best] == 0:
        raise ProblemError(406, detail=f"Thumbnails are {', '.join(EXTENSIONS)}.")
    return best
