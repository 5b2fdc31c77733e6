"""Authentication: check the bearer token (RFC 6750) of a request and its scope."""

import hmac
import time
from base64 import urlsafe_b64decode
from typing import Any, NamedTuple
from uuid import UUID

from starlette.requests import HTTPConnection

from app.catalogue.tokens import CACHE_TIME, SCOPES, TOKEN, Scope, digest
from app.database import queries
from app.database.errors import UNAVAILABLE
from app.database.pool import Pool
from app.database.replica import ReadRouter
from app.observability.context import CONTEXT
from app.observability.logs import logger
from app.single_flight import SingleFlight
from app.web.problems import ProblemError

USE_INTERVAL = 60.0  # seconds between two writes of a token's last use
CHALLENGE = 'Bearer realm="images"'
MISSING = "Send a bearer token: Authorization: Bearer images_..."


class Known(NamedTuple):
    """A token as the database had it."""

    since: float  # time.monotonic() of the look-up
    scope: Scope
    sha256: bytes


class Tokens:
    """Cache of a worker: the tokens in use. The database is asked again after CACHE_TIME seconds."""

    def __init__(self, pool: Pool, reads: ReadRouter) -> None:
        self._pool = pool
        self._reads = reads
        self._known: dict[UUID, Known] = {}
        self._used: dict[UUID, float] = {}  # time.monotonic() when the last use was written
        self._flight: SingleFlight[UUID, Known | None] = SingleFlight()

    async def require(self, authorization: str | None, wanted: Scope) -> None:
        """Return if the Authorization header has a valid token with the scope `wanted`. Raises ProblemError: 401, 403.

        An unknown ID and a wrong secret take the same path. A malformed token does not reach the database.
        """
        scheme, _, text = (authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            raise _unauthorized(MISSING)
        text = text.strip(" \t")  # only these are white space in HTTP (RFC 9110, section 5.6.3)
        id, known = None, None
        if TOKEN.fullmatch(text):
            id = UUID(bytes=urlsafe_b64decode(text.removeprefix("images_"))[:16])
            known = await self._find(id)
        expected = known.sha256 if known else bytes(32)
        if not hmac.compare_digest(digest(text), expected) or known is None or id is None:
            raise _unauthorized("The token is unknown or revoked.", ', error="invalid_token"')
        if context := CONTEXT.get():
            context.token = str(id)
        await self._write_use(id)
        if SCOPES.index(known.scope) < SCOPES.index(wanted):
            challenge = f'{CHALLENGE}, error="insufficient_scope", scope="{wanted}"'
            detail = f"This request needs a token with scope {wanted}. Your token has scope {known.scope}."
            raise ProblemError(403, "insufficient-scope", detail, headers={"WWW-Authenticate": challenge})

    async def _find(self, id: UUID) -> Known | None:
        """Return the token from the cache or the database. Requests at the same time share one look-up."""
        known = self._known.get(id)
        if known is not None and time.monotonic() - known.since < CACHE_TIME:
            return known
        return await self._flight.share(id, lambda: self._look_up(id))

    async def _write_use(self, id: UUID) -> None:
        """Write the time of use of a token whose secret was right, at most once in USE_INTERVAL."""
        now = time.monotonic()
        if now - self._used.get(id, -USE_INTERVAL) < USE_INTERVAL or not self._reads.primary_answers:
            return
        self._used[id] = now
        try:
            await queries.touch_token(self._pool, id)
        except UNAVAILABLE as error:  # for example on a standby: the token is valid anyway
            logger.error("could not write the last use of token %s: %s", id, error)

    async def _look_up(self, id: UUID) -> Known | None:
        since = time.monotonic()
        row = await queries.find_token(self._reads, id)
        if row is None:
            self._known.pop(id, None)
            self._used.pop(id, None)
            return None
        self._known[id] = Known(since, row["scope"], row["sha256"])
        return self._known[id]


def _unauthorized(detail: str, error: str = "") -> ProblemError:
    return ProblemError(401, detail=detail, headers={"WWW-Authenticate": CHALLENGE + error})


async def admit(tokens: Tokens | None, request: HTTPConnection[Any], wanted: Scope) -> None:
    """Return if the request may do what needs the scope `wanted`. Raises ProblemError: 401, 403.

    `tokens` is None with AUTH=none. Then app/web/loopback.py has checked the request.
    """
    if tokens is not None:
        await tokens.require(request.headers.get("authorization"), wanted)
