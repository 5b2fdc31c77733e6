"""Parser of requests that ignores an offer of another protocol, such as `Upgrade: h2c` (RFC 9110, section 7.8).

httptools does not read the body of such a request, so its bytes would be the next request. A proxy may send requests of
several clients through one connection. Then one client could write the head of another one's request.
"""

from typing import Any

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

HOP_BY_HOP = {b"upgrade", b"http2-settings"}  # headers of the offer


class Parser:
    """Parser of one connection. Its protocol gets the calls that httptools describes."""

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol
        self.is_last = False  # the request that has ended closes the connection: what follows does not count
        self.is_offer = False  # the head that has ended offers another protocol, and is parsed again without that
        self._renew()

    def _renew(self) -> None:
        parser = HttpRequestParser(self._protocol)
        self._feed = parser.feed_data
        self.get_http_version, self.get_method = parser.get_http_version, parser.get_method
        self.should_keep_alive, self.should_upgrade = parser.should_keep_alive, parser.should_upgrade

    def feed_data(self, data: bytes) -> None:
        """Parse the data. Raises httptools.HttpParserError."""
        while True:
            try:
                self._feed(data)
            except HttpParserUpgrade as end:
                if not self.is_offer:  # CONNECT, or too many requests wait
                    return
                head, data = self._head, data[end.args[0] :]
                self._renew()
                self.is_offer = False
                self._feed(head)
            except HttpParserError:
                if not self.is_last:
                    raise
                return
            else:
                return

    def takes_offer(self, target: bytes, headers: list[tuple[bytes, bytes]]) -> bool:
        """Return whether the head that has ended offers another protocol. Then it comes again without the offer."""
        if not self.should_upgrade() or self.get_method() == b"CONNECT":
            return False
        lines = [b"%s %s HTTP/%s" % (self.get_method(), target, self.get_http_version().encode())]
        for name, value in headers:
            if name == b"connection":
                options = [option for option in value.split(b",") if option.strip().lower() not in HOP_BY_HOP]
                lines.append(b"connection: %s" % b",".join(options))
            elif name not in HOP_BY_HOP:
                lines.append(b"%s: %s" % (name, value))
        self._head = b"\r\n".join([*lines, b"", b""])
        self.is_offer = True
        return True
