"""Tokens: create one, its format, its digest, and the scopes."""

import hashlib
import re
import secrets
from base64 import urlsafe_b64encode
from datetime import datetime, timedelta
from typing import Literal, NamedTuple, get_args
from uuid import UUID, uuid4

Scope = Literal["read", "write", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)  # each scope includes the ones before it
CACHE_TIME = 0.5  # seconds that a worker caches a token. A revoked token works for up to this time.
# The prefix tells people who find a token what it is for. Then 16 bytes of ID and 32 bytes of secret in base64url.
TOKEN = re.compile(r"images_[A-Za-z0-9_-]{64}")


class Token(NamedTuple):
    """A new token. The client sends `text`. The database has only its digest."""

    id: UUID
    text: str
    sha256: bytes


class End(NamedTuple):
    """When a secret expires: at a time, after a time, or never if both are None."""

    at: datetime | None = None
    after: timedelta | None = None


NEVER = End()


def make(id: UUID | None = None) -> Token:
    """Create a token, with a new secret for an ID that exists or for a new one."""
    id = id or uuid4()
    text = "images_" + urlsafe_b64encode(id.bytes + secrets.token_bytes(32)).decode()
    return Token(id, text, digest(text))


def digest(text: str) -> bytes:
    """Return the SHA-256 of a token as the client sends it."""
    return hashlib.sha256(text.encode()).digest()
