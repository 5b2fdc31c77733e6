"""What the service and the process that decodes for it both know; it imports nothing heavy."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from app.fields import ContentType

EXTENSIONS: dict[ContentType, str] = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "image/gif": "gif",
    "image/tiff": "tiff",
    "image/avif": "avif",
}

# Each way a message is these two lengths, then a JSON object, then bytes. A job comes with the descriptor of a file
# that has the content; its answer with the bytes of the thumbnail.
LENGTHS = struct.Struct("!II")
OUT_OF_MEMORY = 3  # exit status


class Measure(NamedTuple):
    content_type: ContentType
    width: int
    height: int
