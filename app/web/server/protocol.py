"""HTTP protocol of uvicorn, with what it lacks: limits on a request's head, the check of Host, HTTP/1.0 without chunks.

It also closes connections while the service drains.
"""

import asyncio
import math
import re
import socket
from contextlib import suppress
from time import time
from typing import Any, ClassVar

from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from app.observability.logs import logger
from app.text import count
from app.web.limits import STALL_TIMEOUT
from app.web.problems import ProblemError
from app.web.server.accepting import max_connections, spread
from app.web.server.heads import Heads
from app.web.server.lingering import LINGER_BYTES, LINGER_HEAD_BYTES, LingeringTransport
from app.web.server.parser import Parser
from app.web.server.request_log import REJECTION
from app.web.server.response import Cycle, date_at
from app.web.server.turns import Turns

DEFAULT_REQUEST_TIMEOUT = 30.0  # seconds, for an application without our settings
MAX_HEAD_BYTES = 65_536  # as in uvicorn's slower protocol, on h11
MAX_HEADERS = 200  # lines of a head: each takes 100 bytes of memory more than its text
MAX_QUEUED = 16  # requests of a connection that wait for the responses to earlier ones
PIECE = 16_384  # bytes that are parsed at once
MANY_CHUNKS = 256  # in a piece: they take milliseconds, so such connections take turns
MIN_READ_BYTES = 16_384  # a client that reads less in STALL_TIMEOUT is given up
MAX_UNREAD_BYTES = 128 * 1024**2  # of responses that wait for their clients, in a process
MANY_BYTES = 1024**2  # of one response: if more wait, the sum is looked at
VERSIONS = ("1.1", "1.0")
HEAD_TOO_LONG = "Request line and headers are too long."
TOO_MANY_HEADERS = f"Send at most {MAX_HEADERS} headers."
CLOSE = {"Connection": "close"}
# RFC 9110, section 7.2: the host and port of the URL, empty if the URL has none.
HOST = re.compile(rb"(?:\[[0-9A-Za-z:.%_~!$&'()*+,;=-]*\]|[0-9A-Za-z.%_~!$&'()*+,;=-]*)(?::[0-9]*)?")
URL = re.compile(rb"(https?://([^/?#]++))/?", re.IGNORECASE)  # as the target of a request


class HttpProtocol(HttpToolsProtocol):
    """A connection with limits, which uvicorn does not have. No state lasts for ever, even if bytes trickle in.

    - Bytes that are not body: a head above MAX_HEAD_BYTES or MAX_HEADERS is 431. Longer trailers, or very
      many chunks of one or two bytes, end the connection. Trailers are not kept.
    - Requests that wait: after MAX_QUEUED, the later ones are dropped, and the connection ends after the last answer.
    - Time: a head that is not complete in REQUEST_TIMEOUT is 408. After an early response, the body has that time, and
      LINGER_BYTES. A client that does not read is given up after STALL_TIMEOUT.
    - Turns: after a piece with MANY_CHUNKS, the connection waits for its turn, so that it does not delay the others.
    - Memory: the next request waits until the client reads the response to the one before. If responses of more than
      MAX_UNREAD_BYTES wait, the clients that have not read for the longest time are given up. Heads that are not
      complete have a budget (heads.py): the next one that is not small gets 503, and the oldest connections are closed.
    - Connections: beyond max_connections() of this process, the ones that have waited longest for a request are closed.
      If a request runs in each of them, the new connection gets 503.
    """

    _in_body: bool = False  # the head is complete, and the message is not
    _has_begun: bool = False  # a head has begun, perhaps in a piece that ended another message, and is not complete
    _other: int = 0  # bytes of the message that are not body. Each byte of the body makes up for two
    _running: RequestResponseCycle | None = None  # the request that is answered; uvicorn's `cycle` is the last one
    _full: bool = False  # more requests waited than MAX_QUEUED: nothing more is read
    _timer: asyncio.TimerHandle | None = None  # of a head, of a body, or of the end
    _stall: asyncio.TimerHandle | None = None  # while the client has to read
    _unread_since: float = 0.0  # the loop's time
    _is_next_due: bool = False  # the next request begins when the client has read
    _since: float = 0.0  # the loop's time at which the connection opened, or its last response ended
    _heads: ClassVar[Heads] = Heads()
    _turns: ClassVar[Turns] = Turns()
    _waiting: bytes | None = None  # to be parsed at its turn. None if the connection does not wait for one

    def __init__(self, config: Config, *args: Any, **named: Any) -> None:
        super().__init__(config, *args, **named)
        self.parser: Parser = Parser(self)  # type: ignore[assignment]
        self._chunks: list[bytes] = []  # of the body, since the last read
        if config.workers > 1 and not self.tasks:
            spread()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport: LingeringTransport  # type: ignore[assignment]
        super().connection_made(LingeringTransport(transport, self._unread))  # type: ignore[arg-type]
        with suppress(OSError, AttributeError):  # the kernel ends what nothing here does; Linux, not on a Unix socket
            own = transport.get_extra_info("socket")
            own.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # asyncio does not, for the socket of UVICORN_FD
            own.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(2 * STALL_TIMEOUT * 1000))
        self._since = self.loop.time()
        if len(self.connections) > max_connections() and not self._make_room():
            logger.warning("rejected a connection: this process has %s open", len(self.connections) - 1)
            self._full = True
            self._end(b"503 Service Unavailable", "There are too many connections. Try again later.", b"retry-after: 5")
            if len(self.connections) > 1.5 * max_connections():  # no file descriptor is left for its rest
                self.transport.end()
        else:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        self._stop_stall()
        self._release()
        if self._waiting is not None:
            self._turns.remove(self._take_turn)
        self.transport.end()
        super().connection_lost(exc)
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True  # uvicorn does it only if no request waits behind this one
            self._running.message_event.set()
        # Without a reference to each other, both are freed at once, and do not wait for the garbage collector.
        self.cycle = self._running = None  # type: ignore[assignment]
        self.pipeline.clear()

    def data_received(self, data: bytes) -> None:
        if self._waiting is not None and not self.transport.is_closing():  # uvicorn has resumed reading
            self._waiting += data
            self.transport.pause_reading()
            return
        # Parsing thousands of small requests takes 0.1 s. In pieces, it stops once too many wait.
        for start in range(0, len(data), PIECE):
            if self._full or self.transport.is_closing():
                self.transport.discard(len(data) - start)
                return
            if self._receive(data[start : start + PIECE]) >= MANY_CHUNKS and not self.transport.is_closing():
                self._waiting = data[start + PIECE :]
                self.transport.pause_reading()
                self._turns.add(self._take_turn)
                return

    def _take_turn(self) -> None:
        data, self._waiting = self._waiting, None
        self.data_received(data or b"")
        if self._waiting is None and not self.flow.read_paused:
            self.transport.resume_reading()

    def _receive(self, data: bytes) -> int:
        """Parse a piece, and return how many chunks of a body it has."""
        self._other, self._number = self._other + len(data), 0
        super().data_received(data)
        self._take_body()
        if self.transport.is_closing():
            self._close()
        elif self._other > MAX_HEAD_BYTES:
            if self._in_body:
                logger.warning("closed a connection: trailers, or the lines before its chunks, are too long")
                self.transport.end()
                self._close()
            else:
                self._end(b"431 Request Header Fields Too Large", HEAD_TOO_LONG)
        elif not self._in_body and len(self.headers) > MAX_HEADERS:
            self._end(b"431 Request Header Fields Too Large", TOO_MANY_HEADERS)
        elif not self._in_body and (self._other or self._has_begun):
            if not self._heads.hold(self, self._other or len(data), len(self.headers)):
                self._end(
                    b"503 Service Unavailable", "Too many heads are not complete. Try again later.", b"retry-after: 5"
                )
            elif self._timer is None:
                self._await_head()
        return self._number

    def _await_head(self) -> None:
        """Give the client its time for a head. If too many connections wait for one, close the oldest of them."""
        self._start()
        if self._heads.wait(self):
            self._close_oldest([*self._heads.held])

    def _release(self) -> None:
        """Free the memory of the head. A client may take long to close its connection."""
        if self._heads.remove(self) and not (self.cycle and self.cycle.scope["headers"] is self.headers):
            self.headers.clear()  # the scope has them too
            self.url = b""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._has_begun = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_body or len(self.headers) > MAX_HEADERS:  # a trailer, or a head that is rejected when it ends
            return
        super().on_header(name, value.rstrip(b" \t"))  # httptools keeps the white space behind a value

    def on_headers_complete(self) -> None:
        self._has_begun = False
        if self._full or len(self.pipeline) >= MAX_QUEUED:
            self._full = True
            self.pipeline[0][0].keep_alive = False  # of the last one that waits
            return
        if len(self.headers) <= MAX_HEADERS and self.parser.takes_offer(self.url, self.headers):
            return
        self._unset_keepalive_if_required()  # the end of the body before it may have come in the same packet
        version = self.parser.get_http_version()
        # RFC 9112, section 3.2.2: the host of a URL counts, and its path may be empty.
        if not self.url.startswith(b"/") and (url := URL.match(self.url)):
            self.headers[:] = [(name, url[2] if name == b"host" else value) for name, value in self.headers]
            self.url = url[1] + b"/" + self.url[url.end() :]
        if (rejection := self._rejection(version)) is not None:
            self.scope[REJECTION] = rejection  # type: ignore[literal-required]
            self.url = self.url[: MAX_HEAD_BYTES - 1]  # uvicorn's parser of URLs raises if there is one more byte
        if is_old := version == "1.0":
            self.expect_100_continue = False  # RFC 9110, section 10.1.1
        self._in_body, self._other = True, min(self._other, PIECE)  # bytes of this piece may be body
        self._stop()
        self._heads.remove(self)
        self.transport.begin()
        super().on_headers_complete()
        if not self.pipeline:
            self._running = self.cycle
        Cycle.extend(self.cycle, self.config, is_old=is_old)
        draining = self.app_state.get("draining")
        if draining and draining.is_set():
            self.cycle.keep_alive = False
        if self.parser.should_upgrade():  # CONNECT: what follows is no request
            self.cycle.keep_alive, self._full = False, True

    def on_body(self, body: bytes) -> None:
        if not self._full:
            self._chunks.append(body)

    def _take_body(self) -> None:
        """Pass the chunks of one read on together: each call costs as much as 16 KiB."""
        if self._chunks:
            self._number += len(self._chunks)
            body = b"".join(self._chunks)
            self._chunks.clear()
            self._other = max(0, self._other - 3 * len(body))
            if self.cycle.response_complete:
                self.transport.discard(len(body))
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._take_body()
        if not self._full and not self.parser.is_offer:
            self._other, self._in_body = 0, False
            self._stop()
            if not self.parser.should_keep_alive():
                self._full = self.parser.is_last = True
            super().on_message_complete()
            if self.cycle.response_complete and not self.transport.is_closing():  # uvicorn had stopped its timer
                self._unset_keepalive_if_required()
                self.timeout_keep_alive_task = self.loop.call_later(
                    self.timeout_keep_alive, self.timeout_keep_alive_handler
                )

    def on_response_complete(self) -> None:
        self._since = self.loop.time()
        if self.pipeline and self.flow.write_paused:
            self._is_next_due = True
            return
        self._running = self.pipeline[-1][0] if self.pipeline else None
        super().on_response_complete()
        if self.transport.is_closing():
            self._close()
        elif self._in_body and self._timer is None:  # an early response: the client need not send the rest
            self._start()

    def timeout_keep_alive_handler(self) -> None:
        self._close()

    def shutdown(self) -> None:
        super().shutdown()
        if self.transport.is_closing():
            self.transport.end()
            self._close()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread_since = self.loop.time()
        if self._stall is None:
            self._check_reader()
        if self.transport.get_write_buffer_size() > MANY_BYTES:
            self._limit_unread()

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.transport.is_closing():
            self._stop_stall()
            if self._is_next_due:
                self._is_next_due = False
                self.on_response_complete()

    def _check_reader(self, before: float = math.inf) -> None:
        """Abort the connection if the client has read too little of the buffer since the last check."""
        waiting = self.transport.get_write_buffer_size()
        if waiting > before - MIN_READ_BYTES:
            logger.warning("aborted a connection: its client reads too slowly")
            self.transport.abort()
        else:
            self._stall = self.loop.call_later(STALL_TIMEOUT, self._check_reader, waiting)

    def _limit_unread(self) -> None:
        """Abort the connections that have not read for the longest time, until MAX_UNREAD_BYTES are left to read."""
        writing = [each for each in self.connections if isinstance(each, HttpProtocol) and each._stall is not None]
        unread = {each: each.transport.get_write_buffer_size() for each in writing}
        total = sum(unread.values())
        for connection in sorted(unread, key=lambda each: each._unread_since):
            if total <= MAX_UNREAD_BYTES:
                break
            logger.warning("aborted a connection: responses that clients do not read take too much memory")
            connection.transport.abort()
            total -= unread[connection]

    def _stop_stall(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _close(self) -> None:
        """Close the connection when the client has read the rest. Abort it if the client does not."""
        self._stop()
        self.transport.close()
        if self._stall is None:
            self._check_reader()

    def _make_room(self) -> bool:
        """Close the connections that have waited longest for a request. Return whether there was one."""
        waiting = [each for each in self.connections if isinstance(each, HttpProtocol)]
        return self._close_oldest(sorted(waiting, key=lambda each: each._since))

    def _close_oldest(self, waiting: "list[HttpProtocol]") -> bool:
        """Close the first tenth of the others in which no request runs, at least one. Return whether there was one."""
        idle = [each for each in waiting if each is not self and not each._is_busy()]
        oldest = idle[: math.ceil(len(idle) / 10)]
        for connection in oldest:
            connection.transport.end()
            connection._release()
            self.connections.discard(connection)
        if oldest:
            logger.warning("closed %s to make room for a new one", count(len(oldest), "idle connection"))
        return bool(oldest)

    def _is_busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _rejection(self, version: str) -> ProblemError | None:
        """Return the problem of a complete head: its version, length, target, coding or Host (RFC 9112)."""
        if version not in VERSIONS:  # without one it is HTTP/0.9, whose requests have no headers
            if version == "0.9":
                return ProblemError(400, detail="Name the version of HTTP: HTTP/1.1.", headers=CLOSE)
            return ProblemError(505, detail="The supported versions are HTTP/1.0 and HTTP/1.1.", headers=CLOSE)
        if b"#" in self.url:
            return ProblemError(400, detail="Send the target without a fragment.", headers=CLOSE)
        # The head may have begun in a piece that ended another message. So near the limit it is measured.
        if self._other + PIECE > MAX_HEAD_BYTES:
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size > MAX_HEAD_BYTES:
                return ProblemError(431, detail=HEAD_TOO_LONG, headers=CLOSE)
        if len(self.headers) > MAX_HEADERS:
            return ProblemError(431, detail=TOO_MANY_HEADERS, headers=CLOSE)
        codings = [value.strip().lower() for name, value in self.headers if name == b"transfer-encoding"]
        if codings and codings != [b"chunked"]:
            return ProblemError(501, detail="The only supported transfer coding is chunked.", headers=CLOSE)
        hosts = [value for name, value in self.headers if name == b"host"]
        if HOST.fullmatch(hosts[0].strip()) if len(hosts) == 1 else version == "1.0" and not hosts:
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
            if self._other and not self._in_body:
                self._end(b"408 Request Timeout", "")
            else:
                self.transport.end()
                self._close()

    def _unread(self) -> int:
        """Return how many bytes the client may still send after the last response."""
        draining = self.app_state.get("draining")
        if draining and draining.is_set():
            return 0
        if self._in_body or self._full:
            return LINGER_BYTES
        return LINGER_HEAD_BYTES if self._other else 0

    def _end(self, status: bytes, text: str, *headers: bytes) -> None:
        """Answer a head that is not complete, and close the connection."""
        lines = [
            b"HTTP/1.1 " + status,
            b"date: " + date_at(int(time())),
            b"content-type: text/plain; charset=utf-8",
            b"content-length: %d" % len(text),
            *(b"connection: close", *headers),
        ]
        self.transport.write(b"\r\n".join(lines) + b"\r\n\r\n" + text.encode())
        self._release()
        self._close()
