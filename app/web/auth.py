"""Bearer tokens (RFC 6750): what they are made of, and what the one of a request allows."""

import hmac
import time
from base64 import urlsafe_b64decode
from functools import cache
from typing import NamedTuple
from uuid import UUID

from app.catalogue.tokens import FRESH, SCOPES, TOKEN, Scope, digest
from app.database import queries
from app.database.errors import UNAVAILABLE
from app.database.pool import Pool
from app.database.replica import ReadRouter
from app.observability.context import CONTEXT
from app.observability.logs import logger
from app.single_flight import SingleFlight
from app.urls import is_loopback
from app.web.problems import ProblemError

NOTED = 60.0  # seconds between two notes of its use
CHALLENGE = 'Bearer realm="images"'


class Known(NamedTuple):
    """What the database had of a token."""

    since: float
    scope: Scope
    sha256: bytes


class Tokens:
    """What a worker knows of the tokens that are in use, each read again every FRESH seconds."""

    def __init__(self, pool: Pool, reads: ReadRouter) -> None:
        self._pool = pool
        self._reads = reads
        self._known: dict[UUID, Known] = {}
        self._noted: dict[UUID, float] = {}
        self._flight: SingleFlight[UUID, Known | None] = SingleFlight()

    async def require(self, authorization: str | None, wanted: Scope) -> None:
        """Returns if the Authorization header has a token that allows it. Raises ProblemError: 401, 403.

        An unknown id and a wrong secret go the same way. What cannot be a token does not get to the database.
        """
        if authorization is None:
            raise _unauthorized("A bearer token is needed: Authorization: Bearer images_...")
        scheme, _, text = authorization.partition(" ")
        text = text.strip()
        id, known = None, None
        if scheme.lower() == "bearer" and TOKEN.fullmatch(text):
            id = UUID(bytes=urlsafe_b64decode(text.removeprefix("images_"))[:16])
            known = await self._find(id)
        expected = known.sha256 if known else bytes(32)
        if not hmac.compare_digest(digest(text), expected) or known is None or id is None:
            raise _unauthorized("The token is none that is in force.", ', error="invalid_token"')
        if context := CONTEXT.get():
            context.token = str(id)
        await self._note(id)
        if SCOPES.index(known.scope) < SCOPES.index(wanted):
            challenge = f'{CHALLENGE}, error="insufficient_scope", scope="{wanted}"'
            detail = f"The scope {wanted} is needed, and the token has {known.scope}."
            raise ProblemError(403, "insufficient-scope", detail, headers={"WWW-Authenticate": challenge})

    async def _find(self, id: UUID) -> Known | None:
        """One look for all who ask at once."""
        known = self._known.get(id)
        if known is not None and time.monotonic() - known.since < FRESH:
            return known
        return await self._flight.share(id, lambda: self._look(id))

    async def _note(self, id: UUID) -> None:
        """That the token was used: by who has its secret, and once in NOTED seconds."""
        now = time.monotonic()
        if now - self._noted.get(id, -NOTED) < NOTED or not self._reads.primary_answers:
            return
        self._noted[id] = now
        try:
            await queries.touch_token(self._pool, id)
        except UNAVAILABLE as error:  # as on a standby: it is used all the same
            logger.error("could not note the use of token %s: %s", id, error)

    async def _look(self, id: UUID) -> Known | None:
        since = time.monotonic()
        row = await queries.find_token(self._reads, id)
        if row is None:
            self._known.pop(id, None)
            self._noted.pop(id, None)
            return None
        self._known[id] = Known(since, row["scope"], row["sha256"])
        return self._known[id]


def _unauthorized(detail: str, error: str = "") -> ProblemError:
    return ProblemError(401, detail=detail, headers={"WWW-Authenticate": CHALLENGE + error})


async def admit(
    tokens: Tokens | None, authorization: str | None, server: tuple[str, int | None] | None, wanted: Scope
) -> None:
    """Return if the request may do what needs the scope `wanted`. Raises ProblemError: 401, 403.

    `tokens` is None with AUTH=none. Then a request is allowed only if `server`, the address at which it arrived, is on
    the loopback interface or a Unix socket, whatever address the service listens on.
    """
    if tokens is not None:
        await tokens.require(authorization, wanted)
    elif server is not None and server[1] is not None and not _is_loopback(server[0]):
        raise ProblemError(403, detail="AUTH=none allows requests only on the loopback interface. Set AUTH=token.")


_is_loopback = cache(is_loopback)  # a machine has few addresses
