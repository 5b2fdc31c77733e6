"""app.catalogue.tokens: to be described."""

import hashlib
import re
import secrets
from base64 import urlsafe_b64encode
from typing import Literal, NamedTuple, get_args
from uuid import UUID, uuid4

Scope = Literal["read", "write", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)  # each allows what those before it do
FRESH = 0.5  # seconds that a worker goes by what it read of a token: that long a revoked one works
# `images_`, so that who finds one knows what it is; 16 bytes of id and 32 of secret in base64url.
TOKEN = re.compile(r"images_[A-Za-z0-9_-]{64}")


class Token(NamedTuple):
    """A new token; `text` is what the client sends, and nobody can tell it again."""

    id: UUID
    text: str
    sha256: bytes


def make() -> Token:
    id = uuid4()
    text = "images_" + urlsafe_b64encode(id.bytes + secrets.token_bytes(32)).decode()
    return Token(id, text, digest(text))


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
