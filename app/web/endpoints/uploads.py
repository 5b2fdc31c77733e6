"""The body of POST /v1/images: into memory, or a temporary file where it is large, then hashed and measured off the
event loop."""

import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Any, NamedTuple, cast

from pydantic import TypeAdapter, ValidationError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.responses import Response

from app.catalogue.fields import Filename
from app.catalogue.ingest import digest, store_image
from app.catalogue.models import UploadFields
from app.observability.metrics import measured_upload
from app.settings import Settings
from app.storage.spool import Content, Spool
from app.web.endpoints.images import PATH, _image
from app.web.limits import too_large, turn
from app.web.parameters import values
from app.web.problems import FieldError, ProblemError, invalid

TAKES = {"Accept-Post": "multipart/form-data, image/*"}
OTHER_FIELDS = 3  # title, description and attributes, beside the tags

_filename = TypeAdapter(Filename)


class Upload(NamedTuple):
    content: Content
    filename: str | None
    fields: UploadFields


@asynccontextmanager
async def receive(request: Request, settings: Settings) -> AsyncIterator[Upload]:
    """The upload in the request, as multipart/form-data or a raw image/* body; its file is gone afterwards."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "multipart/form-data":
        async with _form(request, settings) as form:
            yield _from_form(form, settings)
    elif media_type.startswith("image/"):
        with Spool() as spool:
            async for chunk in request.stream():
                if spool.size + len(chunk) > settings.max_upload_bytes:
                    raise too_large(settings.max_upload_bytes)
                await spool.receive(chunk)
            yield Upload(spool.content(), None, UploadFields())
    else:
        detail = "Send the image as multipart/form-data or as the body, with its image/* type."
        raise ProblemError(415, detail=detail, headers=TAKES)


class _File(UploadFile):
    """A part with a file name."""

    def __init__(self, filename: str | None) -> None:
        super().__init__(BytesIO(), filename=filename)  # nothing is written there
        self.spool = Spool()

    async def write(self, data: bytes) -> None:
        await self.spool.receive(data)

    async def seek(self, offset: int) -> None:
        """Starlette seeks the beginning once all is written; `Spool.content` does."""

    async def close(self) -> None:
        self.spool.close()


class _Parser(MultiPartParser):
    """Starlette's, which loses the last part in silence where the closing boundary is missing, and guesses at text that
    is not UTF-8."""

    complete = False

    def on_end(self) -> None:
        self.complete = True

    def on_headers_finished(self) -> None:
        _require_utf8(self._current_part.content_disposition or b"")
        super().on_headers_finished()
        if self._current_part.file is not None:
            self._current_part.file = file = _File(self._current_part.file.filename)
            self._files_to_close_on_error.pop().close()
            self._files_to_close_on_error.append(cast("Any", file.spool))

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._current_part.file is None:
            super().on_part_data(data, start, end)
        else:
            # A view: the bytes are copied often enough on their way.
            self._file_parts_to_write.append((self._current_part, cast("bytes", memoryview(data)[start:end])))

    def on_part_end(self) -> None:
        if self._current_part.file is None:
            _require_utf8(self._current_part.data)
        super().on_part_end()


def _require_utf8(text: bytes | bytearray) -> None:
    try:
        text.decode()
    except UnicodeDecodeError:
        raise MultiPartException("Text is UTF-8.") from None


@asynccontextmanager
async def _form(request: Request, settings: Settings) -> AsyncIterator[FormData]:
    # RFC 7578 knows no charset here; and Python knows some in which any bytes decode to what is no text.
    charset = parse_options_header(request.headers["content-type"])[1].get(b"charset", b"utf-8")
    if charset.lower() not in {b"utf-8", b"utf8"}:
        raise ProblemError(415, detail="The charset of multipart/form-data is UTF-8.")

    async def stream() -> AsyncGenerator[bytes, None]:
        async for chunk in request.stream():
            yield chunk
        if not parser.complete:
            raise MultiPartException("The body ends before its closing boundary.")

    parser = _Parser(
        request.headers,
        stream(),
        max_files=1,
        max_fields=OTHER_FIELDS + settings.max_tags,
        max_part_size=settings.max_record_bytes,
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise ProblemError(400, detail=error.message) from None
    try:
        yield form
    finally:
        await form.close()


def _from_form(form: FormData, settings: Settings) -> Upload:
    files = form.getlist("file")
    fields = values([(name, value) for name, value in form.multi_items() if name != "file"], repeatable={"tags"})
    try:
        valid = UploadFields.model_validate(fields, context=settings)
    except ValidationError as error:
        raise invalid(error) from None
    if len(files) != 1 or not isinstance(files[0], _File):
        raise _field("/file", "must be given once, as a part with a file name")
    upload = files[0]
    if upload.spool.size > settings.max_upload_bytes:
        raise too_large(settings.max_upload_bytes)
    return Upload(upload.spool.content(), _last_component(upload.filename, settings), valid)


def _last_component(filename: str | None, settings: Settings) -> str | None:
    """The file's own name: some clients send its folders too (RFC 7578, section 4.2)."""
    name = re.split(r"[/\\]", filename or "")[-1]
    if name in {"", ".", ".."}:
        return None
    try:
        return _filename.validate_python(name, context=settings)
    except ValidationError as error:
        raise _field("/file", f"file name: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from None


def _field(pointer: str, detail: str) -> ProblemError:
    return ProblemError(422, "invalid-request", errors=[FieldError(pointer=pointer, detail=detail)])


async def create_image(request: Request) -> Response:
    settings, pool, objects = request.state["settings"], request.state["pool"], request.state["store"]
    with measured_upload() as measured:
        async with turn(request), receive(request, settings) as upload:
            found = await digest(upload.content, request.state["codec"], request.state["decoders"])
            row, new = await store_image(pool, objects, upload.content, found, upload.filename, upload.fields)
        measured |= {"new": new, "bytes": found.byte_size}
    if not new:
        return _image(row, 200, {"Content-Location": f"{PATH}/{row['id']}"})
    return _image(row, 201, {"Location": f"{PATH}/{row['id']}"})
