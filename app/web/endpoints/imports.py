"""Import: add images whose bytes are already in the object store, from NDJSON (POST /v1/images/import)."""

import asyncio
import sys
from base64 import b64decode
from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Any
from uuid import uuid4

from asyncpg import UniqueViolationError
from pydantic import ValidationError
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from app.catalogue.export import NDJSON
from app.catalogue.models import ImageRecord, ImportResult
from app.database import queries
from app.database.connection import Connection
from app.web.auth import confirm
from app.web.limits import TRANSFER_TIMEOUT, transfer_slot
from app.web.operations import JSON, Answer, Body, Tag, operation
from app.web.problems import MAX_ERRORS, FieldError, ProblemError, invalid
from app.web.state import State

BATCH_SIZE = 250  # records that one statement writes
LINES_AT_ONCE = 500  # that are read before other requests have a turn
MAX_BLANK_LINES = 10_000

Image = dict[str, Any]  # a row of images, by its columns
Batch = list[tuple[int, bool, Image]]  # the number of the line, whether the line has an ID, and the row


@operation(
    "POST",
    "/v1/images/import",
    "importImages",
    tag=Tag.TRANSFER,
    scope="admin",
    summary="Import images whose bytes are in the object store",
    description="Adds an image for each line of the body, or none if a line is wrong. Copy the bytes to "
    "`sha256/ab/cd/abcd...` in the object store first: the import does not check that they exist.",
    body=Body({NDJSON: ImageRecord}, max_bytes=lambda settings: sys.maxsize),
    answers=(Answer(200, "All lines are imported.", {JSON: ImportResult}),),
    problems=("409", "503 busy", "503 storage-unavailable"),
)
async def import_images(request: Request[State]) -> Response:
    """Import all lines in one transaction, or none if a line is wrong."""
    result = ImportResult(new=0, known=0)
    faults, limit = Faults(), asyncio.timeout(TRANSFER_TIMEOUT)
    async with transfer_slot(request):
        try:
            async with limit, request.state["pool"].transaction() as connection, connection.without_time_limit():
                moment = await queries.prepare_import(connection)
                async for batch in _ahead(_batches(request, moment, faults)):
                    new = await _new(connection, batch, faults)
                    if new and not faults.errors:
                        await queries.copy_images(connection, new)
                    result.new += len(new)
                    result.known += len(batch) - len(new)
                if faults.errors:
                    raise faults.problem()
                await confirm(request, "admin", connection)
        except TimeoutError:
            if not limit.expired():  # PostgreSQL's
                raise
            detail = (
                f"The import took longer than {TRANSFER_TIMEOUT:g} s. Nothing was imported. Send fewer lines at once."
            )
            raise ProblemError(408, detail=detail, headers={"Connection": "close"}) from None
        except UniqueViolationError:
            detail = (
                "Another request stored one of these images meanwhile. Nothing was imported. Send the request again."
            )
            raise ProblemError(409, detail=detail) from None
    return Response(result.model_dump_json(), media_type=JSON)


class Faults:
    """The errors of an import by line, up to the number that fits into one answer."""

    def __init__(self) -> None:
        self.errors: list[FieldError] = []
        self.unread = False  # whether the rest of the body was not read

    def add(self, line: int, errors: list[FieldError]) -> None:
        """Add the errors of a line."""
        self.errors += [error.model_copy(update={"line": line}) for error in errors]

    @property
    def full(self) -> bool:
        """Return whether more errors would not fit into the answer."""
        return self.unread or len(self.errors) >= MAX_ERRORS

    def problem(self) -> ProblemError:
        """Return the 422 with the errors, in the order of the lines."""
        detail = "Nothing was imported."
        if self.unread:
            detail += " The service stopped reading at the last of these faults."
        errors = sorted(self.errors, key=lambda error: error.line or 0)[:MAX_ERRORS]
        headers = {"Connection": "close"} if self.unread else None
        return ProblemError(422, "invalid-request", detail, errors=errors, headers=headers)


async def _lines(request: Request[State], faults: Faults) -> AsyncGenerator[tuple[int, bytes], None]:
    """Yield the lines of the body that are not blank, with their numbers from 1. The last line needs no line feed."""
    number, blank, rest, max_bytes = 1, 0, b"", request.state["settings"].max_record_bytes
    async for chunk in request.stream():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.strip():
                yield number, line
            elif (blank := blank + 1) > MAX_BLANK_LINES:
                faults.add(number, [FieldError(detail=f"is one of more than {MAX_BLANK_LINES} blank lines")])
                faults.unread = True
            if faults.full:
                faults.unread = True
                return
            if number % LINES_AT_ONCE == 0:
                await asyncio.sleep(0)
            number += 1
        if len(rest) > max_bytes:
            faults.unread = True
            break
    if rest.strip():
        yield number, rest


async def _batches(request: Request[State], moment: datetime, faults: Faults) -> AsyncGenerator[Batch, None]:
    """Yield the records of the body in batches. After the first fault, only collect more faults."""
    batch: Batch = []
    settings = request.state["settings"]
    keeps_location = settings.location != "strip"
    async for number, line in _lines(request, faults):
        if len(line) > settings.max_record_bytes:
            faults.add(number, [FieldError(detail=f"is longer than {settings.max_record_bytes} bytes")])
            continue
        try:
            record = ImageRecord.model_validate_json(line, context=settings)
            batch.append((number, record.id is not None, _image(record, moment, keeps_location)))
        except ValidationError as error:
            problem = invalid(error, ImageRecord).problem
            faults.add(number, problem.errors or [FieldError(detail=problem.detail or "")])
        if len(batch) == BATCH_SIZE and not faults.errors:
            yield batch
            batch = []
    if batch and not faults.errors:
        yield batch


async def _ahead(batches: AsyncGenerator[Batch, None]) -> AsyncGenerator[Batch, None]:
    """Yield the same batches, but parse the next one while PostgreSQL writes the last one."""
    coming = asyncio.ensure_future(anext(batches, None))
    try:
        while batch := await coming:
            coming = asyncio.ensure_future(anext(batches, None))
            yield batch
    finally:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)


async def _new(connection: Connection, batch: Batch, faults: Faults) -> list[Image]:
    """Return the images whose bytes are neither in the catalogue nor on an earlier line.

    If the ID of an image belongs to other bytes, add a fault.
    """
    rows = await queries.find_known(
        connection,
        [image["content_sha256"] for _, _, image in batch],
        [image["id"] for _, given, image in batch if given],
    )
    known = {row["content_sha256"] for row in rows}
    taken = {row["id"]: row["content_sha256"] for row in rows}
    new = []
    for line, _, image in batch:
        if taken.setdefault(image["id"], image["content_sha256"]) != image["content_sha256"]:
            faults.add(line, [FieldError(pointer="/id", detail="is the ID of other bytes")])
        elif image["content_sha256"] not in known:
            known.add(image["content_sha256"])
            new.append(image)
    return new


def _image(record: ImageRecord, moment: datetime, keeps_location: bool) -> Image:
    """Return the record as a row of images. `moment` is the time of the import."""
    created_at, capture = record.created_at or moment, record.capture
    location = record.location if keeps_location else None
    return {
        "id": record.id or uuid4(),
        "filename": record.filename,
        "content_type": record.content_type,
        "byte_size": record.byte_size,
        "width": record.width,
        "height": record.height,
        "content_sha256": bytes.fromhex(record.sha256),
        "title": record.title,
        "description": record.description,
        "tags": record.tags,
        "attributes": to_json(record.attributes).decode(),
        "created_at": created_at,
        "updated_at": record.updated_at or created_at,
        "capture": capture and capture.model_dump_json(exclude_none=True),
        "captured_at": capture and capture.captured_at,
        "location": location and location.model_dump_json(exclude_none=True),
        "color": record.color,
        "thumbhash": record.thumbhash and b64decode(record.thumbhash),
    }
