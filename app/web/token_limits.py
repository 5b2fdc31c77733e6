"""Rate limits of tokens: requests a second and bytes of uploads a day, with RateLimit headers and 429.

All workers share the limits through PostgreSQL. A worker takes requests in batches, each at most a tenth of a second's,
and the database is asked once for a batch. So a token may send at most one batch for each worker more than its limit.
The bytes of a body are counted before they are read, so they are exact.

The headers are those of draft-ietf-httpapi-ratelimit-headers-11. Only answers to tokens with limits have them.
"""

import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

from starlette.requests import HTTPConnection
from starlette.types import Message, Receive

from app.database import token_queries
from app.database.errors import UNAVAILABLE
from app.database.pool import Pool
from app.database.replica import ReadRouter
from app.observability.context import CONTEXT
from app.observability.logs import logger
from app.single_flight import SingleFlight
from app.web.headers import MAX_NUMBER, whole_number
from app.web.problems import ProblemError

BATCHES = 10  # the largest batch is this part of the requests of a second
BUSY = 1.0  # seconds: if a batch lasts for less, the next one may be twice as large
PAUSE = 0.1  # seconds until a worker asks again after PostgreSQL had fewer requests than it wanted
BODY_STEP = 1024 * 1024  # bytes that are counted at once if a body has no declared length
COMPLAINT_INTERVAL = 60.0  # seconds between two lines of the log about PostgreSQL
DAY = 86_400  # seconds


class Limits(NamedTuple):
    """The limits of a token as the database had them, and what it had uploaded by then."""

    requests_per_second: int | None
    upload_bytes_per_day: int | None
    upload_bytes: int
    day_ends_at: float  # time.monotonic()


class Bucket:
    """The requests of a token that this worker has taken and not used."""

    __slots__ = ("closed_until", "left", "remaining", "size", "taken_at")

    def __init__(self) -> None:
        self.left = 0
        self.remaining = 0  # requests that PostgreSQL had left for all workers
        self.size = 1  # requests of the last batch
        self.taken_at = -math.inf  # time.monotonic()
        self.closed_until = -math.inf  # time.monotonic() until which PostgreSQL is not asked


class TokenLimits:
    """The counts of the tokens with limits that this worker has seen."""

    def __init__(self, pool: Pool, reads: ReadRouter) -> None:
        self._pool = pool
        self._reads = reads
        self._buckets: dict[UUID, Bucket] = {}
        self._flight: SingleFlight[UUID, None] = SingleFlight()
        self._complained_at = -math.inf  # time.monotonic()

    def forget(self, id: UUID) -> None:
        """Forget a token that is revoked."""
        self._buckets.pop(id, None)

    async def spend(self, id: UUID, limits: Limits) -> "Meter":
        """Count a request. Raises ProblemError 429 if it is one too many."""
        rate = limits.requests_per_second
        meter = Meter(self, id, limits)
        if rate is None:
            return meter
        bucket = self._buckets.setdefault(id, Bucket())
        while bucket.left < 1:
            pause = bucket.closed_until - time.monotonic()
            if pause > 0:
                detail = f"The token may send {rate} requests a second."
                raise ProblemError(429, "too-many-requests", detail, headers={"Retry-After": f"{math.ceil(pause)}"})
            await self._flight.share(id, lambda: self._take(id, rate, bucket))
        bucket.left -= 1
        meter.tell(bucket.left + bucket.remaining)
        return meter

    async def _take(self, id: UUID, rate: int, bucket: Bucket) -> None:
        """Take a batch of requests for this worker. The batches of a busy token become larger."""
        most = math.ceil(rate / BATCHES)
        wanted = min(most, 2 * bucket.size) if time.monotonic() - bucket.taken_at < BUSY else 1
        # If PostgreSQL does not answer, each worker allows the whole rate by itself.
        granted, bucket.remaining, pause = await self._ask(id, wanted) or (most, 0, most / rate)
        bucket.left += granted
        bucket.size, bucket.taken_at = wanted, time.monotonic()
        bucket.closed_until = bucket.taken_at + pause

    async def _ask(self, id: UUID, wanted: int) -> tuple[int, int, float] | None:
        """Return how many requests were granted, how many all workers have left, and seconds until the next question.

        Return None if PostgreSQL does not answer.
        """
        if not self._reads.primary_answers:
            return None
        try:
            row = await token_queries.take_requests(self._pool, id, wanted)
        except UNAVAILABLE as error:
            if self._may_complain():
                logger.error("could not count the requests of token %s: %s", id, error)
            return None
        if row is None:  # the limit has just been removed
            return wanted, 0, 0.0
        return row["granted"], row["remaining"], max(row["wait"], PAUSE) if row["granted"] < wanted else 0.0

    async def count(self, id: UUID, size: int, day: date | None = None) -> "Count":
        """Count bytes of a body, if today has as many left. A negative size gives bytes of `day` back."""
        row = await token_queries.count_upload_bytes(self._pool, id, size, day)
        return Count(*row) if row else Count(True, None, None, 0.0)

    async def give_back(self, id: UUID, size: int, day: date) -> None:
        """Give back bytes that were counted and did not come."""
        try:
            await self.count(id, -size, day)
        except UNAVAILABLE as error:
            if self._may_complain():
                logger.error("could not give back upload bytes of token %s: %s", id, error)

    def _may_complain(self) -> bool:
        """Return whether the last complaint was long ago, so that an outage does not fill the log."""
        now = time.monotonic()
        if now - self._complained_at < COMPLAINT_INTERVAL:
            return False
        self._complained_at = now
        return True


class Count(NamedTuple):
    """The answer to a count of bytes. Without a limit, only `granted` matters."""

    granted: bool
    remaining: int | None
    day: date | None
    day_ends_in: float  # seconds


class Meter:
    """The use of a token's limits by one request. It sets the RateLimit headers of the answer."""

    def __init__(self, counts: TokenLimits, id: UUID, limits: Limits) -> None:
        self._counts = counts
        self._id = id
        self._limits = limits
        self._uploads = limits.upload_bytes_per_day
        self._requests = 0
        self._set_headers()

    def tell(self, requests: int) -> None:
        """Say how many more requests the token may send at once, as far as this worker knows."""
        self._requests = requests
        self._set_headers()

    def _set_headers(self) -> None:
        limits, context = self._limits, CONTEXT.get()
        if context is None:
            return
        policies, present = [], []
        if limits.requests_per_second is not None:
            policies.append(f'"requests";q={limits.requests_per_second};w=1')
            present.append(f'"requests";r={self._requests};t=1')
        if self._uploads is not None:
            left = max(self._uploads - limits.upload_bytes, 0)
            seconds = max(math.ceil(limits.day_ends_at - time.monotonic()), 0)
            policies.append(f'"uploads";q={self._uploads};qu="content-bytes";w={DAY}')
            present.append(f'"uploads";r={left};t={seconds}')
        context.headers = [
            (b"ratelimit-policy", ", ".join(policies).encode()),
            (b"ratelimit", ", ".join(present).encode()),
        ]

    @asynccontextmanager
    async def count_body(self, request: HTTPConnection[Any], receive: Receive) -> AsyncIterator[Receive]:
        """Yield a `receive` that counts the bytes of the body.

        Raises ProblemError 429 if today has fewer left, and 413 if no day has as many.

        The declared length is counted at once, before the body is read. If no length is declared, BODY_STEP bytes are
        counted at a time. Bytes that were counted and did not come are given back.
        """
        if self._uploads is None:
            yield receive
            return
        received = counted = 0
        day: date | None = None

        async def count(*sizes: int) -> None:
            nonlocal counted, day
            size, day = await self._count(counted, *sizes)
            counted += size

        async def receive_counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if (more := received - counted) > 0:
                await count(max(more, BODY_STEP), more)
            return message

        try:
            if declared := whole_number(request.headers.get("content-length", "0")):
                await count(declared)
            yield receive_counted
        finally:
            if counted > received and day is not None:
                await self._counts.give_back(self._id, counted - received, day)

    async def count_unread(self, request: HTTPConnection[Any]) -> None:
        """Count the declared length of a body that nothing reads. It arrives all the same.

        Raises ProblemError: 429, 413.
        """
        if self._uploads is not None and (declared := whole_number(request.headers.get("content-length", "0"))):
            await self._count(0, min(declared, MAX_NUMBER - 1))

    async def _count(self, before: int, *sizes: int) -> tuple[int, date | None]:
        """Count the first of the sizes that the token has left, and return it and the day.

        Raises ProblemError: 429, 413.
        """
        for size in sizes:
            answer = await self._counts.count(self._id, size)
            self._update(answer)
            if answer.granted:
                return size, answer.day
        raise self._exceeded(answer, before + sizes[-1])

    def _update(self, answer: Count) -> None:
        if self._uploads is not None and answer.remaining is not None:
            used, end = self._uploads - answer.remaining, time.monotonic() + answer.day_ends_in
            self._limits = self._limits._replace(upload_bytes=used, day_ends_at=end)
            self._set_headers()

    def _exceeded(self, answer: Count, size: int) -> ProblemError:
        if self._uploads is not None and size > self._uploads:
            detail = f"The token may upload {self._uploads} bytes a day (UTC), and the body has more."
            return ProblemError(413, detail=detail, headers={"Connection": "close"})
        detail = f"The token may upload {self._uploads} bytes a day (UTC). Today it may upload {answer.remaining} more."
        # The body is unread, so the connection closes.
        headers = {"Retry-After": f"{math.ceil(answer.day_ends_in)}", "Connection": "close"}
        return ProblemError(429, "upload-quota-exceeded", detail, headers=headers)
