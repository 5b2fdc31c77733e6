"""Hooks of Schemathesis: values that it cannot generate itself, such as images, cursors, and lines of JSON."""

import json
from typing import Any

import hypothesis.strategies as st
import schemathesis

from app.catalogue.cursors import EARLIEST, LATEST, Position
from app.catalogue.listing import CAPTURE_FILTERS
from app.catalogue.models import EXAMPLE
from tests.support.pictures import picture

PICTURES = [picture(format, seed=seed) for format in ("JPEG", "PNG", "WebP", "GIF", "TIFF", "AVIF") for seed in (1, 2)]
MOMENTS = st.datetimes(EARLIEST.replace(tzinfo=None), LATEST.replace(tzinfo=None))

schemathesis.openapi.format("binary", st.sampled_from(PICTURES))
schemathesis.openapi.format(
    "cursor", st.builds(lambda moment, id: Position((moment, id)).cursor(), MOMENTS, st.uuids())
)
schemathesis.openapi.format("bbox", st.sampled_from(["5.9,47.2,15.1,55.1", "179,-20,-179,-10"]))
for media_type in ("image/*", "image/jpeg"):
    schemathesis.openapi.media_type(media_type, st.sampled_from(PICTURES))


@schemathesis.hook
def before_call(context: Any, case: Any, *_: Any) -> None:
    """Remove from a valid request what makes it wrong, although no schema can say so.

    Such faults are a cursor of another list, a sort that other parameters exclude, and U+0000 inside attributes.
    Another is metadata both in the query and in a form.
    """
    if not case.meta.generation.mode.is_positive:
        return
    query = case.query or {}
    if case.path == "/v1/images" and case.method.upper() == "GET":
        if not query.keys().isdisjoint(CAPTURE_FILTERS):
            query["sort"] = "captured"
            query.pop("total", None)
        elif query.get("sort") == "relevance" and "q" not in query:
            del query["sort"]
    if "cursor" in query:
        newest_first = case.path == "/v1/images" and query.get("sort", "newest") == "newest"
        try:
            Position.of(str(query["cursor"]))
        except ValueError:
            newest_first = False
        if not newest_first:
            del query["cursor"]
    if case.media_type == "multipart/form-data":
        query.clear()  # the form has them
    elif "attributes" in query:
        query["attributes"] = json.dumps({"text": query["attributes"].replace("\0", "")})
    if isinstance(case.body, dict) and "attributes" in case.body:
        case.body["attributes"] = without_nul(case.body["attributes"])


def without_nul(value: Any) -> Any:
    """Return a JSON value whose texts and names do not contain U+0000."""
    if isinstance(value, dict):
        return {name.replace("\0", ""): without_nul(item) for name, item in value.items()}
    if isinstance(value, list):
        return [without_nul(item) for item in value]
    return value.replace("\0", "") if isinstance(value, str) else value


@schemathesis.serializer("application/x-ndjson")
def lines(context: Any, value: Any) -> bytes:
    return json.dumps(value).encode() + b"\n"


@schemathesis.deserializer("application/x-ndjson")
def last_line(context: Any, response: Any) -> Any:
    """Return the last line, because the schema is that of a line. Return an example if there is no line."""
    return json.loads(response.content.splitlines()[-1]) if response.content else EXAMPLE
