"""app.observability.context: to be described."""

import os
import re
from collections.abc import Iterable
from contextvars import ContextVar
from itertools import count

SANE = re.compile(rb"[\x21-\x7e]{1,128}")
# https://www.w3.org/TR/trace-context/: more may follow in a version that is not 00 yet.
TRACEPARENT = re.compile(
    rb"(?:(00)|(?!00|ff)[0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(?(1)|(?:-.*)?)"
)
_prefix = os.urandom(8).hex()
_numbers = count(1)


class Context:
    """What the lines of one request have in common."""

    __slots__ = ("queries", "request_id", "token", "trace")

    def __init__(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """The request's own id where it is printable and short, else a new one; and its W3C trace context, if valid."""
        given = dict(headers)
        request_id, traceparent = given.get(b"x-request-id"), given.get(b"traceparent")
        if request_id is not None and SANE.fullmatch(request_id):
            self.request_id = request_id.decode()
        else:
            self.request_id = f"{_prefix}{next(_numbers):08x}"
        self.trace: tuple[str, str] | None = None  # the trace's id and the parent span's
        if traceparent is not None and (valid := TRACEPARENT.fullmatch(traceparent)):
            self.trace = valid[2].decode(), valid[3].decode()
        self.token: str | None = None  # the id of the one that it came with
        self.queries: dict[str, list[float]] = {}  # by name: how often, seconds in all

    def add_query(self, name: str, seconds: float) -> None:
        query = self.queries.get(name)
        if query is None:
            self.queries[name] = [1, seconds]
        else:
            query[0] += 1
            query[1] += seconds

    def fields(self) -> dict[str, str]:
        fields = {"request_id": self.request_id}
        if self.trace is not None:
            fields["trace_id"], fields["parent_id"] = self.trace
        return fields


CONTEXT: ContextVar[Context | None] = ContextVar("request", default=None)
