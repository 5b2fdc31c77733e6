"""Response as bytes: uvicorn's request and response, with head and body in one write, and header lines encoded once.

docs/explanation/performance.md has the costs of both.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from time import time

from starlette.types import Message
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HEADER_RE, STATUS_LINE, RequestResponseCycle
from uvicorn.protocols.utils import get_client_addr, get_path_with_query_string

from app.web.dates import http_date
from app.web.security import SECURITY

CONTROLS = bytes({*range(32), 127} - {ord("\t")})  # forbidden in a header's value (RFC 9110, section 5.5)
WITHOUT_BODY = (204, 304)
# Lines that most responses have, by header.
LINES = {
    (name, value): b"%b: %b\r\n" % (name, value)
    for name, value in (
        *SECURITY.items(),
        (b"vary", b"Accept-Encoding"),
        (b"vary", b"Authorization"),
        (b"content-type", b"application/json"),
    )
}


@lru_cache(maxsize=1)
def date_at(second: int) -> bytes:
    """Return the value of Date for a time in whole seconds since 1970."""
    return http_date(datetime.fromtimestamp(second, UTC)).encode()


class Prefixes(dict[bytes, bytes]):
    """The start of the line of each header, by its name. The names are those in the code, so they are few."""

    def __missing__(self, name: bytes) -> bytes:
        """Return the start of the line. Raises RuntimeError if the name is not one."""
        if HEADER_RE.search(name):
            raise RuntimeError(f"{name!r} is not the name of a header.")
        self[name] = name.lower() + b": "
        return self[name]


PREFIXES = Prefixes()


class Cycle(RequestResponseCycle):
    """A request and its response.

    The head waits for the first message with a body, as the specification of ASGI has it. `is_old` is true for a
    request in HTTP/1.0. It has no chunked coding: a body without a declared length ends with the connection.
    """

    is_old = False
    has_date = True  # The head has a Date: the time at which the head is made, so Last-Modified is never later.
    _head = b""  # until it is written

    @classmethod
    def extend(cls, cycle: RequestResponseCycle, config: Config, *, is_old: bool) -> None:
        """Make uvicorn's object, which it has just made, one of this class."""
        cycle.__class__ = cls
        assert isinstance(cycle, cls)
        cycle.is_old, cycle.has_date, cycle.default_headers = is_old, config.date_header, config.encoded_headers

    async def send(self, message: Message) -> None:  # type: ignore[override]
        """Write a message of the application. Raises RuntimeError for a message that ASGI forbids."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        kind = message["type"]
        if self.response_complete or kind != ("http.response.body" if self.response_started else "http.response.start"):
            raise RuntimeError(f"The application sent an unexpected message: {kind}.")
        if self.response_started:
            self._write(message.get("body", b""), message.get("more_body", False))
        else:
            self.response_started = True
            self.waiting_for_100_continue = False
            self._head = self._make_head(message["status"], message.get("headers", ()))

    def _make_head(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        if self.access_log:
            path = get_path_with_query_string(self.scope)
            words = get_client_addr(self.scope), self.scope["method"], path, self.scope["http_version"], status
            self.access_logger.info('%s - "%s %s HTTP/%s" %d', *words)
        constant: list[bytes] = [STATUS_LINE[status]]
        lines: list[bytes] = []
        if self.has_date:
            constant.append(b"date: %b\r\n" % date_at(int(time())))
        closes = False
        for header in (*self.default_headers, *headers):
            line = LINES.get(header)
            if line is not None:
                constant.append(line)
                continue
            name, value = header
            prefix = PREFIXES[name]
            lines += prefix, value, b"\r\n"
            if prefix == b"content-length: " and self.chunked_encoding is None:
                self.expected_content_length, self.chunked_encoding = int(value), False
            elif prefix == b"transfer-encoding: " and value.lower() == b"chunked":
                self.expected_content_length, self.chunked_encoding = 0, True
            elif prefix == b"connection: ":
                closes = b"close" in [token.strip() for token in value.lower().split(b",")]
        head = b"".join(lines)
        if len(head.translate(None, CONTROLS)) != len(head) - 2 * (len(lines) // 3):
            raise RuntimeError("A header has a control character.")
        head = b"".join(constant) + head
        if closes:
            self.keep_alive = False
        elif not self.keep_alive:
            head += b"connection: close\r\n"
        if self.chunked_encoding is None and self.scope["method"] != "HEAD" and status not in WITHOUT_BODY:
            self.chunked_encoding = not self.is_old
            if self.chunked_encoding:
                head += b"transfer-encoding: chunked\r\n"
        return head + b"\r\n"

    def _write(self, body: bytes, has_more: bool) -> None:
        if self.scope["method"] == "HEAD":
            self.expected_content_length, body = 0, b""
        elif self.chunked_encoding:
            body = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + (b"" if has_more else b"0\r\n\r\n")
        elif not self.is_old:
            self.expected_content_length -= len(body)
            if self.expected_content_length < 0 or (self.expected_content_length and not has_more):
                raise RuntimeError("The length of the body is not that of Content-Length.")
        if self._head:
            self.transport.writelines([self._head, body] if body else [self._head])
            self._head = b""
        elif body:
            self.transport.write(body)
        if not has_more:
            self.response_complete = True
            self.message_event.set()
            if not self.keep_alive:
                self.transport.close()
            self.on_response()
