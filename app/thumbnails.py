"""Thumbnails, by libvips: upright, never enlarged, in sRGB, without metadata."""

import re
from typing import Literal

import pyvips

from app.measure import broken, open_image, open_source
from app.problems import ProblemError
from app.spool import Content

Format = Literal["image/avif", "image/webp", "image/jpeg"]

# In the order of our choice: libvips' saver and its options. AVIF is a third smaller than a JPEG that looks the same.
# With more effort, WebP and AVIF take longer than all the rest.
SAVERS: dict[Format, tuple[str, dict[str, object]]] = {
    "image/avif": ("heifsave_buffer", {"compression": "av1", "Q": 60, "effort": 0}),
    "image/webp": ("webpsave_buffer", {"Q": 80, "effort": 2}),
    "image/jpeg": ("jpegsave_buffer", {"Q": 80, "optimize_coding": True}),
}
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
    welcome = {format: weights.get(format, 0.0 if format == "image/avif" else anything) for format in SAVERS}
    best = max(welcome, key=lambda format: welcome[format])  # the first of the best
    if welcome[best] == 0:
        raise ProblemError(406, detail=f"Thumbnails are {', '.join(SAVERS)}.")
    return best


def thumbnail(content: Content, size: int, format: Format, max_pixels: int) -> bytes:
    """The bytes of the thumbnail. Raises ProblemError, as `measure` does, for what is no sound image."""
    image = open_image(content, max_pixels)
    # Only where there is a profile: the way through lcms takes longer than all the rest.
    profile = {"output_profile": "srgb"} if image.get_typeof("icc-profile-data") else {}
    saver, options = SAVERS[format]
    try:
        # fail_on is for the loader: as an argument of its own libvips 8.18 leaves it out of account.
        image = pyvips.Image.thumbnail_source(
            open_source(content), size, height=size, size="down", option_string="[fail_on=error]", **profile
        )
        if image.interpretation not in {"srgb", "b-w"}:
            image = image.colourspace("srgb")
        if format == "image/jpeg" and image.hasalpha():
            image = image.flatten(background=255)
        encoded: bytes = getattr(image, saver)(keep="none", **options)
    except pyvips.Error as error:
        raise broken(error) from None
    return encoded
