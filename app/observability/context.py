"""Request context: the request ID, the trace ID and the query times that the log line of one request shows."""

import os
import re
from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from itertools import count

PRINTABLE_ID = re.compile(rb"[\x21-\x7e]{1,128}")
# https://www.w3.org/TR/trace-context/: a version after 00 may append fields.
TRACEPARENT = re.compile(
    rb"(?:(00)|(?!00|ff)[0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(?(1)|(?:-.*)?)"
)
_prefix = os.urandom(8).hex()
_numbers = count(1)


class Context:
    """Fields that the log lines of one request share."""

    __slots__ = ("headers", "queries", "request_id", "status", "token", "trace")

    def __init__(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Read X-Request-ID if it is printable and short, else make an ID. Read `traceparent` if it is valid."""
        given = dict(headers)
        request_id, traceparent = given.get(b"x-request-id"), given.get(b"traceparent")
        if request_id is not None and PRINTABLE_ID.fullmatch(request_id):
            self.request_id = request_id.decode()
        else:
            self.request_id = f"{_prefix}{next(_numbers):08x}"
        self.trace: tuple[str, str] | None = None  # IDs of the trace and of the parent span
        if traceparent is not None and (valid := TRACEPARENT.fullmatch(traceparent)):
            self.trace = valid[2].decode(), valid[3].decode()
        self.token: str | None = None  # ID of the bearer token
        self.headers: Sequence[tuple[bytes, bytes]] = ()  # of the answer, whatever it is
        self.status = 0  # of the answer, or 0 until it begins
        self.queries: dict[str, list[float]] = {}  # by name: number of calls, seconds

    def add_query(self, name: str, seconds: float) -> None:
        """Add one call of a query to the totals."""
        query = self.queries.get(name)
        if query is None:
            self.queries[name] = [1, seconds]
        else:
            query[0] += 1
            query[1] += seconds

    def fields(self) -> dict[str, str]:
        """Return the fields of a log line that identify the request."""
        fields = {"request_id": self.request_id}
        if self.trace is not None:
            fields["trace_id"], fields["parent_id"] = self.trace
        return fields


CONTEXT: ContextVar[Context | None] = ContextVar("request", default=None)


def current_token() -> str | None:
    """Return the ID of the token of the present request. Requests without a token are those of one client."""
    context = CONTEXT.get()
    return context.token if context else None
