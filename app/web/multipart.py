"""multipart/form-data (RFC 7578): read a form with one file, chunk by chunk, as python-multipart parses it."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.storage.spool import Spool
from app.web.limits import too_large
from app.web.problems import FieldError, ProblemError

if TYPE_CHECKING:  # this name exists only for type checkers
    from python_multipart.multipart import MultipartCallbacks

FILE = "file"  # the name of the part that is the file
MAX_SHOWN = 60  # characters of a wrong name in a message
# A name of 255 characters, percent-encoded in both `filename` and `filename*`, takes 6,120 bytes.
MAX_HEADER_BYTES = 8192
CHARSETS = {b"utf-8", b"utf8", b"us-ascii"}
PLAIN = {b"7bit", b"8bit", b"binary"}  # values of Content-Transfer-Encoding that change nothing
FILENAME_EXTENDED = re.compile(rb";\s*filename\*\s*=", re.IGNORECASE)
# RFC 8187, section 3.2.1: charset, language and the percent-encoded value.
EXTENDED_VALUE = re.compile(rb"(utf-8|iso-8859-1)'[^']*'((?:[^%]|%[0-9a-f]{2})*)", re.IGNORECASE | re.DOTALL)
# The HTML standard: browsers write this for a quotation mark, and leave `%` as it is. So do curl, httpx, and urllib3.
ESCAPED_QUOTE = b"%22"
EXTENDED_EXAMPLE = "filename*=UTF-8''gr%C3%BCn.jpg"


class Limits(NamedTuple):
    """How much a form may hold."""

    file_bytes: int
    field_bytes: int  # of one field
    fields: int  # besides the file


@dataclass
class Form:
    """The parts of a form: the fields in their order, and the file."""

    spool: Spool  # the bytes of the file
    filename: str | None = None  # as the client sent it, maybe empty; None if the form has no file
    fields: list[tuple[str, str]] = field(default_factory=list)


@asynccontextmanager
async def read_form(content_type: str, chunks: AsyncIterator[bytes], limits: Limits) -> AsyncIterator[Form]:
    """Read a form whose Content-Type is multipart/form-data. The file is removed at the end of the context.

    A part with the name `file` is the file, and needs a file name. All other parts are fields, even if they have a file
    name: browsers give one to every Blob.

    Raises ProblemError:
        400: the form is malformed.
        413: the file is too large.
        415: a charset is not UTF-8, or a part is encoded.
        422: the file has no file name, or its part has another name.
    """
    with Spool() as spool:
        form = Form(spool)
        parser = _Parser(content_type, form, limits)
        async for chunk in chunks:
            parser.write(chunk)
            # The parser's callbacks cannot wait, and a file on disk is written in a thread.
            for piece in parser.pieces:
                await spool.receive(piece)
            parser.pieces.clear()
        if not parser.complete:
            raise ProblemError(400, detail="The body ends before its closing boundary.")
        yield form


class _Parser:
    """The callbacks of python-multipart's parser, which fill a form."""

    def __init__(self, content_type: str, form: Form, limits: Limits) -> None:
        _, parameters = parse_options_header(content_type)
        boundary = parameters.get(b"boundary")
        if not boundary:
            raise ProblemError(400, detail="The Content-Type has no boundary.")
        # RFC 7578 has no charset here. Python knows charsets in which any bytes decode to something that is not text.
        if parameters.get(b"charset", b"utf-8").lower() not in CHARSETS:
            raise ProblemError(415, detail="The charset of multipart/form-data must be UTF-8.")
        self.pieces: list[memoryview] = []  # of the file, from the last chunk
        self.complete = False
        self._form = form
        self._limits = limits
        self._header_name = self._header_value = b""
        self._headers: dict[bytes, bytes] = {}  # of the present part
        self._add = self._ignore  # the consumer of the data of the present part
        self._name = ""  # of the present field
        self._has_filename = False  # the present field
        self._text = bytearray()
        self._file_bytes = 0
        callbacks: MultipartCallbacks = {
            "on_part_begin": self._begin_part,
            "on_header_field": self._add_to_header_name,
            "on_header_value": self._add_to_header_value,
            "on_header_end": self._end_header,
            "on_part_data": lambda data, start, end: self._add(memoryview(data)[start:end]),
            "on_part_end": self._end_part,
            "on_end": self._end,
        }
        try:
            self._parser = MultipartParser(boundary, callbacks, max_header_size=MAX_HEADER_BYTES)
        except FormParserError as error:
            raise ProblemError(400, detail=f"The boundary is not valid: {error}.") from None
        # A preamble may precede the first boundary (RFC 2046, section 5.1.1), but python-multipart does not know
        # preambles. So the parser gets the head of an extra part first, whose data is the preamble.
        self.write(b"--%b\r\n\r\n\r\n" % boundary)
        self._parser.set_callback("headers_finished", self._start_part)

    def write(self, chunk: bytes) -> None:
        """Parse one chunk of the body. Raises ProblemError."""
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise ProblemError(400, detail=f"The multipart/form-data body is malformed: {error}.") from None

    def _begin_part(self) -> None:
        self._headers = {}

    def _add_to_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _add_to_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _end_header(self) -> None:
        if b"\n" in self._header_value:
            raise ProblemError(400, detail="A line of the head of a part must end with CR LF.")
        self._headers[self._header_name.lower()] = self._header_value
        self._header_name = self._header_value = b""

    def _start_part(self) -> None:
        disposition = self._headers.get(b"content-disposition", b"")
        _, parameters = parse_options_header(disposition)
        if b"name" not in parameters:
            raise ProblemError(400, detail="A part of the form has no name in its Content-Disposition.")
        self._name = _decode(parameters[b"name"])
        if self._headers.get(b"content-transfer-encoding", b"binary").strip().lower() not in PLAIN:
            raise ProblemError(415, detail="Send the parts of a form as they are, without Content-Transfer-Encoding.")
        if self._name == FILE:
            filename = filename_in(disposition, is_form=True)
            if filename is None:
                raise file_error("must be given once, as a part with a file name")
            if self._form.filename is not None:
                raise ProblemError(400, detail="The form has more than one file. Send a request for each file.")
            self._form.filename = filename
            self._add = self._add_to_file
        else:
            if len(self._form.fields) == self._limits.fields:
                raise ProblemError(400, detail=f"The form has more than {self._limits.fields} fields.")
            charset = parse_options_header(self._headers.get(b"content-type"))[1].get(b"charset", b"utf-8")
            if charset.lower() not in CHARSETS:
                raise ProblemError(415, detail="The fields of a form must be UTF-8.")
            self._has_filename = b"filename" in parameters
            self._add = self._add_to_field

    def _end_part(self) -> None:
        if self._add == self._add_to_field:
            try:
                self._form.fields.append((self._name, _decode(self._text)))
            except ProblemError as error:
                raise self._misnamed() or error from None
            self._text.clear()

    def _end(self) -> None:
        self.complete = True

    def _ignore(self, data: memoryview) -> None:
        pass

    def _add_to_field(self, data: memoryview) -> None:
        self._text += data
        if len(self._text) > self._limits.field_bytes:
            raise self._misnamed() or ProblemError(
                400, detail=f"A field of the form is longer than {self._limits.field_bytes} bytes."
            )

    def _misnamed(self) -> ProblemError | None:
        """Return the 422 if the present field seems to be the file: it has a file name, and is no text of a field."""
        if not self._has_filename:
            return None
        return file_error(f"must be the name of the part with the file, not {self._name[:MAX_SHOWN]}")

    def _add_to_file(self, data: memoryview) -> None:
        self.pieces.append(data)
        self._file_bytes += len(data)
        if self._file_bytes > self._limits.file_bytes:
            raise too_large(self._limits.file_bytes)


def file_error(detail: str) -> ProblemError:
    """Return the 422 for a fault of the form's file."""
    return ProblemError(422, "invalid-request", errors=[FieldError(pointer=f"/{FILE}", detail=detail)])


def filename_in(disposition: bytes, *, is_form: bool = False) -> str | None:
    """Return the file name in a Content-Disposition: `filename*` (RFC 8187) if it is valid, else `filename`, else None.

    Some clients write RFC 2047 words or percent-encoding into `filename`. Such a name is also a valid literal name, so
    only their `filename*` tells the difference. In a form, `%22` is a quotation mark, unless the client escapes one by
    a backslash. `%0D` and `%0A` stay: a file name has no end of a line.

    Raises ProblemError: 400 if the only name is a wrong `filename*`.
    """
    # python-multipart drops parameters with an asterisk in their name, but knows what is inside quotes and what is not.
    extended = None
    renamed, count = FILENAME_EXTENDED.subn(b";filename(extended)=", disposition)
    if count:
        extended = parse_options_header(renamed)[1].get(b"filename(extended)")
        value = None if extended is None else EXTENDED_VALUE.fullmatch(extended)
        if value is not None:
            with suppress(UnicodeDecodeError):
                return unquote_to_bytes(value[2]).decode(value[1].decode())
    filename = parse_options_header(disposition)[1].get(b"filename")
    if filename is None and extended is not None:
        raise ProblemError(400, detail=f"The value of filename* is wrong. A right one is {EXTENDED_EXAMPLE}.")
    if filename is not None and is_form and b'"' not in filename:
        filename = filename.replace(ESCAPED_QUOTE, b'"')
    return None if filename is None else _decode(filename)


def _decode(text: bytes | bytearray) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise ProblemError(400, detail="File names, and names and fields of a form, must be UTF-8.") from None
