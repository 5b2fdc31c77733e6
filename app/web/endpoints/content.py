"""Content: the bytes of an image (GET /v1/images/{id}/content)."""

import re
from urllib.parse import quote

from asyncpg import Record
from obstore.exceptions import BaseError
from pydantic import JsonValue
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.types import Send

from app.database import queries
from app.decoder.formats import EXTENSIONS, TURNS, named_for
from app.errors import AppError, ContentMissingError, ImageNotFoundError
from app.observability.logs import logger
from app.storage import keys, store
from app.web.conditional import byte_range, not_modified, validators, wants_range
from app.web.limits import with_stall_timeout
from app.web.operations import (
    IF_RANGE,
    NOT_MODIFIED,
    RANGE,
    READ_CONDITIONS,
    Answer,
    Tag,
    operation,
)
from app.web.state import State

# The bytes never change. Shared caches must not store them, because they would serve clients that have no token.
CACHE_CONTROL = "private, max-age=31536000, immutable"
NOT_QUOTABLE = re.compile(r'[^ -~]|["\\%]')  # some clients decode %
BYTES: dict[str, JsonValue] = {"type": "string", "format": "binary"}
HEADERS = ("ETag", "Last-Modified", "Content-Disposition")


@operation(
    "GET",
    "/v1/images/{id:uuid}/content",
    "getContent",
    tag=Tag.CONTENT,
    scope="read",
    summary="Get the bytes of an image",
    description="Returns the bytes exactly as they were uploaded.",
    headers=(*READ_CONDITIONS, RANGE, IF_RANGE),
    answers=(
        Answer(200, "All bytes.", {"image/*": BYTES}, (*HEADERS, "Accept-Ranges")),
        Answer(206, "The bytes of the range.", {"image/*": BYTES}, (*HEADERS, "Content-Range")),
        NOT_MODIFIED,
        Answer(
            307,
            "If CONTENT_REDIRECT is set: Location is a signed URL of the object store, valid for CONTENT_REDIRECT "
            "seconds. The object store also accepts Range. The service itself answers HEAD.",
            headers=("Location", "Cache-Control"),
        ),
    ),
    problems=("404", "404 image-not-found", "404 content-missing", "412", "416", "503 storage-unavailable"),
)
async def get_content(request: Request[State]) -> Response:
    row = await content_row(request)
    # The type of an adopted row may be wrong. Browsers show only the types that this service accepts.
    shown = row["content_type"] in EXTENSIONS
    disposition = "inline" if shown else "attachment"
    filename = named_for(row["content_type"], row["filename"]) if shown else TURNS.sub("_", row["filename"])
    headers = {
        **validators(f'"{quote(row["sha256"], safe="")}"', row["created_at"]),
        "Accept-Ranges": "bytes",
        "Cache-Control": CACHE_CONTROL,
        "Content-Disposition": _disposition(disposition, filename),
        "Content-Security-Policy": "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; sandbox",
    }
    if not_modified(request, headers):
        return Response(status_code=304, headers=headers)
    if row["is_damaged"] and row["storage_key"] == keys.storage_key(row["sha256"]):
        raise await _missing(request, row, row["byte_size"])
    objects, key, part = request.state["store"], row["storage_key"], None
    redirect = request.state["settings"].content_redirect
    # The store sends the content type that was stored with the bytes. For adopted bytes it may be any. A signed URL is
    # for one method, so the service answers HEAD itself.
    if redirect and request.method == "GET" and shown and key == keys.storage_key(row["sha256"]):
        return RedirectResponse(
            await store.sign(objects, key, redirect), 307, {"Cache-Control": f"private, max-age={redirect // 2}"}
        )
    headers["Content-Type"] = row["content_type"] if shown else "application/octet-stream"
    if request.method == "HEAD" or wants_range(request, headers):
        size = await store.size(objects, key)
        if size is None or not _fits(row, size):
            raise await _missing(request, row, size)
        if request.method == "HEAD":
            return Response(headers={**headers, "Content-Length": str(size)})
        part = byte_range(request.headers["range"], size)
        if part is not None:
            headers["Content-Range"] = f"bytes {part[0]}-{part[1] - 1}/{size}"
    content = await store.stream(objects, key, part)
    if content is None:
        raise await _missing(request, row, None)
    length, chunks = content
    if part is None and not _fits(row, length):
        raise await _missing(request, row, length)
    return _Content(chunks, 206 if part else 200, {**headers, "Content-Length": str(length)})


def _disposition(kind: str, filename: str) -> str:
    """Return Content-Disposition (RFC 6266) with the file name, and an ASCII form of it for old clients."""
    fallback = NOT_QUOTABLE.sub("_", filename)
    return f"{kind}; filename=\"{fallback}\"; filename*=UTF-8''{quote(filename, safe='')}"


class _Content(StreamingResponse):
    """A response that closes the connection early if the store fails or the client stops reading."""

    async def stream_response(self, send: Send) -> None:
        try:
            await super().stream_response(with_stall_timeout(send))
        except (BaseError, TimeoutError) as error:
            logger.error("a content was cut off: %s", store.reason(error) or "the client stopped reading")


async def content_row(request: Request[State]) -> Record:
    """Return storage_key, byte_size, content_type, filename, sha256 and created_at. Raises ImageNotFoundError."""
    row = await queries.get_content(request.state["reads"], request.path_params["id"])
    if row is None:
        raise ImageNotFoundError
    return row


def _fits(row: Record, size: int) -> bool:
    return keys.fits(row["storage_key"], row["sha256"], row["byte_size"], size)


async def _missing(request: Request[State], row: Record, size: int | None) -> AppError:
    """Return the error for content that the object store does not have, or has in another size, in bytes.

    Raises ImageNotFoundError if the image was deleted meanwhile.
    """
    await content_row(request)
    return ContentMissingError(row["storage_key"], row["byte_size"], size)
