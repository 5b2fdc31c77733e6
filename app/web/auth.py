"""Authentication: check the bearer token (RFC 6750) of a request and its scope."""

import hmac
import math
import time
from base64 import urlsafe_b64decode
from typing import Any, NamedTuple
from uuid import UUID

from starlette.requests import HTTPConnection

from app.catalogue.tokens import CACHE_TIME, SCOPES, TOKEN, Scope, digest
from app.database import token_queries
from app.database.connection import Connection
from app.database.errors import UNAVAILABLE
from app.database.pool import Pool
from app.database.replica import ReadRouter
from app.observability.context import CONTEXT
from app.observability.logs import logger
from app.single_flight import SingleFlight
from app.web.problems import ProblemError
from app.web.token_limits import Limits, Meter, TokenLimits

USE_INTERVAL = 60.0  # seconds between two writes of a token's last use
CHALLENGE = 'Bearer realm="images"'
EXPIRED = "The token has expired."
NO_HASH = bytes(32)  # of no token
MISSING = "Send a bearer token: Authorization: Bearer images_..."


class Secret(NamedTuple):
    """One of the two secrets of a token."""

    sha256: bytes
    expires_at: float


class Known(NamedTuple):
    """A token as the database had it. Times are of time.monotonic()."""

    since: float  # when it was looked up
    scope: Scope
    secrets: tuple[Secret, Secret]  # the present and the former one
    limits: Limits | None


NO_SECRETS = (Secret(NO_HASH, -math.inf), Secret(NO_HASH, -math.inf))


class Tokens:
    """Cache of a worker: the tokens in use. The database is asked again after CACHE_TIME seconds."""

    def __init__(self, pool: Pool, reads: ReadRouter) -> None:
        self._pool = pool
        self._reads = reads
        self._known: dict[UUID, Known] = {}
        self._used: dict[UUID, float] = {}  # time.monotonic() when the last use was written
        self._flight: SingleFlight[UUID, Known | None] = SingleFlight()
        self._limits = TokenLimits(pool, reads)

    async def require(self, authorization: str | None, wanted: Scope) -> Meter | None:
        """Return if the Authorization header has a valid token with the scope `wanted`.

        Raises ProblemError: 401, 403, 429.

        An unknown ID and a wrong secret take the same path: each costs one look-up. A malformed token does not reach
        the database. For a token with limits, return what counts the body.
        """
        id, known = await self._find(authorization, self._reads)
        meter = await self._limits.spend(id, known.limits) if known.limits is not None else None
        await self._write_use(id)
        _require_scope(known, wanted)
        return meter

    async def confirm(self, authorization: str | None, wanted: Scope, connection: Connection | None = None) -> None:
        """Return if the token is still valid, now that a body has arrived, which may take long.

        A caller in a transaction gives its connection, so that it does not wait for a second one. Raises ProblemError:
        401, 403.
        """
        _, known = await self._find(authorization, connection or self._reads)
        _require_scope(known, wanted)

    async def scope(self, authorization: str | None) -> Scope:
        """Return the scope of the token in the Authorization header. Raises ProblemError 401."""
        _, known = await self._find(authorization, self._reads)
        return known.scope

    async def _find(self, authorization: str | None, database: ReadRouter | Connection) -> tuple[UUID, Known]:
        """Return the ID of the token in the header, and what the database has about it. Raises ProblemError 401."""
        scheme, _, text = (authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            raise _unauthorized(MISSING)
        text = text.strip(" \t")  # only these are white space in HTTP (RFC 9110, section 5.6.3)
        id, known, secret = None, None, None
        if TOKEN.fullmatch(text):
            id = UUID(bytes=urlsafe_b64decode(text.removeprefix("images_"))[:16])
            known = self._known.get(id)
            if known is not None and time.monotonic() - known.since >= CACHE_TIME:
                known = None
            secret = _matching(known, text)
            if secret is None:  # another worker may just have seen a new secret
                if isinstance(database, Connection):  # no other request may wait for a statement in this transaction
                    known = await self._look_up(id, database)
                else:
                    known = await self._flight.share(id, lambda: self._look_up(id, database))
                secret = _matching(known, text)
        if secret is None or known is None or id is None:
            raise _unauthorized("The token is unknown or revoked.", ', error="invalid_token"')
        if context := CONTEXT.get():
            context.token = str(id)
        if secret.expires_at <= time.monotonic():
            raise _unauthorized(EXPIRED, f', error="invalid_token", error_description="{EXPIRED}"')
        return id, known

    async def _write_use(self, id: UUID) -> None:
        """Write the time of use of a token whose secret was right, at most once in USE_INTERVAL."""
        now = time.monotonic()
        if now - self._used.get(id, -USE_INTERVAL) < USE_INTERVAL or not self._reads.primary_answers:
            return
        self._used[id] = now
        try:
            await token_queries.touch_token(self._pool, id)
        except UNAVAILABLE as error:  # for example on a standby: the token is valid anyway
            logger.error("could not write the last use of token %s: %s", id, error)

    async def _look_up(self, id: UUID, database: ReadRouter | Connection) -> Known | None:
        since = time.monotonic()
        row = await token_queries.find_token(database, id)
        if row is None:
            self._known.pop(id, None)
            self._used.pop(id, None)
            self._limits.forget(id)
            return None
        secrets = (
            Secret(row["sha256"], _time(since, row["expires_in"])),
            Secret(row["former_sha256"] or NO_HASH, _time(since, row["former_expires_in"])),
        )
        limits = Limits(
            row["requests_per_second"],
            row["upload_bytes_per_day"],
            row["upload_bytes"],
            _time(since, row["day_ends_in"]),
        )
        is_limited = (limits.requests_per_second, limits.upload_bytes_per_day) != (None, None)
        self._known[id] = Known(since, row["scope"], secrets, limits if is_limited else None)
        return self._known[id]


def _time(since: float, seconds: float | None) -> float:
    return math.inf if seconds is None else since + seconds


def _matching(known: Known | None, text: str) -> Secret | None:
    """Return the secret of the token that `text` contains, or None. None takes the same time for an unknown token."""
    given = digest(text)
    for secret in NO_SECRETS if known is None else known.secrets:
        if hmac.compare_digest(given, secret.sha256):
            return secret
    return None


def _require_scope(known: Known, wanted: Scope) -> None:
    if SCOPES.index(known.scope) < SCOPES.index(wanted):
        challenge = f'{CHALLENGE}, error="insufficient_scope", scope="{wanted}"'
        detail = f"This request needs a token with scope {wanted}. Your token has scope {known.scope}."
        raise ProblemError(403, "insufficient-scope", detail, headers={"WWW-Authenticate": challenge})


def _unauthorized(detail: str, error: str = "") -> ProblemError:
    return ProblemError(401, detail=detail, headers={"WWW-Authenticate": CHALLENGE + error})


async def admit(tokens: Tokens | None, request: HTTPConnection[Any], wanted: Scope) -> Meter | None:
    """Return if the request may do what needs the scope `wanted`. Raises ProblemError: 401, 403, 429.

    `tokens` is None with AUTH=none. Then app/web/loopback.py has checked the request.
    """
    if tokens is not None:
        return await tokens.require(_authorization(request), wanted)
    return None


async def confirm(request: HTTPConnection[Any], wanted: Scope, connection: Connection | None = None) -> None:
    """Return if the token of the request is still valid. Call it after the body, before anything is written.

    Raises ProblemError: 401, 403.
    """
    tokens: Tokens | None = request.state["tokens"]
    if tokens is not None:
        await tokens.confirm(_authorization(request), wanted, connection)


async def has_scope(request: HTTPConnection[Any], wanted: Scope) -> bool:
    """Return whether the token of an admitted request has the scope."""
    return SCOPES.index(await scope_of(request)) >= SCOPES.index(wanted)


async def scope_of(request: HTTPConnection[Any]) -> Scope:
    """Return the scope of the token of an admitted request. With AUTH=none, each request has all scopes."""
    tokens: Tokens | None = request.state["tokens"]
    return "admin" if tokens is None else await tokens.scope(_authorization(request))


def _authorization(request: HTTPConnection[Any]) -> str | None:
    """Return the header, or None. Raises ProblemError if there are several: a proxy may have read another one."""
    values = request.headers.getlist("authorization")
    if len(values) > 1:
        raise ProblemError(400, detail="Send one Authorization header.")
    return values[0] if values else None
