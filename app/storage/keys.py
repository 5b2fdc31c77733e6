"""Storage keys: the place of an image's bytes and of its thumbnails in the object store."""

import hashlib
import re

# What the service writes. Anything else in these folders may be of an adopted image, and is left alone.
CONTENT = re.compile(r"sha256/([0-9a-f]{2})/([0-9a-f]{2})/(\1\2[0-9a-f]{60})")
THUMBNAIL = re.compile(r"thumbnails/([0-9a-f]{2})/([0-9a-f]{2})/(\1\2[0-9a-f]{60})-[0-9]+\.[a-z]+")


def storage_key(sha256: str) -> str:
    """Content-addressed: the same bytes have one place. Two levels of folders keep each small."""
    return f"sha256/{sha256[:2]}/{sha256[2:4]}/{sha256}"


def thumbnail_key(sha256: str, name: str) -> str:
    """Where a thumbnail of these bytes is cached. An adopted row may have anything for its SHA-256."""
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        sha256 = hashlib.sha256(sha256.encode()).hexdigest()
    return f"thumbnails/{sha256[:2]}/{sha256[2:4]}/{sha256}-{name}"
