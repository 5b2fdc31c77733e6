"""The endpoints of /v1/images."""

import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from asyncpg import Record
from pydantic import ValidationError
from pydantic_core import from_json, to_json
from starlette.requests import Request
from starlette.responses import Response

from app.catalogue.cursors import EARLIEST, EPOCH, microseconds
from app.catalogue.fields import attributes_within
from app.catalogue.listing import ListQuery
from app.catalogue.models import ImagePatch
from app.catalogue.thumbnails import objects_of
from app.database import queries
from app.database.errors import UNAVAILABLE
from app.database.pool import Pool
from app.observability.logs import logger
from app.storage import store
from app.web.conditional import entity_tags, not_modified
from app.web.pagination import page
from app.web.parameters import parameters
from app.web.problems import FieldError, ProblemError, invalid

PATH = "/v1/images"
TAKES = {"Accept-Patch": "application/merge-patch+json"}


async def list_images(request: Request) -> Response:
    query = parameters(request, ListQuery)
    rows = await queries.list_images(
        request.state["reads"],
        sort=query.sort,
        position=query.position(),
        created_after=query.created_after or EARLIEST,
        end=query.end(),
        terms=query.terms(),
        words=query.q,
        limit=query.limit + 1,
    )
    cursor = query.cursor_after(*rows[query.limit - 1]) if len(rows) > query.limit else None
    return page(request, PATH, "images", [row["image"] for row in rows[: query.limit]], cursor)


async def get_image(request: Request) -> Response:
    row = await queries.get_image(request.state["reads"], request.path_params["id"])
    if row is None:
        raise ProblemError(404)
    headers = {"ETag": _etag(row)}
    if not_modified(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(row["image"], headers=headers, media_type="application/json")


async def update_image(request: Request) -> Response:
    """One statement. Attributes are merged here: they are read first, and written only onto what was read."""
    pool, id = request.state["pool"], request.path_params["id"]
    patch, most = await _patch(request), request.state["settings"].max_attributes_bytes
    if not patch.model_fields_set:
        return _image(await _current(request))
    values = {**patch.model_dump(exclude={"attributes"}), "tags": patch.tags or []}
    while True:
        versions, attributes = _versions(request), "{}"
        if patch.attributes is not None:
            row = await _current(request, queries.get_attributes)
            versions, attributes = [row["updated_at"]], _merged(row["attributes"], patch.attributes, most)
        updated = await queries.update_image(
            pool, id, versions, patch.model_fields_set, **values, attributes=attributes
        )
        if updated is not None:
            return _image(updated)
        await _current(request)  # or it has changed in between


async def delete_image(request: Request) -> Response:
    pool, objects, id = request.state["pool"], request.state["store"], request.path_params["id"]
    while (gone := await queries.delete_image(pool, id, _versions(request))) is None:
        await _current(request)
    # The row is the truth and it is gone. If the bytes cannot follow they are an orphan, which harms nobody.
    try:
        async with pool.transaction() as connection:
            free = await queries.lock_content_to_remove(connection, gone["sha256"])
            if not free:
                logger.warning("left %r in the object store: an import or a backup is at work", gone["storage_key"])
            elif await queries.get_image_by_sha256(connection, gone["sha256"]) is None:
                await store.delete(objects, objects_of(gone))
    except UNAVAILABLE as error:
        logger.error("left %r in the object store: %s", gone["storage_key"], store.reason(error))
    return Response(status_code=204)


def _image(row: Record, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(row["image"], status, {"ETag": _etag(row), **(headers or {})}, media_type="application/json")


def _etag(row: Record) -> str:
    """updated_at, in microseconds since 1970: each change moves it."""
    return f'"{microseconds(row["updated_at"])}"'


def _versions(request: Request) -> list[datetime] | None:
    """The versions that If-Match lists, as updated_at; None where any will do. Raises ProblemError: 428."""
    tags = entity_tags(request, "if-match")
    if not tags and request.state["settings"].require_if_match:
        raise ProblemError(428, detail="If-Match is required: the ETag of the version that this is to change.")
    if not tags or "*" in tags:
        return None
    versions = []
    for tag in tags:
        if re.fullmatch(r'"-?[0-9]{1,18}"', tag):
            with suppress(OverflowError):
                versions.append(EPOCH + timedelta(microseconds=int(tag[1:-1])))
    return versions


async def _current(
    request: Request, read: Callable[[Pool, UUID], Awaitable[Record | None]] = queries.get_image
) -> Record:
    """The image. Raises ProblemError: 404 where there is none, 412 where If-Match names other versions."""
    row = await read(request.state["pool"], request.path_params["id"])
    if row is None:
        raise ProblemError(404)
    versions = _versions(request)
    if versions is not None and row["updated_at"] not in versions:
        raise ProblemError(412, "version-conflict", "If-Match names another version.", headers={"ETag": _etag(row)})
    return row


async def _patch(request: Request) -> ImagePatch:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in {"application/merge-patch+json", "application/json"}:
        raise ProblemError(415, headers=TAKES)
    try:
        return ImagePatch.model_validate_json(await request.body(), context=request.state["settings"])
    except ValidationError as error:
        raise invalid(error) from None


def _merged(attributes: str, patch: dict[str, Any], most: int) -> str:
    try:
        return to_json(attributes_within(merge(from_json(attributes), patch), most)).decode()
    except ValueError as error:
        fault = FieldError(pointer="/attributes", detail=str(error))
        raise ProblemError(422, "invalid-request", errors=[fault]) from None


def merge(target: Any, patch: Any) -> Any:
    """JSON merge patch, the algorithm of RFC 7396, section 2."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge(merged.get(name), value)
    return merged
