"""Content negotiation: the headers Accept and Accept-Encoding (RFC 9110, section 12.5)."""

import re
from collections.abc import Sequence

MAX_ITEMS = 100  # of a list, and of the parameters of an item; browsers send fewer than ten
WEIGHT = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")


def weights(header: str) -> dict[str, float]:
    """Return the quality, from 0 to 1, of each name that the header lists.

    Malformed items are ignored, and so are those after MAX_ITEMS: 4,000 take 9 ms of CPU.
    """
    found: dict[str, float] = {}
    for item in header.lower().split(",", MAX_ITEMS)[:MAX_ITEMS]:
        name, *parameters = (token.strip() for token in item.split(";", MAX_ITEMS)[:MAX_ITEMS])
        weight = next((token[2:] for token in parameters if token.startswith("q=")), "1")
        if name and WEIGHT.fullmatch(weight):
            found[name] = float(weight)
    return found


def media_type(content_type: str) -> str:
    """Return the media type in a Content-Type header, in lower case and without its parameters."""
    return content_type.partition(";")[0].strip().lower()


def quality(header: str, media_type: str) -> float:
    """Return the quality of a media type in an Accept header: that of the most specific range. If empty, 1 for all."""
    found = weights(header if header.strip() else "*/*")
    kind = media_type.partition("/")[0]
    return found.get(media_type, found.get(f"{kind}/*", found.get("*/*", 0.0)))


def coding(header: str, known: Sequence[str]) -> str | None:
    """Return the first of the known content codings that an Accept-Encoding header names, or None."""
    found = weights(header)
    return next((name for name in known if found.get(name)), None)
