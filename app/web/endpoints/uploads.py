"""Upload: receive the bytes of an image and its metadata, then store them (POST /v1/images)."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import NamedTuple

from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from app.catalogue.fields import Filename
from app.catalogue.ingest import hash_content, store_image
from app.catalogue.models import Image, UploadFields, UploadForm, UploadQuery
from app.database.errors import UNAVAILABLE
from app.decoder.formats import EXTENSIONS, Reading
from app.observability.metrics import measured_upload
from app.settings import Settings
from app.storage.spool import Content, Spool
from app.web.auth import confirm
from app.web.endpoints.images import PATH, image_response
from app.web.limits import upload_slot, while_connected
from app.web.multipart import Form, Limits, file_error, filename_in, read_form
from app.web.negotiation import media_type
from app.web.operations import CONTENT_DISPOSITION, FORM, JSON, Answer, Body, Tag, operation
from app.web.parameters import parameters, values
from app.web.problems import FieldError, ProblemError, invalid
from app.web.state import State

OTHER_FIELDS = 4  # title, description, attributes and use, beside the tags
GIVEN_TWICE = "is a query parameter too. Send it once"

_filename = TypeAdapter(Filename)


class Upload(NamedTuple):
    """The bytes of an image, its file name, and its metadata, as the client sent them."""

    content: Content
    filename: str | None
    fields: UploadFields


@asynccontextmanager
async def receive(request: Request[State], settings: Settings) -> AsyncIterator[Upload]:
    """Receive the upload: a form, or the bytes as the body. Its temporary file is deleted with the context."""
    content_type, query = request.headers["content-type"], parameters(request, UploadQuery)
    if media_type(content_type) == FORM:
        limits = Limits(settings.max_upload_bytes, settings.max_record_bytes, OTHER_FIELDS + settings.max_tags)
        async with read_form(content_type, request.stream(), limits) as form:
            yield _from_form(form, query, settings)
    else:
        filename = _filename_in_head(request, settings)
        with Spool() as spool:
            async for chunk in request.stream():
                await spool.receive(chunk)
            yield Upload(spool.content(), filename, query)


def _from_form(form: Form, query: UploadFields, settings: Settings) -> Upload:
    fields = values(form.fields, repeatable={"tags"})
    try:
        valid = UploadFields.model_validate(fields, context=settings)
    except ValidationError as error:
        raise invalid(error, UploadFields) from None
    if twice := valid.model_fields_set & query.model_fields_set:
        faults = [FieldError(pointer=f"/{name}", detail=GIVEN_TWICE) for name in sorted(twice)]
        raise ProblemError(422, "invalid-request", errors=faults)
    merged = query.model_copy(update={name: getattr(valid, name) for name in valid.model_fields_set})
    if form.filename is None:
        raise file_error("must be given once, as a part with a file name")
    try:
        return Upload(form.spool.content(), _last_component(form.filename, settings), merged)
    except ValueError as error:
        raise file_error(f"file name: {error}") from None


def _filename_in_head(request: Request[State], settings: Settings) -> str | None:
    """Return the file name in Content-Disposition, or None. Raises ProblemError: 400."""
    given = request.headers.getlist("content-disposition")
    if len(given) > 1:
        raise ProblemError(400, detail="Send one Content-Disposition header.")
    filename = filename_in(given[0].encode("latin-1")) if given else None
    try:
        return None if filename is None else _last_component(filename, settings)
    except ValueError as error:
        raise ProblemError(400, detail=f"The file name in Content-Disposition {error}.") from None


def _last_component(filename: str, settings: Settings) -> str | None:
    """Return the name without folders, which some clients send (RFC 7578, section 4.2), or None if nothing is left.

    Raises ValueError if it is not a file name.
    """
    name = re.split(r"[/\\]", filename)[-1]
    if name in {"", ".", ".."}:
        return None
    try:
        return _filename.validate_python(name, context=settings)
    except ValidationError as error:
        raise ValueError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None


@operation(
    "POST",
    PATH,
    "createImage",
    tag=Tag.IMAGES,
    scope="write",
    summary="Store an image",
    description="Stores the bytes of an image and its metadata. The service finds the media type, the width, and the "
    "height in the bytes. It stores the same bytes only once: a second upload returns the first image unchanged.\n\n"
    "The body is the image itself, or a form with the image in the part `file`. The metadata are query parameters, or "
    "parts of the form.",
    query=UploadQuery,
    headers=(CONTENT_DISPOSITION,),
    body=Body(
        {
            FORM: UploadForm,
            "image/*": {"type": "string", "format": "binary", "description": f"One of {', '.join(EXTENSIONS)}."},
            "application/octet-stream": {"type": "string", "format": "binary", "description": "The same."},
        },
        max_bytes=lambda settings: settings.max_upload_bytes,
        max_form_bytes=lambda settings: settings.max_upload_bytes + 2 * settings.max_record_bytes,
    ),
    answers=(
        Answer(201, "The image is stored.", {JSON: Image}, ("Location", "ETag")),
        Answer(200, "The catalogue already has these bytes.", {JSON: Image}, ("Content-Location", "ETag")),
    ),
    problems=(
        "400",
        "415 unsupported-image",
        "422 broken-image",
        "422 too-many-pixels",
        "503 busy",
        "503 storage-unavailable",
        "503 wrong-store",
    ),
)
async def create_image(request: Request[State]) -> Response:
    guard = request.state["guard"]
    if guard.ownership is not None:  # Otherwise the service first rejects a bad image, also without the database.
        await guard.admit()  # the other catalogue would remove these bytes as orphans
    settings, pool, objects = request.state["settings"], request.state["pool"], request.state["store"]
    codec, queue = request.state["codec"], request.state["decoder_queue"]

    is_measured = False

    async def allow() -> None:
        await confirm(request, "write")
        await guard.admit()

    async def read(content: Content) -> Reading:
        nonlocal is_measured
        is_measured = True
        return await while_connected(request, queue.run("uploads", partial(codec.read, content)))

    with measured_upload() as outcome:
        async with upload_slot(request), receive(request, settings) as upload:
            hashed = await hash_content(upload.content)
            try:
                await guard.admit()
                row, new = await store_image(
                    pool,
                    objects,
                    hashed,
                    read,
                    upload.filename,
                    upload.fields,
                    allow,
                    settings,
                )
            except UNAVAILABLE:
                if not is_measured:  # the service rejects a bad image without the database, too
                    await read(hashed.content)
                raise
        outcome |= {"new": new, "bytes": hashed.byte_size}
    url = f"{request.scope.get('root_path', '')}{PATH}/{row['id']}"
    if new:
        return await image_response(request, row, 201, {"Location": url})
    return await image_response(request, row, 200, {"Content-Location": url})
