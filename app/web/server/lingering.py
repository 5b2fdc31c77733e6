"""Lingering close of a connection (RFC 9112, section 9.6), so that an early response is not lost.

If a socket is closed while bytes of the client are unread, TCP resets the connection. The reset also discards the
response in the client's buffer. A client that sends its whole body before it reads would never see a 413.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

LINGER_TIME = 30.0  # seconds for the client to send the rest, at most
LINGER_BYTES = 64 * 1024 * 1024  # of a body that nothing reads
LINGER_HEAD_BYTES = 1024 * 1024  # after the start of a head that is rejected


class LingeringTransport:
    """The transport of a connection. close() ends the own direction, then throws away what the client still sends.

    `unread` returns how many bytes the client may still send before the connection is closed: 0 if its message is
    complete. All else is that of asyncio's transport.
    """

    def __init__(self, transport: asyncio.Transport, unread: Callable[[], int]) -> None:
        self._own = transport
        self._unread = unread
        self._left = LINGER_BYTES
        self._timer: asyncio.TimerHandle | None = None  # while the connection lingers

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own, name)

    def is_closing(self) -> bool:
        """Return whether close() was called, or the connection is lost."""
        return self._timer is not None or self._own.is_closing()

    def close(self) -> None:
        """Close the connection when the client has closed its direction, or has sent as much as it may."""
        if self.is_closing():
            return
        self._left = self._unread()
        if self._left == 0:
            self._own.close()
            return
        self._timer = asyncio.get_running_loop().call_later(LINGER_TIME, self.end)
        if self._own.can_write_eof():  # not with TLS
            self._own.write_eof()
        self._own.resume_reading()

    def write(self, data: bytes) -> None:
        """Write, unless close() was called: a request may still run if what follows it is malformed."""
        if self._timer is None:
            self._own.write(data)

    def writelines(self, parts: Iterable[bytes]) -> None:
        """Write with one system call, unless close() was called. After a lost connection, asyncio's would raise."""
        if self._timer is None and not self._own.is_closing():
            self._own.writelines(parts)

    def end(self) -> None:
        """Close the connection at once, except that the client may read the rest of the response."""
        if self._timer is not None:
            self._timer.cancel()
        self._own.close()
        self._unread = int  # Without the reference, the protocol is freed at once.

    def begin(self) -> None:
        """Note that a request begins."""
        self._left = LINGER_BYTES

    def discard(self, size: int) -> None:
        """Count bytes that nothing reads."""
        self._left -= size
        if self._left < 0:
            self.end()
