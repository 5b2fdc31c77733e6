"""HTTP protocol of uvicorn, with what it lacks: limits on a request's head, the check of Host, HTTP/1.0 without chunks.

It also closes connections while the service drains.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable

from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from app.web.problems import ProblemError

DEFAULT_REQUEST_TIMEOUT = 30.0  # seconds, for an application without our settings
MAX_HEAD_BYTES = 65_536  # as in uvicorn's slower protocol, on h11
# RFC 9110, section 7.2: the host and port of the URL, empty if the URL has none.
HOST = re.compile(rb"(?:\[[0-9A-Za-z:.%_~!$&'()*+,;=-]*\]|[0-9A-Za-z.%_~!$&'()*+,;=-]*)(?::[0-9]*)?")


class HttpProtocol(HttpToolsProtocol):
    """Answers 400 if request line and headers are too long, and 408 if they are not complete in REQUEST_TIMEOUT.

    uvicorn itself would buffer them without limit, and wait without limit for the first byte.
    """

    _head: int | None = 0  # bytes of the head so far; None once it is complete
    _timer: asyncio.TimerHandle | None = None  # while a head is incomplete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._head is not None:
            self._head += len(data)
        super().data_received(data)
        if self._head and not self.transport.is_closing():
            if self._head > MAX_HEAD_BYTES:
                self.send_400_response("Request line and headers are too long.")
            elif self._timer is None:
                self._start()

    def on_headers_complete(self) -> None:
        self._head = None
        self._stop()
        is_old = self.parser.get_http_version() == "1.0"
        hosts = [value for name, value in self.headers if name == b"host"]
        if HOST.fullmatch(hosts[0].strip()) if len(hosts) == 1 else is_old and not hosts:
            super().on_headers_complete()
        else:
            app, self.app = self.app, reject_host
            super().on_headers_complete()
            self.app = app
        if is_old:
            self.cycle.chunked_encoding = False
            self.cycle.send = without_chunks(self.cycle)  # type: ignore[method-assign, assignment]
        draining = self.app_state.get("draining")
        if draining and draining.is_set():
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        self._head = 0
        super().on_message_complete()

    def _start(self) -> None:
        settings = self.app_state.get("settings")  # of this application; another one may have none
        seconds = settings.request_timeout if settings else DEFAULT_REQUEST_TIMEOUT
        self._timer = self.loop.call_later(seconds, self._time_out)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _time_out(self) -> None:
        self._timer = None
        if self.cycle is not None and not self.cycle.response_complete:
            self._start()  # The next head came before the answer to this request, so it has time.
        elif not self.transport.is_closing():
            if self._head:
                self.transport.write(b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            self.transport.close()


async def reject_host(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer 400, as RFC 9112, section 3.2, has it for a request without one valid Host: an ASGI application."""
    problem = ProblemError(400, detail="Send one valid Host header.", headers={"Connection": "close"})
    await problem.response()(scope, receive, send)


def without_chunks(cycle: RequestResponseCycle) -> Callable[[Message], Awaitable[None]]:
    """Return the `send` of a request in HTTP/1.0, which has no chunked coding: the body ends with the connection.

    uvicorn then takes the length of each body message for the length that the head declared.
    """
    send = cycle.send

    async def send_without_chunks(message: Message) -> None:
        if message["type"] == "http.response.body":
            cycle.expected_content_length = len(message.get("body", b""))
        await send(message)  # type: ignore[arg-type]

    return send_without_chunks
