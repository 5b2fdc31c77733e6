"""HTTP protocol of uvicorn, with what it lacks: limits on a request's head, the check of Host, HTTP/1.0 without chunks.

It also closes connections while the service drains, and makes Date the date of the response.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import lru_cache
from time import time
from typing import Any

from starlette.types import Message
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from app.web.dates import http_date
from app.web.problems import ProblemError
from app.web.server.request_log import REJECTION

DEFAULT_REQUEST_TIMEOUT = 30.0  # seconds, for an application without our settings
MAX_HEAD_BYTES = 65_536  # as in uvicorn's slower protocol, on h11
HEAD_TOO_LONG = "Request line and headers are too long."
CLOSE = {"Connection": "close"}
# RFC 9110, section 7.2: the host and port of the URL, empty if the URL has none.
HOST = re.compile(rb"(?:\[[0-9A-Za-z:.%_~!$&'()*+,;=-]*\]|[0-9A-Za-z.%_~!$&'()*+,;=-]*)(?::[0-9]*)?")
WITHOUT_PATH = re.compile(rb"(https?://[^/?#]++)(?!/)", re.IGNORECASE)  # a URL as the target of a request


class HttpProtocol(HttpToolsProtocol):
    """Answers 431 if request line and headers are too long, and 408 if they are not complete in REQUEST_TIMEOUT.

    uvicorn itself would buffer them without limit, and wait without limit for the first byte.
    """

    _head: int | None = 0  # bytes of the head so far; None once it is complete
    _read: int = 0  # bytes that arrived last
    _timer: asyncio.TimerHandle | None = None  # while a head is incomplete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._default_headers = DefaultHeaders(self.config.encoded_headers)
        self._start()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._read = len(data)
        if self._head is not None:
            self._head += self._read
        super().data_received(data)
        if self._head and not self.transport.is_closing():
            if self._head > MAX_HEAD_BYTES:
                self._end(b"431 Request Header Fields Too Large", HEAD_TOO_LONG)
            elif self._timer is None:
                self._start()

    def on_headers_complete(self) -> None:
        is_old = self.parser.get_http_version() == "1.0"
        if (rejection := self._rejection(is_old)) is not None:
            self.scope[REJECTION] = rejection  # type: ignore[literal-required]
        if is_old:
            self.expect_100_continue = False  # RFC 9110, section 10.1.1
        if not self.url.startswith(b"/"):
            self.url = WITHOUT_PATH.sub(rb"\1/", self.url, count=1)  # RFC 9112, section 3.2.2
        self._head = None
        self._stop()
        super().on_headers_complete()
        if self.config.date_header:
            self.cycle.default_headers = self._default_headers
        if is_old:
            self.cycle.chunked_encoding = False
            self.cycle.send = without_chunks(self.cycle)  # type: ignore[method-assign, assignment]
        draining = self.app_state.get("draining")
        if draining and draining.is_set():
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        self._head = 0
        super().on_message_complete()

    def _rejection(self, is_old: bool) -> ProblemError | None:
        """Return the problem of a complete head: it is too long, or has no valid Host (RFC 9112, section 3.2)."""
        # The bytes that arrived last may also hold a body. Only if there are that many, the head is measured.
        if self._read > MAX_HEAD_BYTES or (self._head or 0) > MAX_HEAD_BYTES:
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size > MAX_HEAD_BYTES:
                return ProblemError(431, detail=HEAD_TOO_LONG, headers=CLOSE)
        hosts = [value for name, value in self.headers if name == b"host"]
        if HOST.fullmatch(hosts[0].strip()) if len(hosts) == 1 else is_old and not hosts:
            return None
        return ProblemError(400, detail="Send one valid Host header.", headers=CLOSE)

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
                self._end(b"408 Request Timeout", "")
            self.transport.close()

    def _end(self, status: bytes, text: str) -> None:
        """Answer a head that is not complete, and close the connection."""
        lines = [
            b"HTTP/1.1 " + status,
            b"date: " + _date(int(time())),
            b"content-type: text/plain; charset=utf-8",
            b"content-length: %d" % len(text),
            b"connection: close",
        ]
        self.transport.write(b"\r\n".join(lines) + b"\r\n\r\n" + text.encode())
        self.transport.close()


class DefaultHeaders(list[tuple[bytes, bytes]]):
    """The headers that uvicorn adds to each response. Date is the time at which uvicorn adds them.

    uvicorn's own Date is the time of the request, or up to a second earlier. Then Last-Modified may be later than Date,
    which RFC 9110, section 8.8.2.1, forbids. To wrap `send` of each request would cost more.
    """

    def __add__(self, others: list[Any]) -> list[Any]:
        return [(b"date", _date(int(time()))), *self, *others]


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


@lru_cache(maxsize=1)
def _date(second: int) -> bytes:
    """Return the value of Date for a time in whole seconds since 1970."""
    return http_date(datetime.fromtimestamp(second, UTC)).encode()
