"""Every image that matches, as NDJSON, newest first: GET /v1/images/export and `images export`."""

import zlib
from collections.abc import Callable, Coroutine
from typing import Protocol

import zstandard
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Send

from app import negotiation, queries
from app.cursors import EARLIEST, LATEST
from app.limits import patient, transfer
from app.models import Filters
from app.parameters import parameters
from app.problems import UNAVAILABLE, logger
from app.reads import Reads

NDJSON = "application/x-ndjson"

Write = Callable[[bytes], Coroutine[None, None, None]]


class Encoder(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


# Content codings, best first. Both at a level at which the coder is no slower than PostgreSQL.
ENCODERS: dict[str, Callable[[], Encoder]] = {
    "zstd": lambda: zstandard.ZstdCompressor(level=3).compressobj(),
    "gzip": lambda: zlib.compressobj(level=1, wbits=31),
}


async def export(reads: Reads, filters: Filters, coding: str | None, write: Write) -> None:
    """Hand all of it to `write`, in the coding; one transaction, so that it is of one moment."""
    encoder = ENCODERS[coding]() if coding else None
    begun = False

    async def encoded(chunk: bytes) -> None:
        nonlocal begun
        begun = True
        if encoder is not None:
            chunk = await to_thread.run_sync(encoder.compress, chunk)
        if chunk:
            await write(chunk)

    await reads.run(
        lambda connection: queries.export_images(
            connection,
            created_after=filters.created_after or EARLIEST,
            created_before=filters.created_before or LATEST,
            terms=filters.terms(),
            words=filters.q,
            write=encoded,
        ),
        again=lambda: not begun,
    )
    if encoder is not None:
        await write(encoder.flush())


async def export_images(request: Request) -> Response:
    filters = parameters(request, Filters)
    coding = negotiation.coding(request.headers.get("accept-encoding", ""), [*ENCODERS])
    headers = {"Content-Type": NDJSON, "Vary": "Accept-Encoding"} | ({"Content-Encoding": coding} if coding else {})
    if request.method == "HEAD":
        return Response(headers=headers)
    return _Export(request, filters, coding, headers)


class _Export(StreamingResponse):
    """Begins with the first bytes, so that what fails before them is a problem like any other.

    What fails later ends the connection: the client sees that it has not got all. When the client goes away Starlette
    cancels it, and with it the COPY.
    """

    def __init__(self, request: Request, filters: Filters, coding: str | None, headers: dict[str, str]) -> None:
        super().__init__((), headers=headers)
        self.request, self.filters, self.coding = request, filters, coding

    async def stream_response(self, send: Send) -> None:
        started, in_time = False, patient(send)

        async def write(chunk: bytes) -> None:
            nonlocal started
            if not started:
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                started = True
            await in_time({"type": "http.response.body", "body": chunk, "more_body": True})

        try:
            with transfer(self.request):
                await export(self.request.state["reads"], self.filters, self.coding, write)
        except UNAVAILABLE as error:
            if not started:
                raise
            logger.error("an export was cut off: %s: %s", type(error).__name__, error)
            return
        if not started:
            await write(b"")
        await send({"type": "http.response.body", "body": b""})
