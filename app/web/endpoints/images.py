"""Images: list, get, change, and delete (/v1/images and /v1/images/{id})."""

import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from asyncpg import Record
from pydantic import ValidationError
from pydantic_core import from_json, to_json
from starlette.requests import Request
from starlette.responses import Response

from app.catalogue.cursors import EPOCH, microseconds
from app.catalogue.fields import attributes_within
from app.catalogue.listing import MOST_COUNTED, ListQuery
from app.catalogue.models import Image, ImagePage, ImagePatch
from app.catalogue.thumbnails import objects_of
from app.database import queries
from app.database.errors import UNAVAILABLE
from app.database.pool import Pool
from app.errors import ImageNotFoundError
from app.observability.logs import logger
from app.storage import store
from app.web.auth import confirm
from app.web.conditional import EXCEPT_IF_MATCH, entity_tags, has_condition, not_modified, validators, with_coding
from app.web.location import require_locations, shown
from app.web.operations import (
    JSON,
    MERGE_PATCH,
    NOT_MODIFIED,
    READ_CONDITIONS,
    WRITE_CONDITIONS,
    Answer,
    Body,
    Tag,
    operation,
)
from app.web.pagination import page
from app.web.parameters import parameters
from app.web.problems import FieldError, ProblemError, invalid
from app.web.state import State

PATH = "/v1/images"
IMAGE = f"{PATH}/{{id:uuid}}"
ONE_IMAGE = Answer(200, "The image.", {JSON: Image}, ("ETag", "Last-Modified"))


@operation(
    "GET",
    PATH,
    "listImages",
    tag=Tag.IMAGES,
    scope="read",
    summary="List images",
    description="Returns the images that match all filters, one page at a time. To get the next page, follow `Link` "
    "or send `next` as `cursor` with the same `sort` and the same filters. By name and by size, the service stops "
    "looking after a while. Such a page has fewer images than `limit`, or none, and a `next`.",
    query=ListQuery,
    answers=(Answer(200, "A page. If there is a next page, `Link` points to it.", {JSON: ImagePage}, ("Link",)),),
)
async def list_images(request: Request[State]) -> Response:
    query = parameters(request, ListQuery)
    if query.sort == "captured":
        return await _page(request, query, await _list_captured(request, query))
    if query.sort == "relevance" and query.q is not None:
        return await _page(
            request,
            query,
            await queries.list_by_relevance(
                request.state["reads"],
                position=query.relevance_position(),
                earliest=query.earliest(),
                end=query.end(),
                terms=query.terms(),
                words=query.q,
                limit=query.limit + 1,
            ),
        )
    rows = await queries.list_images(
        request.state["reads"],
        sort=query.sort,
        position=query.position(),
        earliest=query.earliest(),
        end=query.end(),
        terms=query.terms(),
        words=query.q,
        limit=query.limit + 1,
    )
    return await _page(request, query, rows)


async def _list_captured(request: Request[State], query: ListQuery) -> list[Record]:
    """Return a page by time of capture. Raises ProblemError 403 or 422 if the client may not ask for an area."""
    if query.bbox is not None:
        await require_locations(request)
    return await queries.list_captured(
        request.state["reads"],
        position=query.captured_position(),
        captured_earliest=query.captured_earliest(),
        earliest=query.earliest(),
        end=query.end(),
        terms=query.terms(),
        words=query.q,
        camera=query.camera and await queries.find_camera(request.state["reads"], query.camera),
        area=query.area(),
        has_filters=query.has_other_filters(),
        limit=query.limit + 1,
    )


async def _page(request: Request[State], query: ListQuery, rows: Sequence[Record]) -> Response:
    images = [row for row in rows if row["image"] is not None]
    if len(images) > query.limit:
        cursor = query.cursor_after(*images[query.limit - 1])
    elif len(images) < len(rows):
        [stop] = (row for row in rows if row["image"] is None)
        cursor = query.cursor_after(*stop)
    else:
        cursor = None
    items = await shown(request, [row["image"] for row in images[: query.limit]])
    return page(request, PATH, "images", items, cursor, await _total(request, query))


async def _total(request: Request[State], query: ListQuery) -> str:
    """Return the field `total` of a page, or nothing if the client does not ask for it."""
    if query.total is None:
        return ""
    row = await queries.count_images(
        request.state["reads"],
        terms=query.terms(),
        words=query.q,
        earliest=query.earliest(),
        end=query.end(),
        most=MOST_COUNTED[query.total],
    )
    return f',"total":{to_json(dict(row)).decode()}'


@operation(
    "GET",
    IMAGE,
    "getImage",
    tag=Tag.IMAGES,
    scope="read",
    summary="Get an image",
    description="Returns the metadata of an image. Its bytes are at `/v1/images/{id}/content`.",
    headers=READ_CONDITIONS,
    answers=(ONE_IMAGE, NOT_MODIFIED),
    problems=("404", "404 image-not-found", "412 version-conflict"),
)
async def get_image(request: Request[State]) -> Response:
    row = await queries.get_image(request.state["reads"], request.path_params["id"])
    if row is None:
        raise ImageNotFoundError
    headers = _validators(request, row)
    if not_modified(request, headers, "version-conflict"):
        return Response(status_code=304, headers=with_coding(request, headers))
    [image] = await shown(request, [row["image"]])
    return Response(image, headers=headers, media_type="application/json")


@operation(
    "PATCH",
    IMAGE,
    "updateImage",
    tag=Tag.IMAGES,
    scope="write",
    summary="Change filename, title, description, tags, or attributes",
    description="Applies a JSON merge patch (RFC 7396): a missing field stays, and null removes a value. The service "
    "merges attributes at every depth. Send `If-Match` to change only the version that you read.",
    headers=WRITE_CONDITIONS,
    body=Body({MERGE_PATCH: ImagePatch, JSON: ImagePatch}, max_bytes=lambda settings: settings.max_record_bytes),
    answers=(ONE_IMAGE,),
    problems=("400 invalid-request", "404", "404 image-not-found", "412", "412 version-conflict"),
)
async def update_image(request: Request[State]) -> Response:
    """Change the image with one statement.

    The image is read first if its attributes are merged, or if the request has conditions that SQL does not check. Then
    only the version that was read is changed.
    """
    pool, settings, id = request.state["pool"], request.state["settings"], request.path_params["id"]
    patch = await _patch(request)
    await confirm(request, "write")
    versions, attributes = _versions(request), "{}"
    if not patch.model_fields_set:
        return await image_response(request, await _current(request))
    values = {**patch.model_dump(exclude={"attributes"}), "tags": patch.tags or []}
    reads_first = patch.attributes is not None or has_condition(request, EXCEPT_IF_MATCH)
    while True:
        if reads_first:
            row = await _current(request, queries.get_attributes)
            versions = [row["updated_at"]]
            if patch.attributes is not None:
                attributes = _merged(row["attributes"], patch.attributes, settings.max_attributes_bytes)
        updated = await queries.update_image(
            pool, id, versions, patch.model_fields_set, **values, attributes=attributes
        )
        if updated is not None:
            return await image_response(request, updated)
        await _current(request)  # The conditions still hold: it changed in between.


@operation(
    "DELETE",
    IMAGE,
    "deleteImage",
    tag=Tag.IMAGES,
    scope="write",
    summary="Delete an image and its bytes",
    description="Deletes the image, its bytes, and its thumbnails.",
    headers=WRITE_CONDITIONS,
    answers=(Answer(204, "The image is deleted."),),
    problems=("404", "404 image-not-found", "412", "412 version-conflict"),
)
async def delete_image(request: Request[State]) -> Response:
    pool, objects, id = request.state["pool"], request.state["store"], request.path_params["id"]
    reads_first, versions = has_condition(request, EXCEPT_IF_MATCH), _versions(request)
    await queries.get_content(pool, id)  # a row without its hash is 503: its bytes would stay
    while True:
        if reads_first:
            versions = [(await _current(request))["updated_at"]]
        gone = await queries.delete_image(pool, id, versions)
        if gone is not None:
            break
        await _current(request)  # The conditions still hold: it changed in between.
    is_removable = await request.state["guard"].is_removable()
    # The row is deleted. If its bytes cannot be deleted, they are an orphan, which `images objects check` finds.
    try:
        async with pool.store_transaction() as connection:
            free = await queries.lock_content_to_remove(connection, gone["sha256"])
            if not free:
                logger.warning("left %r in the object store: an import or a backup is running", gone["storage_key"])
            elif not is_removable:
                logger.warning("left %r in the object store: it belongs to another catalogue", gone["storage_key"])
            elif await queries.get_image_by_sha256(connection, gone["sha256"]) is None:
                await store.delete(objects, objects_of(gone))
    except UNAVAILABLE as error:
        logger.error("left %r in the object store: %s", gone["storage_key"], store.reason(error))
    return Response(status_code=204)


async def image_response(
    request: Request[State], row: Record, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """Return an image as JSON with its ETag and Last-Modified."""
    [image] = await shown(request, [row["image"]])
    return Response(image, status, _validators(request, row) | (headers or {}), media_type="application/json")


def _validators(request: Request[State], row: Record) -> dict[str, str]:
    """Return the headers of a version. The ETag is updated_at in microseconds since 1970: each change increases it."""
    made = validators(f'"{microseconds(row["updated_at"])}"', row["updated_at"])
    if request.state["settings"].location == "admin":  # tokens of other scopes get other bytes
        made["Vary"] = "Authorization"
    return made


def _versions(request: Request[State]) -> list[datetime] | None:
    """Return the versions that If-Match lists, as updated_at, or None if it allows any.

    Raises ProblemError: 400 if an ETag has no quotes, 428 if If-Match is missing and the settings require it.
    """
    tags = entity_tags(request, "If-Match") if has_condition(request) else None
    if tags is None and request.state["settings"].require_if_match:
        raise ProblemError(428, detail="Send If-Match with the ETag of the version that you want to change.")
    if tags is None or "*" in tags:
        return None
    versions = []
    for tag in tags:
        if re.fullmatch(r'"-?[0-9]{1,18}"', tag):
            with suppress(OverflowError):
                versions.append(EPOCH + timedelta(microseconds=int(tag[1:-1])))
    return versions


async def _current(
    request: Request[State], read: Callable[[Pool, UUID], Awaitable[Record | None]] = queries.get_image
) -> Record:
    """Return the image as `read` finds it.

    Raises ProblemError: 404 if there is no such image, 412 if a condition of the request is false.
    """
    row = await read(request.state["pool"], request.path_params["id"])
    if row is None:
        raise ImageNotFoundError
    not_modified(request, _validators(request, row), "version-conflict")
    return row


async def _patch(request: Request[State]) -> ImagePatch:
    try:
        return ImagePatch.model_validate_json(await request.body(), context=request.state["settings"])
    except ValidationError as error:
        raise invalid(error, ImagePatch) from None


def _merged(attributes: str, patch: dict[str, Any], max_bytes: int) -> str:
    """Return the attributes as JSON with the patch applied. Raises ProblemError 422 if they are too large."""
    try:
        return to_json(attributes_within(merge(from_json(attributes), patch), max_bytes)).decode()
    except ValueError as error:
        fault = FieldError(pointer="/attributes", detail=str(error))
        raise ProblemError(422, "invalid-request", errors=[fault]) from None


def merge(target: Any, patch: Any) -> Any:
    """Return the target with a JSON merge patch applied: the algorithm of RFC 7396, section 2."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge(merged.get(name), value)
    return merged
