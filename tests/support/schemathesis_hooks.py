"""Hooks of Schemathesis: values that it cannot generate itself, such as images, cursors, and lines of JSON."""

import json
from typing import Any

import hypothesis.strategies as st
import schemathesis

from app.catalogue.cursors import EARLIEST, LATEST, Position
from app.catalogue.models import EXAMPLE
from tests.support.pictures import picture

PICTURES = [picture(format, seed=seed) for format in ("JPEG", "PNG", "WebP", "GIF", "TIFF", "AVIF") for seed in (1, 2)]
MOMENTS = st.datetimes(EARLIEST.replace(tzinfo=None), LATEST.replace(tzinfo=None))

schemathesis.openapi.format("binary", st.sampled_from(PICTURES))
schemathesis.openapi.format(
    "cursor", st.builds(lambda moment, id: Position((moment, id)).cursor(), MOMENTS, st.uuids())
)
for media_type in ("image/*", "image/jpeg"):
    schemathesis.openapi.media_type(media_type, st.sampled_from(PICTURES))


@schemathesis.hook
def before_call(context: Any, case: Any, *_: Any) -> None:
    """Remove a cursor of another list. No schema can say that the generated cursors belong to the newest-first list."""
    query = case.query or {}
    if "cursor" in query and case.meta.generation.mode.is_positive:
        newest_first = case.path == "/v1/images" and query.get("sort", "newest") == "newest"
        try:
            Position.of(str(query["cursor"]))
        except ValueError:
            newest_first = False
        if not newest_first:
            del query["cursor"]


@schemathesis.serializer("application/x-ndjson")
def lines(context: Any, value: Any) -> bytes:
    return json.dumps(value).encode() + b"\n"


@schemathesis.deserializer("application/x-ndjson")
def last_line(context: Any, response: Any) -> Any:
    """Return the last line, because the schema is that of a line. Return an example if there is no line."""
    return json.loads(response.content.splitlines()[-1]) if response.content else EXAMPLE
