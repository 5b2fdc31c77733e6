"""uvicorn's HTTP protocol, with a limit on a request's head."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 65_536  # as uvicorn's slower protocol, on h11, has it


class HeadLimit(HttpToolsProtocol):
    """Answers 400 and closes where request line and headers are too long; httptools would gather them without end."""

    _head: int | None = 0  # bytes of the head so far; None once it is complete

    def data_received(self, data: bytes) -> None:
        if self._head is not None:
            self._head += len(data)
        super().data_received(data)
        if self._head is not None and self._head > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("Request line and headers are too long.")

    def on_headers_complete(self) -> None:
        self._head = None
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._head = 0
        super().on_message_complete()
