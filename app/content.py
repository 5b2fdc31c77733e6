"""The endpoints of the bytes: /v1/images/{id}/content and its thumbnails."""

import asyncio
import re
from urllib.parse import quote

from asyncpg import Record
from obstore.exceptions import BaseError
from obstore.store import ObjectStore
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.types import Send

from app import metrics, queries, store
from app.codec.formats import EXTENSIONS
from app.codec.processes import Codec
from app.conditional import byte_range, not_modified, wants_range
from app.limits import patient
from app.models import SIZES, ThumbnailQuery
from app.parameters import parameters
from app.problems import UNAVAILABLE, ProblemError, logger
from app.spool import Spool
from app.thumbnails import EXTENSIONS as THUMBNAIL_EXTENSIONS
from app.thumbnails import Format, accepted

# The bytes never change; but who may not ask for them is not to have them from a shared cache.
FOR_EVER = "private, max-age=31536000, immutable"
NOT_QUOTABLE = re.compile(r'[^ -~]|["\\%]')  # nor what some clients decode


async def get_content(request: Request) -> Response:
    row = await _row(request)
    # The type of an adopted row is hearsay: what this service did not find to be an image is for no browser to show.
    shown = row["content_type"] in EXTENSIONS
    disposition = "inline" if shown else "attachment"
    headers = {
        "ETag": f'"{quote(row["sha256"], safe="")}"',
        "Accept-Ranges": "bytes",
        "Cache-Control": FOR_EVER,
        "Content-Disposition": _disposition(disposition, row["filename"]),
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    if not_modified(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    objects, key, part = request.state["store"], row["storage_key"], None
    redirect = request.state["settings"].content_redirect
    # The store sends what it was given with the bytes: of adopted ones, and of types that are hearsay, anything. And a
    # URL is signed for one method: a HEAD stays here.
    if redirect and request.method == "GET" and shown and key == store.storage_key(row["sha256"]):
        return RedirectResponse(
            await store.sign(objects, key, redirect), 307, {"Cache-Control": f"private, max-age={redirect // 2}"}
        )
    headers["Content-Type"] = row["content_type"] if shown else "application/octet-stream"
    if request.method == "HEAD" or wants_range(request, headers["ETag"]):
        size = await store.size(objects, key)
        if size is None:
            raise await _missing(request, key)
        if request.method == "HEAD":
            return Response(headers={**headers, "Content-Length": str(size)})
        part = byte_range(request.headers["range"], size)
        if part is not None:
            headers["Content-Range"] = f"bytes {part[0]}-{part[1] - 1}/{size}"
    content = await store.stream(objects, key, part)
    if content is None:
        raise await _missing(request, key)
    length, chunks = content
    return _Content(chunks, 206 if part else 200, {**headers, "Content-Length": str(length)})


def _disposition(kind: str, filename: str) -> str:
    """Content-Disposition (RFC 6266): the name as it is, and in ASCII for who knows no other."""
    fallback = NOT_QUOTABLE.sub("_", filename)
    return f"{kind}; filename=\"{fallback}\"; filename*=UTF-8''{quote(filename, safe='')}"


class _Content(StreamingResponse):
    """Where the store fails on the way, or the client stalls, the connection ends: it sees that it has not got all."""

    async def stream_response(self, send: Send) -> None:
        try:
            await super().stream_response(patient(send))
        except (BaseError, TimeoutError) as error:
            logger.error("a content was cut off: %s", store.reason(error) or "its client took none of it")


async def get_thumbnail(request: Request) -> Response:
    size = parameters(request, ThumbnailQuery).size
    format = accepted(",".join(request.headers.getlist("accept")))
    row = await _row(request)
    name = f"{size}.{THUMBNAIL_EXTENSIONS[format]}"
    headers = {
        "ETag": f'"{quote(row["sha256"], safe="")}-{name}"',
        "Cache-Control": FOR_EVER,
        "Vary": "Accept",
    }
    if not_modified(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    key = store.thumbnail_key(row["sha256"], name)
    content = await _shared(request, row, key, size, format)
    headers |= {"Content-Type": format, "Content-Length": str(len(content))}
    return Response(None if request.method == "HEAD" else content, headers=headers)


def objects_of(row: Record) -> list[str]:
    """The keys under which the object store may have something of an image."""
    names = (f"{size}.{extension}" for size in SIZES for extension in THUMBNAIL_EXTENSIONS.values())
    return [row["storage_key"], *(store.thumbnail_key(row["sha256"], name) for name in names)]


async def _row(request: Request) -> Record:
    row = await queries.get_content(request.state["reads"], request.path_params["id"])
    if row is None:
        raise ProblemError(404)
    return row


async def _missing(request: Request, key: str) -> ProblemError:
    """There are no bytes: a fault, unless the image was deleted a moment ago."""
    await _row(request)
    logger.error("no bytes in the object store under %r", key)
    return ProblemError(404, "content-missing")


async def _shared(request: Request, row: Record, key: str, size: int, format: Format) -> bytes:
    """The thumbnail, by a task that all who ask for it meanwhile wait for, and that goes on if they go away.

    The task also looks in the store: who found nothing there by itself could come back when another has just made it.
    """
    tasks: dict[str, asyncio.Task[bytes]] = request.state["thumbnails"]
    if key not in tasks:
        tasks[key] = asyncio.create_task(_read_or_make(request, row, key, size, format))
        tasks[key].add_done_callback(lambda _: tasks.pop(key))
    return await asyncio.shield(tasks[key])


async def _read_or_make(request: Request, row: Record, key: str, size: int, format: Format) -> bytes:
    """The thumbnail from the object store; or made, and kept there."""
    objects: ObjectStore = request.state["store"]
    codec: Codec = request.state["codec"]
    kept = await store.read(objects, key)
    if kept is not None:
        return kept

    def work() -> bytes | None:
        with Spool() as spool:
            if not store.copy(objects, row["storage_key"], spool):
                return None
            try:
                return codec.thumbnail(spool.content(), size, format)
            except ProblemError as error:  # of adopted bytes, which nobody has looked at
                raise ProblemError(404, "no-thumbnail", error.problem.detail) from None

    async with request.state["making"], request.state["thumbnail_pool"].transaction() as connection:
        # One at a time of all workers: who was first keeps it, and the others find it. A DELETE, which takes this lock
        # before it removes what there is, comes before, and there is no image any more, or after.
        await queries.lock_content(connection, row["sha256"])
        if await queries.get_image_by_sha256(connection, row["sha256"]) is None:
            raise ProblemError(404)
        kept = await store.read(objects, key)
        if kept is not None:
            return kept
        content = await asyncio.get_running_loop().run_in_executor(request.state["thumbnailers"], work)
        if content is not None:
            metrics.THUMBNAILS.inc()
            try:
                await store.put(objects, key, content, format)
            except UNAVAILABLE as error:
                logger.error("could not keep %r in the object store: %s", key, store.reason(error))
            return content
    raise await _missing(request, row["storage_key"])
