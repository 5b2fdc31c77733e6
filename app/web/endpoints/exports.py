"""Export: all images that match, as NDJSON (GET /v1/images/export)."""

import time
from contextlib import suppress

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Send

from app.catalogue.export import ENCODERS, NDJSON, export
from app.catalogue.listing import Filters
from app.catalogue.models import Image
from app.database.errors import UNAVAILABLE
from app.observability.logs import logger
from app.web import negotiation
from app.web.auth import confirm
from app.web.limits import TRANSFER_TIMEOUT, transfer_slot, with_stall_timeout
from app.web.location import require_locations, sees_locations
from app.web.operations import Answer, Tag, operation
from app.web.parameters import parameters
from app.web.problems import ProblemError
from app.web.state import State

CONFIRM_INTERVAL = 30.0  # seconds from a check of the token that could not be made to the next one


@operation(
    "GET",
    "/v1/images/export",
    "exportImages",
    tag=Tag.TRANSFER,
    scope="read",
    summary="Export all images that match",
    description="Returns one line for each image, newest first, as of one moment. If `Accept-Encoding` names gzip or "
    "zstd, the body is compressed. If the connection closes before the last chunk, the export is incomplete. "
    f"That happens after {TRANSFER_TIMEOUT:g} s, too, or earlier if another token waits and the client reads slowly: a "
    "slow client exports one period after another.",
    query=Filters,
    answers=(Answer(200, "One line for each image.", {NDJSON: Image}),),
)
async def export_images(request: Request[State]) -> Response:
    filters = parameters(request, Filters)
    if filters.bbox is not None:
        await require_locations(request)
    coding = negotiation.coding(request.headers.get("accept-encoding", ""), [*ENCODERS])
    headers = {"Content-Type": NDJSON, "Vary": "Accept-Encoding"} | ({"Content-Encoding": coding} if coding else {})
    if request.method == "HEAD":
        return StreamingResponse((), headers=headers)  # a Response would say that GET has a Content-Length of 0
    return _Export(request, filters, coding, headers, await sees_locations(request))


class _Export(StreamingResponse):
    """A response that begins with the first bytes, so that an error before them is answered as a problem.

    An error after them closes the connection: without the last chunk the client knows that bytes are missing. If the
    client goes away, Starlette cancels the response, and with it the COPY.
    """

    def __init__(
        self,
        request: Request[State],
        filters: Filters,
        coding: str | None,
        headers: dict[str, str],
        shows_location: bool,
    ) -> None:
        super().__init__((), headers=headers)
        self.shows_location = shows_location
        self.request, self.filters, self.coding = request, filters, coding

    async def stream_response(self, send: Send) -> None:
        started, due, in_time = False, 0.0, with_stall_timeout(send)

        async def write(chunk: bytes) -> None:
            nonlocal started, due
            if time.monotonic() >= due:
                due = time.monotonic() + CONFIRM_INTERVAL
                with suppress(*UNAVAILABLE):  # the export has its connection, and can continue
                    await confirm(self.request, "read")  # a token can be revoked in the hour that an export may take
                    due = 0.0
            if not started:
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                started = True
            await in_time({"type": "http.response.body", "body": chunk, "more_body": True})

        try:
            async with (
                transfer_slot(self.request),
                self.request.state["transfers"].export(TRANSFER_TIMEOUT) as running,
            ):
                in_time = running.measured(in_time)
                await export(
                    self.request.state["reads"],
                    self.filters,
                    self.coding,
                    write,
                    shows_location=self.shows_location,
                )
        except UNAVAILABLE as error:
            if not started:
                raise
            logger.error(
                "an export was cut off: %s: %s", type(error).__name__, str(error) or "the client read too slowly"
            )
            return
        except ProblemError as error:
            if not started:
                raise
            logger.warning("an export was cut off: %s", error)
            return
        if not started:
            await write(b"")
        await send({"type": "http.response.body", "body": b""})
